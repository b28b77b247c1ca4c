"""Protects the difference of two variances: its interval agrees with the F test, and covers what it claims."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from smallmix.statistics.variance_difference import variance_difference

STUDIES = 2000


def test_the_estimate_is_the_difference_even_below_zero() -> None:
    """Variances (4 + 0 + 4) / 2 = 4 and (1 + 0 + 1) / 2 = 1."""
    found = variance_difference([1, 3, 5], [2, 3, 4])
    assert (found.first, found.second, found.difference) == (4, 1, 3)
    turned = variance_difference([2, 3, 4], [1, 3, 5])
    assert turned.difference == -3
    assert found.low is not None
    assert found.high is not None
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_the_interval_is_that_of_the_paper() -> None:
    """Worked out for 2 and 2 degrees of freedom, whose quantiles have closed forms.

    chi-square: upper -2 ln 0.025 = 7.37776, lower -2 ln 0.975 = 0.0506356; F: (1 - 0.025) / 0.025 = 39.
    G1 = 1 - 2 / 7.37776 = 0.728915; H2 = 2 / 0.0506356 - 1 = 38.4979;
    G12 = ((39 - 1)^2 - 0.728915^2 x 39^2 - 38.4979^2) / 39 = -21.698.
    Low: 4 - 1 - sqrt(0.531317 x 16 + 1482.09 x 1 - 21.698 x 4) = 3 - 37.466.
    """
    found = variance_difference([1, 3, 5], [2, 3, 4])
    assert found.low == pytest.approx(3 - math.sqrt(0.531317 * 16 + 1482.09 - 21.698 * 4), abs=0.01)


@pytest.mark.parametrize(("first", "second"), [(3, 3), (5, 10), (10, 4)])
def test_zero_is_excluded_where_the_f_test_rejects(first: int, second: int) -> None:
    """At the ratio of the test's bound the interval begins at zero, above it beyond zero."""
    bound = float(stats.f.isf(0.025, first - 1, second - 1))
    grid = np.linspace(-1, 1, first), np.linspace(-1, 1, second)
    unit = [one / one.std(ddof=1) for one in grid]
    for factor, sign in ((0.99, -1), (1.0, 0), (1.01, 1)):
        found = variance_difference((unit[0] * math.sqrt(factor * bound)).tolist(), unit[1].tolist())
        assert found.low is not None
        assert found.low == pytest.approx(0, abs=1e-9) if sign == 0 else found.low * sign > 0


@pytest.mark.parametrize("count", [3, 5, 10])
@pytest.mark.parametrize("ratio", [1.0, 2.0, 25.0])
def test_the_interval_covers_what_it_claims(ratio: float, count: int) -> None:
    """Two studies of so many seeds, the redrawn one with `ratio` times the variance of the other one."""
    generator = np.random.default_rng(count)
    covered = 0
    for _ in range(STUDIES):
        one = generator.normal(0, math.sqrt(ratio), count).tolist()
        found = variance_difference(one, generator.normal(0, 1, count).tolist())
        covered += found.low is not None and found.high is not None and found.low <= ratio - 1 <= found.high
    assert covered / STUDIES > 0.95 - 4 * math.sqrt(0.95 * 0.05 / STUDIES)
    assert covered / STUDIES < 0.985


def test_two_values_and_no_scatter_have_no_interval() -> None:
    assert variance_difference([1, 2], [1, 2, 3]).low is None
    still = variance_difference([1, 1, 1], [2, 2, 2])
    assert (still.difference, still.low, still.high) == (0, None, None)
