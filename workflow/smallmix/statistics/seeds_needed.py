"""How many seeds a question takes, planned from the scatter that a study showed.

Two questions are planned for, both about a difference of one point between methods that share their seeds:

- How many seeds narrow the 95 % t interval to one point on either side?
- With how many seeds does the paired t test at 0.05 find a true difference of one point with a power of 0.8?

Both answers take the observed standard deviation of the paired differences for the true one. It is uncertain itself:
three seeds leave it between half and six times what they show. So each number of seeds has a range: those for both
ends of the deviation's 95 % interval, which follows from the chi-square distribution of a normal sample's variance.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from smallmix.statistics.distributions import chi_square_quantile, chi_square_upper_quantile
from smallmix.statistics.intervals import CONFIDENCE, t_quantile

POINT = 0.01  # what is to be resolved, a fraction
POWER = 0.8
LEVEL = 0.05  # of the test, two-sided
NODES = 128  # of the integral over the deviations of samples
FEWEST_SEEDS = 2  # with one there is neither interval nor test
FEWEST_FOR_A_PLAN = 3  # two seeds leave the deviation between half and 32 times what they show


@dataclass(frozen=True)
class SeedsNeeded:
    """How many seeds: if the deviation is as observed, and at the low and the high end of its 95 % interval."""

    expected: int
    low: int
    high: int


@dataclass(frozen=True)
class SeedPlan:
    """A standard deviation over seeds (a fraction) with its 95 % interval, and the seeds that two questions take.

    `interval` is for an interval of one point on either side, `test` for a test that finds one point.
    """

    deviation: float
    low: float
    high: float
    interval: SeedsNeeded
    test: SeedsNeeded


def plan_seeds(deviation: float, count: int) -> SeedPlan | None:
    """Plan from a standard deviation (a fraction) over `count` seeds.

    Return None below three seeds, and where there is no scatter: equal differences on a grid of test images come by
    chance and promise nothing.
    """
    if count < FEWEST_FOR_A_PLAN or not deviation:
        return None
    low, high = deviation_interval(deviation, count)
    places = (deviation, low, high)
    return SeedPlan(
        deviation, low, high, SeedsNeeded(*map(seeds_for_interval, places)), SeedsNeeded(*map(seeds_for_test, places))
    )


def deviation_interval(deviation: float, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval of a normal population's standard deviation, given that of a sample of `count` values.

    (count - 1) times the ratio of both variances has a chi-square distribution with count - 1 degrees of freedom.
    """
    upper, lower = _chi_square_quantiles(count - 1, confidence)
    return deviation * math.sqrt((count - 1) / upper), deviation * math.sqrt((count - 1) / lower)


def seeds_for_interval(deviation: float, reach: float = POINT) -> int:
    """Return the fewest seeds whose 95 % t interval of the mean reaches at most `reach` to either side."""
    normal = float(special.ndtri((1 + CONFIDENCE) / 2))
    # The t interval is wider than the normal one, so that no fewer can do.
    count = max(FEWEST_SEEDS, math.ceil((normal * deviation / reach) ** 2))
    while t_quantile(count - 1) * deviation > reach * math.sqrt(count):
        count += 1
    return count


def seeds_for_test(deviation: float, difference: float = POINT) -> int:
    """Return the fewest seeds with which the paired t test finds a true `difference` with a power of 0.8."""
    together = float(special.ndtri(1 - LEVEL / 2) + special.ndtri(POWER))
    count = max(FEWEST_SEEDS, math.floor((together * deviation / difference) ** 2))
    while power_of_t_test(deviation, count, difference) < POWER:
        count += 1
    return count


def power_of_t_test(deviation: float, count: int, difference: float = POINT) -> float:
    """Return how probably the two-sided t test at 0.05 of `count` values tells a mean of `difference` from zero.

    The statistic has a noncentral t distribution, whose centre is the difference in standard errors (Cohen 1988).
    """
    centre = difference * math.sqrt(count) / deviation
    limit = t_quantile(count - 1, 1 - LEVEL)
    scatter, weights = _scatter_of_deviations(count - 1)
    return float(weights @ (special.ndtr(centre - limit * scatter) + special.ndtr(-centre - limit * scatter)))


@functools.lru_cache(maxsize=256)
def _scatter_of_deviations(degrees: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return quantiles of a sample's standard deviation in units of the true one, and the weight of each.

    Given the sample's deviation the mean is normal, so that their sum over these is the noncentral t distribution.
    scipy's own fails for few degrees of freedom (version 1.17: no number at 15 standard errors).
    """
    places, weights = np.polynomial.legendre.leggauss(NODES)
    quantiles = special.gammaincinv(degrees / 2, (1 + places) / 2)
    return np.sqrt(2 * quantiles / degrees), weights / 2


@functools.lru_cache(maxsize=256)
def _chi_square_quantiles(degrees: int, confidence: float) -> tuple[float, float]:
    """Return the upper and the lower quantile."""
    tail = (1 - confidence) / 2
    return chi_square_upper_quantile(tail, degrees), chi_square_quantile(tail, degrees)
