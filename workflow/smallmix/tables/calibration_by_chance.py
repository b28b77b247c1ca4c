"""The calibration error that a perfectly calibrated network would show on so many test images, by chance alone.

The expected calibration error is a mean of absolute values, so that it is above zero for every network: the fewer test
images, the more. On 500 it is some points, on 10,000 about one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from smallmix.tables.cross_checks import CALIBRATION_BINS


def calibration_error_by_chance(logits: NDArray[np.float16]) -> float:
    """The mean expected calibration error if each image were classified rightly with the probability of its confidence.

    logits are [N, classes]. Within a bin, all images are taken to have the bin's mean confidence; the exact mean over
    the binomial distribution then overstates the error by a few hundredths of its value at most.
    """
    wide = logits.astype(np.float32)
    probabilities = np.exp(wide - wide.max(axis=1, keepdims=True))
    confidence = (probabilities.max(axis=1) / probabilities.sum(axis=1)).astype(np.float64)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    sums = np.bincount(bins, weights=confidence, minlength=CALIBRATION_BINS)
    deviations = [
        binomial_deviation(int(count), float(total) / int(count))
        for count, total in zip(counts, sums, strict=True)
        if count
    ]
    return math.fsum(deviations) / len(logits)


def binomial_deviation(count: int, probability: float) -> float:
    """The mean absolute deviation of a binomial number of successes from its mean (De Moivre 1730)."""
    if not 0 < probability < 1:
        return 0.0
    above = math.floor(count * probability) + 1
    if above > count:  # the mean is within rounding of count
        return 0.0
    choices = math.lgamma(count + 1) - math.lgamma(above + 1) - math.lgamma(count - above + 1)
    chance = choices + above * math.log(probability) + (count - above + 1) * math.log1p(-probability)
    return 2 * above * math.exp(chance)
