"""Protects the planner of seeds: its numbers are those of tables of statistics, and what it promises comes true."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from smallmix.statistics.intervals import mean_interval, t_test
from smallmix.statistics.seeds_needed import (
    deviation_interval,
    plan_seeds,
    power_of_t_test,
    seeds_for_interval,
    seeds_for_test,
)

STUDIES = 4000


@pytest.mark.parametrize(
    ("deviation", "seeds"),
    [
        # A deviation of one point: t(5) = 2.571 and 2.571 / sqrt(6) = 1.05; t(6) = 2.447 and 2.447 / sqrt(7) = 0.92.
        (0.01, 7),
        # Two points: 2 x t(16) / sqrt(17) = 2 x 2.120 / 4.123 = 1.03; 2 x t(17) / sqrt(18) = 2 x 2.110 / 4.243 = 0.99
        (0.02, 18),
        # A fifth: 0.2 x t(1) / sqrt(2) = 0.2 x 12.706 / 1.414 = 1.8; 0.2 x t(2) / sqrt(3) = 0.2 x 4.303 / 1.732 = 0.5.
        (0.002, 3),
    ],
)
def test_the_interval_reaches_one_point(deviation: float, seeds: int) -> None:
    assert seeds_for_interval(deviation) == seeds


@pytest.mark.parametrize(
    ("standardised", "seeds"),
    # Cohen (1988), table 2.3.1 and every program since: 34 pairs for a half, 199 for a fifth, 15 for 0.8, 10 for 1.
    [(0.5, 34), (0.2, 199), (0.8, 15), (1.0, 10)],
)
def test_the_test_finds_one_point(standardised: float, seeds: int) -> None:
    deviation = 0.01 / standardised
    assert seeds_for_test(deviation) == seeds
    assert power_of_t_test(deviation, seeds - 1) < 0.8 <= power_of_t_test(deviation, seeds)


@pytest.mark.parametrize("count", [2, 3, 5, 10, 40])
@pytest.mark.parametrize("centre", [0.5, 2.0, 2.8, 5.0])
def test_the_power_is_scipys_where_that_has_one(centre: float, count: int) -> None:
    limit = stats.t.ppf(0.975, count - 1)
    wanted = stats.nct.sf(limit, count - 1, centre) + stats.nct.cdf(-limit, count - 1, centre)
    assert power_of_t_test(0.01 * math.sqrt(count) / centre, count) == pytest.approx(wanted, abs=1e-5)


def test_small_scatter_needs_hardly_any_seeds() -> None:
    """scipy's distribution has no number there (centre 15 and 28 standard errors)."""
    assert 0.75 < power_of_t_test(0.01 * math.sqrt(2) / 15, 2) < 0.77
    assert seeds_for_test(0.0005) == seeds_for_interval(0.0001) == 2


@pytest.mark.parametrize("seeds", [3, 7, 18])
def test_a_planned_study_keeps_its_promise(seeds: int) -> None:
    """Simulated at the largest deviation for which so many seeds are planned."""
    generator = np.random.default_rng(seeds)
    deviations = np.linspace(0.0005, 0.03, 600)
    by_interval = max(one for one in deviations if seeds_for_interval(float(one)) <= seeds)
    widths = [mean_interval(row.tolist()) for row in generator.normal(0.0, by_interval, (STUDIES, seeds))]
    squares = [(one.high - one.mean) ** 2 for one in widths if one.high is not None]
    assert math.sqrt(float(np.mean(squares))) == pytest.approx(0.01, rel=0.05)
    by_test = max(one for one in deviations if seeds_for_test(float(one)) <= seeds)
    p_values = [t_test(row.tolist()) or 1.0 for row in generator.normal(0.01, by_test, (STUDIES, seeds))]
    assert float(np.mean(np.array(p_values) < 0.05)) == pytest.approx(0.8, abs=0.03)


def test_the_deviation_has_the_chi_square_interval() -> None:
    """Two degrees of freedom: the quantiles are -2 ln(0.025) = 7.378 and -2 ln(0.975) = 0.05064."""
    low, high = deviation_interval(0.01, 3)
    assert low == pytest.approx(0.01 * math.sqrt(2 / 7.3778), rel=1e-4)
    assert high == pytest.approx(0.01 * math.sqrt(2 / 0.050636), rel=1e-4)


@pytest.mark.parametrize("count", [3, 5, 10])
def test_the_interval_of_the_deviation_covers_it(count: int) -> None:
    samples = np.random.default_rng(count).normal(0.0, 0.01, (STUDIES, count))
    intervals = [deviation_interval(float(one), count) for one in samples.std(axis=1, ddof=1)]
    covered = np.mean([low <= 0.01 <= high for low, high in intervals])
    assert abs(covered - 0.95) < 4 * math.sqrt(0.95 * 0.05 / STUDIES)


def test_a_plan_has_its_range() -> None:
    plan = plan_seeds(0.01, 3)
    assert plan is not None
    assert (plan.interval.expected, plan.test.expected) == (7, 10)
    low, high = deviation_interval(0.01, 3)
    assert (plan.low, plan.high) == (low, high)
    assert (plan.interval.low, plan.interval.high) == (seeds_for_interval(low), seeds_for_interval(high))
    assert plan.interval.low < 7 < 100 < plan.interval.high  # three seeds know little of their own scatter
    assert plan.test.low < 10 < plan.test.high


@pytest.mark.parametrize(("deviation", "count"), [(0.01, 1), (0.01, 2), (0.0, 5)])
def test_there_is_no_plan_without_known_scatter(deviation: float, count: int) -> None:
    assert plan_seeds(deviation, count) is None
