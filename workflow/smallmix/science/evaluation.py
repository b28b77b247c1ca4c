"""The evaluation of a network: loss, accuracy and logits on clean images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from smallmix.science.arithmetic import reduced_precision
from smallmix.science.calibration import LARGEST_STORED_LOGIT
from smallmix.science.training_step import Normalization
from smallmix.study.cell import Precision

# Fixed, because the batch size of an evaluation can change the last bits of its sums.
BATCH_SIZE = 500
# On a CPU, for images that large: what a layer reads and writes fits a cache better. Logits keep every bit.
LARGE_IMAGES_BATCH_SIZE = 250
LARGE_IMAGE = 32 * 32  # pixels

# A network's logits for a batch: float32 [B, C, H, W], normalised, to float32 [B, classes].
Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class EvaluationImages:
    """Images to evaluate a network on: uint8 [N, C, H, W] and int64 [N], on the device, neither augmented nor mixed."""

    images: Tensor
    labels: Tensor
    normalization: Normalization
    memory_format: torch.memory_format


@dataclass(frozen=True)
class Evaluation:
    """Mean cross-entropy, accuracy (a fraction), and the logits float32 [N, classes] on the CPU."""

    loss: float
    accuracy: float
    logits: Tensor


class EvaluationStopped(Exception):
    """A stop was asked for in the middle of an evaluation; the network is as it was."""


def batch_size(images: Tensor) -> int:
    """Return how many of the images, uint8 [N, C, H, W], are evaluated at once."""
    large = images.shape[2] * images.shape[3] >= LARGE_IMAGE
    return LARGE_IMAGES_BATCH_SIZE if large and images.device.type == "cpu" else BATCH_SIZE


def plain_forward(model: nn.Module, precision: Precision) -> Forward:
    """Return the network's forward pass as Python starts it, kernel by kernel."""

    def forward(batch: Tensor) -> Tensor:
        with reduced_precision(precision, batch.device):
            logits: Tensor = model(batch)
        return logits.float()

    return forward


@torch.no_grad()
def evaluate(
    model: nn.Module,
    data: EvaluationImages,
    precision: Precision,
    stop: Callable[[], bool] = lambda: False,
    forward: Forward | None = None,
) -> Evaluation:
    """Evaluate the network in evaluation mode, where batch normalisation uses its running statistics.

    `forward` takes the place of the network's plain forward pass, and gives the same numbers.

    Raises EvaluationStopped when `stop` says so: evaluating a wide network can outlast the time that a
    scheduler grants.
    """
    model.eval()
    forward = forward or plain_forward(model, precision)
    parts, size = [], batch_size(data.images)
    for start in range(0, len(data.labels), size):
        if stop():
            model.train()
            raise EvaluationStopped
        batch = data.normalization(data.images[start : start + size])
        parts.append(forward(batch.contiguous(memory_format=data.memory_format)))
    model.train()
    logits = torch.cat(parts)
    losses = functional.cross_entropy(logits, data.labels, reduction="none").double()
    correct = (logits.argmax(dim=1) == data.labels).double()
    loss, accuracy = torch.stack([losses.mean(), correct.mean()]).tolist()
    return Evaluation(loss=loss, accuracy=accuracy, logits=logits.cpu())


def stored_logits(evaluation: Evaluation) -> NDArray[np.float16]:
    """Return the logits as they are kept in predictions.npz: float16 [N, classes], clipped to LARGEST_STORED_LOGIT."""
    return evaluation.logits.numpy().clip(-LARGEST_STORED_LOGIT, LARGEST_STORED_LOGIT).astype(np.float16)
