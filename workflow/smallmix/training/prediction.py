"""A trained network on new images: brought to its form and evaluated as the test images were, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from smallmix.datasets.image_decoding import decode_images
from smallmix.science.arithmetic import choose_memory_format, fix_arithmetic
from smallmix.science.evaluation import BATCH_SIZE, EvaluationImages, evaluate
from smallmix.science.training_step import Normalization
from smallmix.training.hardware import DeviceChoice, choose_device
from smallmix.training.weights import TrainedNetwork

COLORS = {1: "grey", 3: "rgb"}
MOST_BATCHES, MOST_BYTES = 4, 256 << 20  # decoded at once: whole batches, as an evaluation cuts them


@dataclass(frozen=True)
class Predictions:
    """What the network says of some images: `logits` float32 [N, classes] of `files`, in their order.

    `unreadable` has the reason for each file that is no image, which has no logits. `notes` says what had to be done to
    images, with their files.
    """

    files: tuple[str, ...]
    logits: NDArray[np.float32]
    unreadable: Mapping[str, str]
    notes: Mapping[str, Sequence[str]]

    @property
    def labels(self) -> NDArray[np.int64]:
        """Return the class with the largest logit, the first of equal ones: int64 [N]."""
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Return the softmax of the logits: float64 [N, classes]."""
        shifted = self.logits.astype(np.float64) - self.logits.max(axis=1, keepdims=True, initial=-np.inf)
        powers = np.exp(shifted)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def predict_images(
    network: TrainedNetwork,
    files: Sequence[str],
    device: DeviceChoice = "auto",
    own_code: Iterable[str] = (),
    report: Callable[[int], None] = lambda done: None,
) -> Iterator[Predictions]:
    """Build the network, then give the predictions of image files, a few batches at a time.

    The images are decoded, made square, coloured, normalised and evaluated as those of the training were, so the test
    images have the logits of the training where it ran on such a machine. `own_code` are the user's files, where the
    network is the user's own. `report` is called with the number of files done so far. Raises SmallmixError where the
    network or the device cannot be used.
    """
    told = network.description
    fix_arithmetic(told.cell.recipe.cpu_threads)
    chosen = choose_device(device)
    side, _, channels = told.image_shape
    memory_format = choose_memory_format(chosen, told.cell.model.width, side)
    model = network.build(own_code).to(memory_format=memory_format).to(chosen)
    normalization = Normalization.of(list(told.mean), list(told.deviation), chosen)
    batches = max(1, min(MOST_BATCHES, MOST_BYTES // (BATCH_SIZE * side * side * channels)))
    at_once = batches * BATCH_SIZE

    def predict_from(start: int) -> Predictions:
        part = files[start : start + at_once]
        decoded = decode_images(part, side, COLORS[channels], fit=told.cell.dataset.fit)
        readable = [index for index in range(len(part)) if index not in decoded.errors]
        logits = np.zeros((0, len(told.classes)), dtype=np.float32)
        if readable:
            pixels = torch.from_numpy(decoded.pixels[readable].transpose(0, 3, 1, 2).copy()).to(chosen)
            unknown = torch.zeros(len(readable), dtype=torch.int64, device=chosen)
            images = EvaluationImages(pixels, unknown, normalization, memory_format)
            logits = evaluate(model, images, told.cell.recipe.precision).logits.numpy()
        report(start + len(part))
        return Predictions(
            files=tuple(part[index] for index in readable),
            logits=logits,
            unreadable={part[index]: reason for index, reason in decoded.errors.items()},
            notes={note: [part[index] for index in indices] for note, indices in decoded.notes.items()},
        )

    return map(predict_from, range(0, len(files), at_once))
