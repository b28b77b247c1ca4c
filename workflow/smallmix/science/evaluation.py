"""The evaluation of a network: loss and accuracy on clean images, and how well its confidence is calibrated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from smallmix.science.arithmetic import reduced_precision
from smallmix.science.training_step import Normalization
from smallmix.study.cell import Precision

# Fixed, because the batch size of an evaluation can change the last bits of its sums.
BATCH_SIZE = 500
# On a CPU, for images that large: what a layer reads and writes fits a cache better. Logits keep every bit.
LARGE_IMAGES_BATCH_SIZE = 250
LARGE_IMAGE = 32 * 32  # pixels
CALIBRATION_BINS = 15


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


@torch.no_grad()
def evaluate(
    model: nn.Module, data: EvaluationImages, precision: Precision, stop: Callable[[], bool] = lambda: False
) -> Evaluation:
    """Evaluate the network in evaluation mode, where batch normalisation uses its running statistics.

    Raises EvaluationStopped when `stop` says so: evaluating a wide network can outlast the time that a
    scheduler grants.
    """
    model.eval()
    parts, size = [], batch_size(data.images)
    for start in range(0, len(data.labels), size):
        if stop():
            model.train()
            raise EvaluationStopped
        batch = data.normalization(data.images[start : start + size])
        with reduced_precision(precision, batch.device):
            logits = model(batch.contiguous(memory_format=data.memory_format))
        parts.append(logits.float())
    model.train()
    logits = torch.cat(parts)
    losses = functional.cross_entropy(logits, data.labels, reduction="none").double()
    correct = (logits.argmax(dim=1) == data.labels).double()
    loss, accuracy = torch.stack([losses.mean(), correct.mean()]).tolist()
    return Evaluation(loss=loss, accuracy=accuracy, logits=logits.cpu())


def stored_logits(evaluation: Evaluation) -> NDArray[np.float16]:
    """Return the logits as they are kept in predictions.npz: float16 [N, classes], clipped to its finite range."""
    return evaluation.logits.numpy().clip(-60000, 60000).astype(np.float16)


def calibrate(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, Any]:
    """Return how far confidence can be trusted; logits [N, classes], labels [N].

    expected_calibration_error: Guo et al. 2017, equation (3), 15 bins of equal width, the last one closed at 1;
    calibration_gap: mean confidence minus accuracy (positive: over-confident); brier_score: Brier 1950, summed over
    classes (0 … 2); negative_log_likelihood in nats.
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    probabilities = np.exp(log_probabilities)
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    correct = (predicted == labels).astype(np.float64)
    everyone = np.arange(len(labels))
    one_hot = np.zeros_like(probabilities)
    one_hot[everyone, labels] = 1.0

    members = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    bins, error = [], 0.0
    for number in range(CALIBRATION_BINS):
        inside = members == number
        count = int(inside.sum())
        mean_confidence = float(confidence[inside].mean()) if count else 0.0
        accuracy = float(correct[inside].mean()) if count else 0.0
        error += count / len(labels) * abs(mean_confidence - accuracy)
        bins.append(
            {
                "low": number / CALIBRATION_BINS,
                "high": (number + 1) / CALIBRATION_BINS,
                "count": count,
                "confidence": mean_confidence,
                "accuracy": accuracy,
            }
        )
    return {
        "expected_calibration_error": error,
        "calibration_gap": float(confidence.mean() - correct.mean()),
        "brier_score": float(((probabilities - one_hot) ** 2).sum(axis=1).mean()),
        "negative_log_likelihood": float(-log_probabilities[everyone, labels].mean()),
        "calibration_bins": bins,
    }
