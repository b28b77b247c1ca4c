"""Protects the probability that one method is ahead of the other: the share of seeds, with an interval that covers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from smallmix.statistics.chance_ahead import chance_ahead, wilson_interval


def test_equal_accuracies_count_half() -> None:
    found = chance_ahead([0.01, -0.02, 0.0, 0.03])
    assert found.share == (1 + 0 + 0.5 + 1) / 4
    assert chance_ahead([1e-17, 0.3 - 0.1 - 0.2]).share == 0.5  # rounding is no lead


def test_three_of_three_are_far_from_certain() -> None:
    """(1 + z²/6 ± z²/6) / (1 + z²/3) with z² = 3.8415: 1 / 2.2805 = 0.4385, and 1."""
    found = chance_ahead([0.01, 0.02, 0.03])
    assert found.share == 1
    assert found.low == pytest.approx(0.4385, abs=1e-4)
    assert found.high == 1


def test_one_seed_has_no_interval() -> None:
    found = chance_ahead([-0.01])
    assert (found.share, found.low, found.high) == (0, None, None)
    with pytest.raises(ValueError, match="no seeds"):
        chance_ahead([])


@pytest.mark.parametrize(("ahead", "count"), [(0, 3), (2, 3), (1, 5), (7, 10), (10, 10)])
def test_the_interval_is_scipys(ahead: int, count: int) -> None:
    theirs = stats.binomtest(ahead, count).proportion_ci(0.95, method="wilson")
    assert wilson_interval(ahead / count, count) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("count", [3, 5, 10])
def test_the_interval_covers_on_average(count: int) -> None:
    """Summed, not simulated, over all chances from 0 to 1. The normal interval covers 64 to 84 %."""
    chances = (np.arange(400) + 0.5) / 400
    covered = np.zeros_like(chances)
    normal = np.zeros_like(chances)
    for ahead in range(count + 1):
        low, high = wilson_interval(ahead / count, count)
        share = stats.binom.pmf(ahead, count, chances)
        covered += share * ((low <= chances) & (chances <= high))
        reach = 1.96 * np.sqrt(ahead / count * (1 - ahead / count) / count)
        normal += share * (abs(chances - ahead / count) <= reach)
    assert 0.94 < covered.mean() < 0.97
    assert normal.mean() < 0.85
