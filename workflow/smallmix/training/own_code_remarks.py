"""What is said of a method and a network without faults: what a GPU would refuse, and what looks like no logits.

A training asks PyTorch for deterministic algorithms, and some operations have none on CUDA. They pass on a CPU.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from smallmix.own_code import names_own_code
from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Method, find_method
from smallmix.science.network import build_network, find_network
from smallmix.science.network_trial import on_meta
from smallmix.study.own_trials import Trial
from smallmix.training.own_code_faults import META, ImageKind, OwnPlace, begins_in
from smallmix.training.own_code_steps import first_tables, logits_of_noise

# Operations that raise on CUDA where deterministic algorithms are asked for, with a remedy. The list is that of
# torch.use_deterministic_algorithms (PyTorch 2.14.1), held against an H200 (PyTorch 2.11.0). There, reflection padding
# of two dimensions has a deterministic gradient, contrary to the list. Adaptive pooling to 1 x 1 is a mean, and
# interpolating bilinearly is indexing: PyTorch calls none of these operations then.
MEAN = "Use x.mean((2, 3)) for one number a map, or nn.AvgPool2d"
LARGEST = "Use x.amax((2, 3)) for one number a map, or nn.MaxPool2d"
ANOTHER = "Use another operation"
WITHOUT_GRADIENT: Mapping[str, str] = {  # raised in the backward pass: where the operation's input needs a gradient
    "_adaptive_avg_pool2d": MEAN,
    "_adaptive_avg_pool3d": MEAN,
    "adaptive_max_pool2d": LARGEST,
    "avg_pool3d": "Use nn.AvgPool2d, and nn.BatchNorm2d instead of a local response norm",
    "fractional_max_pool2d": "Use nn.MaxPool2d",
    "fractional_max_pool3d": ANOTHER,
    "upsample_linear1d": 'Use mode="nearest"',
    "upsample_bicubic2d": 'Use mode="bilinear"',
    "_upsample_bicubic2d_aa": 'Use mode="bilinear" without antialias',
    "_upsample_bilinear2d_aa": "Leave antialias out",
    "reflection_pad1d": 'Use the mode "replicate" or "circular"',
    "reflection_pad3d": 'Use the mode "replicate" or "circular"',
    "grid_sampler_2d": "Use F.interpolate, or move the features by indexing",
    "grid_sampler_3d": ANOTHER,
    "take": "Use x.flatten()[indices]",
    "_ctc_loss": ANOTHER,
}
REFUSED: Mapping[str, str] = {  # raised in the forward pass
    "nll_loss2d_forward": "Use log_probabilities.gather(1, labels[:, None])",
    "max_unpool2d": ANOTHER,
    "max_unpool3d": ANOTHER,
    "median.dim": "Use x.kthvalue(k, dim)",
    "histc": ANOTHER,
    "put_": "Use x.scatter(…) or x[indices] = values",
}


def find_remarks(trial: Trial, kind: ImageKind) -> list[str]:
    """Return remarks on a method and a network in which `find_faults` has found nothing, each once."""
    return [*_find_no_logits(trial, kind), *_find_refused_on_gpus(trial, kind)]


def _find_no_logits(trial: Trial, kind: ImageKind) -> Iterator[str]:
    value = trial.cell.model
    if not names_own_code(value.name):
        return
    model = build_network(value, kind.shape, kind.classes, trial.cell.seed)
    logits = logits_of_noise(model, kind)
    if bool(((logits > 0) & (logits < 1)).all()):
        place = OwnPlace(value.name, str(value.file))
        yield (
            f"{place.describe(begins_in(place, type(model).forward))}: all numbers that the network gives for images "
            "of noise lie between 0 and 1, as after a sigmoid; expected logits, which have no bounds. The loss takes "
            "the softmax itself."
        )


def _find_refused_on_gpus(trial: Trial, kind: ImageKind) -> list[str]:
    """Take a dry step with tensors without values, and look at the operations that it calls."""
    cell = trial.cell
    side, _, channels = kind.shape
    model = on_meta(find_network(cell.model), cell.model, channels, kind.classes).train()
    named = [(cell.method.mix, cell.method.file), (cell.model.name, cell.model.file)]
    places = [OwnPlace(name, str(file)) for name, file in named if names_own_code(name)]
    size = len(first_tables(cell)["rows"])
    row = BatchRow.of({name: table.to(META) for name, table in first_tables(cell).items()}).with_side(side)
    with _following(model) as layers:
        operations = _Operations(places, cell.model.name, layers)
        # What stops this step was no fault before, so it lies in the watching. A remark is advice, and stops nobody.
        with contextlib.suppress(Exception), operations:
            _loss(model, find_method(cell.method), row, kind.batch(size))
    return list(dict.fromkeys(operations.remarks))


def _loss(model: nn.Module, method: Method, row: BatchRow, images: Tensor) -> Tensor:
    """Return a batch's loss, as a training computes it."""
    mixed = method.mix(images, row)
    if method.mixes_features:
        logits = model(mixed, lambda features, stage: method.mix_features(features, stage, row))
    else:
        logits = model(mixed)
    labels = torch.empty((len(row.rows),), dtype=torch.int64, device=META)
    return method.loss(functional.log_softmax(logits.float(), dim=1), labels, row)


@contextlib.contextmanager
def _following(model: nn.Module) -> Iterator[list[tuple[str, nn.Module]]]:
    """Keep in a list which layers of a network are being called in this block, by name, the innermost one last."""
    called: list[tuple[str, nn.Module]] = []
    hooks = []
    for name, module in model.named_modules():
        hooks.append(module.register_forward_pre_hook(lambda one, _, name=name: called.append((name, one))))
        hooks.append(module.register_forward_hook(lambda *_: called.pop() and None))
    try:
        yield called
    finally:
        for hook in hooks:
            hook.remove()


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remarks on the operations that PyTorch calls in this block from the user's files."""

    def __init__(self, places: Sequence[OwnPlace], network: str, layers: Sequence[tuple[str, nn.Module]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.remarks: list[str] = []
        self._places = {place.path: place for place in places}
        self._network = next((place for place in places if place.name == network), None)
        self._layers = layers

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the operation, and note it where a GPU would refuse it."""
        given = [*args, *(kwargs or {}).values()]
        name = func.overloadpacket.__name__
        needs_gradient = any(isinstance(one, Tensor) and one.requires_grad for one in given)
        remedy = WITHOUT_GRADIENT.get(name) if needs_gradient else None
        if remedy is not None:
            self._note(f"the gradient of {name.strip('_')}", remedy)
        remedy = REFUSED.get(name, REFUSED.get(f"{name}.{func._overloadname}"))
        if remedy is not None:
            self._note(name.strip("_"), remedy)
        return func(*args, **(kwargs or {}))

    def _note(self, what: str, remedy: str) -> None:
        where = self._where()
        if where is not None:
            self.remarks.append(
                f"{where}: on a GPU this would stop the training: {what} has no deterministic form there. {remedy}, or "
                "train on a CPU."
            )

    def _where(self) -> str | None:
        """Return the line in the user's files that called, and the layer of PyTorch's; None for a network of ours."""
        layer = ""
        if self._layers and type(self._layers[-1][1]).__module__.startswith("torch."):
            layer = f", layer {self._layers[-1][0]} ({type(self._layers[-1][1]).__name__})"
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            place = self._places.get(frame.f_code.co_filename)
            if place is not None:
                return place.describe(at=(frame.f_lineno, frame.f_code.co_name)) + layer
            frame = frame.f_back
        return None if self._network is None else self._network.describe() + layer
