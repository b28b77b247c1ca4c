"""The exact sign-flip test of paired differences (Fisher 1935, section 21), and Holm's correction for many tests.

If a method changed nothing, each seed's difference would be as likely with the other sign. All 2^n ways to choose the
signs are counted, so that the p-value holds for any symmetric distribution; it cannot fall below 2 / 2^n.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LARGEST_COUNT = 40


def sign_flip_test(differences: Sequence[float]) -> float | None:
    """Return the two-sided p-value: the share of sign choices whose sum lies at least as far from zero as ours.

    None for fewer than two differences, which show nothing, and for more than 40 (use the t test).
    """
    if not 2 <= len(differences) <= LARGEST_COUNT:
        return None
    values = np.asarray(differences, dtype=np.float64)
    # Sums of the same numbers in another order differ in the last bits: those count as equal.
    threshold = abs(values.sum()) - 1e-9 * np.abs(values).sum()
    half = len(values) // 2
    first, second = _signed_sums(values[:half]), np.sort(_signed_sums(values[half:]))
    below = np.searchsorted(second, -threshold - first, side="right")
    above = len(second) - np.searchsorted(second, threshold - first, side="left")
    # Where everything is zero, each choice lies on both sides of the threshold.
    reached = np.minimum(below + above, len(second)).sum()
    return float(reached / (len(first) * len(second)))


def smallest_p_value(count: int) -> float:
    """Return the smallest p-value that the sign-flip test of `count` differences can give."""
    return 2.0 ** (1 - count)


def holm(p_values: Sequence[float]) -> list[float]:
    """Apply Holm's step-down correction (Holm 1979). Returns adjusted p-values in the given order, at most 1."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _signed_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums
