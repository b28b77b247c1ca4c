"""Quantiles and tails are those of scipy.stats, to the last bit, and importing them does not import that."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from smallmix.statistics.distributions import (
    beta_quantiles,
    chi_square_quantile,
    chi_square_upper_quantile,
    f_upper_quantile,
    t_lower_quantile,
    t_upper_tail,
)

SHARES = [*np.linspace(1e-4, 1 - 1e-4, 60), 0.975, 1 - 0.05 / 48]
DEGREES = [1, 2, 3, 4, 5, 9, 11, 29, 199, 2.5]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (t_lower_quantile, stats.t.ppf),
        (chi_square_quantile, stats.chi2.ppf),
        (chi_square_upper_quantile, stats.chi2.isf),
    ],
    ids=["t", "chi-square", "chi-square from above"],
)
def test_quantiles(ours: Callable[[float, float], float], theirs: Callable[[float, float], float]) -> None:
    for degrees in DEGREES:
        assert [ours(share, degrees) for share in SHARES] == [theirs(share, degrees) for share in SHARES]


def test_the_tail_of_t() -> None:
    for degrees in DEGREES:
        for value in (0.0, 0.3, 2.0, 12.7, 500.0):
            assert t_upper_tail(value, degrees) == stats.t.sf(value, degrees)


def test_quantiles_of_f() -> None:
    for first in DEGREES:
        for second in DEGREES:
            ours = [f_upper_quantile(share, first, second) for share in SHARES]
            assert ours == [stats.f.isf(share, first, second) for share in SHARES]


@pytest.mark.parametrize("beta", [(1, 1), (2, 1), (0.2, 0.2), (1.2, 0.2), (4, 4), (0.001, 1000), (1000, 0.001)])
def test_quantiles_of_beta(beta: tuple[float, float]) -> None:
    shares = (np.arange(512) + 0.5) / 512
    assert np.array_equal(beta_quantiles(shares, *beta), stats.beta.ppf(shares, *beta))


def test_steps_that_need_intervals_do_not_wait_for_all_of_scipy_stats() -> None:
    code = """
import sys
from smallmix.report import index_page
from smallmix.statistics import (
    answer, claims, class_balance, class_summary, comparison, own_metrics, seeds_needed, subset_scatter, summary,
    variance_difference,
)
print("scipy.stats" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
