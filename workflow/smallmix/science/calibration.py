"""How well a network's confidence is calibrated, from its logits. Needs numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 15
# Logits are stored as float16, whose finite range ends a little above.
LARGEST_STORED_LOGIT = 60000


def calibration_bin(confidence: NDArray[Any]) -> NDArray[np.int64]:
    """Return each confidence's bin, int64 of the same shape: 15 of equal width, the last one closed at 1."""
    return np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)


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

    members = calibration_bin(confidence)
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
