"""Protects the summaries over seeds: means with intervals, the best epoch's optimism, and calibration's tendency."""

from __future__ import annotations

import pytest
from smallmix.statistics.calibration import COLUMNS, summarize_calibration
from smallmix.statistics.optimism import measure_optimism
from smallmix.statistics.results import Result
from smallmix.statistics.summaries import summarize

from tests.unit.statistics.made_up_evidence import make_study

STUDY = make_study(sizes=(500, 100), seeds=range(3))


def test_optimism_is_best_minus_last() -> None:
    results = [
        Result(500, "non", seed, {"best_test_accuracy": 0.5 + 0.01 * seed, "final_test_accuracy": 0.45})
        for seed in range(3)
    ]
    (row,) = measure_optimism(STUDY, results)
    assert (row.size, row.method, row.gap.count) == (500, "non", 3)
    assert row.gap.mean == pytest.approx(0.06)


def test_summaries_follow_the_studys_order_and_leave_gaps_out() -> None:
    results = [
        Result(100, "label-mix", 0, {"x": 1.0}),
        Result(500, "non", 1, {"x": 2.0}),
        Result(500, "non", 0, {"x": 4.0}),
    ]
    rows = summarize(STUDY, results, ["x"])
    assert [(row.size, row.method, row.interval.mean, row.interval.count) for row in rows] == [
        (500, "non", 3.0, 2),
        (100, "label-mix", 1.0, 1),
    ]


@pytest.mark.parametrize(
    ("gaps", "tendency"),
    [
        ((0.10, 0.11, 0.12), "over-confident"),
        ((-0.10, -0.11, -0.12), "under-confident"),
        ((0.005, 0.006, 0.007), "neither"),
        ((-0.3, 0.1, 0.4), "neither"),
        ((0.2,), "over-confident"),
    ],
)
def test_the_tendency_is_told_only_where_it_is_clear(gaps: tuple[float, ...], tendency: str) -> None:
    results = [
        Result(500, "non", seed, {**dict.fromkeys(COLUMNS, 0.1), "calibration_gap": gap})
        for seed, gap in enumerate(gaps)
    ]
    (row,) = summarize_calibration(STUDY, results)
    assert row.tendency == tendency
    assert row.brier_score.mean == pytest.approx(0.1)
