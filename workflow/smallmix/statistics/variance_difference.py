"""The difference of two variances with an interval, from two independent samples of few values.

The interval is the modified large-sample one (Ting, Burdick, Graybill, Jeyaratnam and Lu 1990, J. Statist. Comput.
Simul. 35, 135; Burdick and Graybill 1992, section 3.3). It excludes zero in the same samples as the F test, and covers
about 95 % from three values on. A large-sample interval of variances would cover far less.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from smallmix.statistics.distributions import chi_square_quantile, chi_square_upper_quantile, f_upper_quantile
from smallmix.statistics.intervals import CONFIDENCE

FEWEST_VALUES = 3  # of each sample; variances of two values are next to meaningless


@dataclass(frozen=True)
class VarianceDifference:
    """The variance of a first sample minus that of a second one, both divided by their count minus 1.

    `difference` may be negative, by chance. low and high are None where a sample has fewer than three values, and where
    neither varies.
    """

    first: float
    second: float
    low: float | None
    high: float | None

    @property
    def difference(self) -> float:
        """Return the estimate, which no one cuts at zero."""
        return self.first - self.second


def variance_difference(
    first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE
) -> VarianceDifference:
    """Return variance of `first` minus variance of `second`, each of two values or more."""
    one, other = statistics.variance(first), statistics.variance(second)
    if min(len(first), len(second)) < FEWEST_VALUES or not (one or other):
        return VarianceDifference(one, other, None, None)
    tail = (1 - confidence) / 2
    below = _reach(one, other, *_lower_factors(len(first) - 1, len(second) - 1, tail))
    # The upper end is the lower one of second minus first, turned round.
    above = _reach(other, one, *_lower_factors(len(second) - 1, len(first) - 1, tail))
    return VarianceDifference(one, other, one - other - below, one - other + above)


def _reach(first: float, second: float, of_first: float, of_second: float, of_both: float) -> float:
    squared = of_first * first**2 + of_second * second**2 + of_both * first * second
    return math.sqrt(max(0.0, squared))


@functools.lru_cache(maxsize=256)
def _lower_factors(first: int, second: int, tail: float) -> tuple[float, float, float]:
    """Return the factors of both squared variances and of their product, by the degrees of freedom.

    In the paper's letters G1², H2² and G12 of the lower end.
    """
    g = 1 - first / chi_square_upper_quantile(tail, first)
    h = second / chi_square_quantile(tail, second) - 1
    ratio = f_upper_quantile(tail, first, second)
    return g**2, h**2, ((ratio - 1) ** 2 - (g * ratio) ** 2 - h**2) / ratio
