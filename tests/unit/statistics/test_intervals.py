"""Protects intervals of few seeds: they are Student's, cover what they claim, and are absent where nothing is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from smallmix.statistics.intervals import mean_interval, prediction_reach, t_test

values = st.lists(st.floats(-1, 1).map(lambda value: round(value, 6)), min_size=2, max_size=12).filter(
    lambda numbers: max(numbers) - min(numbers) > 1e-3
)


@given(values)
def test_the_interval_is_scipys(numbers: list[float]) -> None:
    ours = mean_interval(numbers)
    theirs = stats.ttest_1samp(numbers, 0.0).confidence_interval(0.95)
    assert ours.mean == pytest.approx(np.mean(numbers), abs=1e-12)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert ours.standard_error == pytest.approx(stats.sem(numbers))


@given(values)
def test_the_t_test_is_scipys(numbers: list[float]) -> None:
    assert t_test(numbers) == pytest.approx(stats.ttest_1samp(numbers, 0.0).pvalue, abs=1e-12)


def test_one_value_has_no_interval_and_no_test() -> None:
    alone = mean_interval([0.25])
    assert (alone.count, alone.mean, alone.low, alone.high, alone.standard_error) == (1, 0.25, None, None, None)
    assert not alone.excludes_zero
    assert t_test([0.25]) is None


def test_no_value_has_no_mean() -> None:
    with pytest.raises(ValueError, match="no values"):
        mean_interval([])


def test_equal_values_have_no_spread_whatever_rounding_leaves() -> None:
    differences = [0.82 - 0.79, 0.83 - 0.80, 0.86 - 0.83]
    assert len(set(differences)) > 1
    found = mean_interval(differences)
    assert found.standard_error == 0
    assert found.low == found.high == found.mean
    assert t_test(differences) is None


@pytest.mark.parametrize(
    ("numbers", "outside"), [([0.1, 0.11, 0.12], True), ([-0.1, -0.11], True), ([-1.0, 1.1], False)]
)
def test_excluding_zero(numbers: list[float], outside: bool) -> None:
    assert mean_interval(numbers).excludes_zero is outside


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_intervals_of_few_seeds_cover_what_they_claim(count: int) -> None:
    samples = np.random.default_rng(count).normal(0.03, 0.01, (1500, count))
    intervals = [mean_interval(sample.tolist()) for sample in samples]
    covered = np.mean(
        [one.low is not None and one.high is not None and one.low <= 0.03 <= one.high for one in intervals]
    )
    # Four standard deviations of the share itself.
    assert abs(covered - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 1500)


@pytest.mark.parametrize(("count", "covers"), [(3, 0.81), (5, 0.88), (10, 0.92)])
def test_the_normal_interval_would_not_cover_what_it_claims(count: int, covers: float) -> None:
    """The test above can tell: 1.96 standard errors cover far less, by Student's distribution and in the samples."""
    samples = np.random.default_rng(count).normal(0.03, 0.01, (1500, count))
    intervals = [mean_interval(sample.tolist()) for sample in samples]
    covered = np.mean([abs(one.mean - 0.03) <= 1.96 * (one.standard_error or 0.0) for one in intervals])
    tolerance = 4 * math.sqrt(0.95 * 0.05 / 1500)
    assert covered < 0.95 - tolerance
    assert abs(covered - covers) < 0.03
    assert 2 * stats.t.cdf(1.96, count - 1) - 1 == pytest.approx(covers, abs=0.006)


@pytest.mark.parametrize("count", [3, 5])
def test_one_more_run_falls_within_the_prediction_interval(count: int) -> None:
    samples = np.random.default_rng(count).normal(0.5, 0.02, (1500, count + 1))
    within = np.mean([abs(row[-1] - row[:-1].mean()) <= prediction_reach(row[:-1].tolist()) for row in samples])
    assert abs(within - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 1500)
