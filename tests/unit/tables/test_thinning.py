"""Protects the thinning of long curves: no peak is lost, order and ends remain, the limit holds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from smallmix.tables.thinning import POINTS_PER_LINE, points_per_line, thin_curve

CURVES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=1500)


@given(CURVES, st.integers(4, 400))
def test_extremes_ends_and_order_remain(values: list[float], limit: int) -> None:
    x, y = thin_curve(range(len(values)), values, limit)
    assert len(x) == len(y) <= max(limit, 4)
    assert y.max() == max(values)
    assert y.min() == min(values)
    assert (x[0], y[0]) == (0, values[0])
    assert (x[-1], y[-1]) == (len(values) - 1, values[-1])
    assert np.all(np.diff(x) > 0)
    assert all(values[int(place)] == height for place, height in zip(x, y, strict=True))


def test_a_single_spike_survives() -> None:
    values = np.zeros(100_000)
    values[54_321] = 7.0
    x, y = thin_curve(np.arange(100_000), values)
    assert len(x) <= POINTS_PER_LINE
    assert 54_321 in x
    assert y.max() == 7.0


def test_missing_readings_are_left_out() -> None:
    x, y = thin_curve([1, 2, 3, 4], [1.0, float("nan"), float("inf"), 2.0])
    assert list(x) == [1, 4]
    assert list(y) == [1.0, 2.0]


def test_a_figure_with_many_lines_gets_fewer_points_a_line() -> None:
    assert points_per_line(1) == POINTS_PER_LINE
    assert points_per_line(10_000) < points_per_line(200) < POINTS_PER_LINE
