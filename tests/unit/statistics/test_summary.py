"""Protects summary.csv: every number that figures and the report show of a size and method, held to values by hand."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from scipy import stats
from smallmix.commands.main import main
from smallmix.errors import SmallmixError
from smallmix.statistics.study_results import Result, read_results
from smallmix.statistics.summary import (
    METRICS,
    Summary,
    SummaryRow,
    read_summary,
    summarize,
    write_summary,
)
from smallmix.tables.statistics_columns import ALL_METHODS, SUMMARY

from tests.unit.figures.study_with_tables import build_study_with_tables
from tests.unit.statistics.made_up_results import make_study

STUDY = make_study(sizes=(500, 100), seeds=range(3))


def result(size: int, method: str, seed: int, **numbers: float) -> Result:
    return Result(size, method, seed, numbers)


def test_a_row_is_what_one_computes_by_hand() -> None:
    results = [result(500, "non", seed, best_test_accuracy=value) for seed, value in enumerate((0.40, 0.42, 0.47))]
    (row,) = summarize(STUDY, results).rows
    assert (row.size, row.method, row.metric, row.seeds) == (500, "non", "best_test_accuracy", 3)
    assert row.mean == pytest.approx(0.43)
    # Deviations -0.03, -0.01, 0.04: their squares add up to 0.0026, and 4.302653 is Student's quantile for 2 degrees.
    assert row.standard_deviation == pytest.approx(math.sqrt(0.0013))
    reach = 4.302652729911275 * math.sqrt(0.0013 / 3)
    assert (row.low, row.high) == pytest.approx((0.43 - reach, 0.43 + reach))
    assert (row.minimum, row.maximum) == (0.40, 0.47)


def test_selections_are_metrics_of_their_own_and_gaps_are_paired() -> None:
    results = [
        result(500, "non", 0, best_test_accuracy=0.50, final_test_accuracy=0.45, last_tenth_test_accuracy=0.46),
        result(500, "non", 1, best_test_accuracy=0.56, final_test_accuracy=0.49, last_tenth_test_accuracy=0.50),
    ]
    found = {row.metric: row.mean for row in summarize(STUDY, results).rows}
    assert found == {
        "best_test_accuracy": pytest.approx(0.53),
        "final_test_accuracy": pytest.approx(0.47),
        "last_tenth_test_accuracy": pytest.approx(0.48),
        "selection_gap": pytest.approx(0.06),
    }


def test_the_best_iteration_is_also_a_share_of_the_budget() -> None:
    results = [result(500, "non", seed, best_iteration=at, iterations=200) for seed, at in enumerate((50, 150, 160))]
    summary = summarize(STUDY, results)
    assert summary.mean(500, "non", "best_iteration") == pytest.approx(120)
    assert summary.mean(500, "non", "best_iteration_share") == pytest.approx(0.6)


def test_rows_follow_the_studys_order_and_leave_gaps_out() -> None:
    results = [
        result(100, "label-mix", 0, final_test_loss=1.0),
        result(500, "non", 1, final_test_loss=2.0),
        result(500, "non", 2, final_test_loss=math.nan),
        result(500, "non", 0, final_test_loss=4.0),
        result(77, "non", 0, final_test_loss=9.0),
    ]
    rows = summarize(STUDY, results).rows
    assert [(row.size, row.method, row.mean, row.seeds) for row in rows] == [
        (500, "non", 3.0, 2),
        (100, "label-mix", 1.0, 1),
    ]


def test_one_seed_has_no_interval_and_no_deviation() -> None:
    (row,) = summarize(STUDY, [result(500, "non", 0, brier_score=0.7)]).rows
    assert (row.mean, row.minimum, row.maximum) == (0.7, 0.7, 0.7)
    assert row.low is row.high is row.standard_deviation is None


def test_over_all_methods_each_seed_counts_once() -> None:
    """Seed 0 has two methods, seed 1 one: their means are 0.03 and 0.06, which the two seeds weigh alike."""
    results = [
        result(500, "non", 0, calibration_error_by_chance=0.02),
        result(500, "label-mix", 0, calibration_error_by_chance=0.04),
        result(500, "non", 1, calibration_error_by_chance=0.06),
    ]
    row = summarize(STUDY, results).find(500, ALL_METHODS, "calibration_error_by_chance")
    assert row is not None
    assert row.seeds == 2
    assert row.mean == pytest.approx(0.045)


def test_a_series_is_one_methods_points_by_size() -> None:
    results = [result(size, "non", 0, brier_score=size / 1000) for size in (500, 100)]
    results.append(result(100, "label-mix", 0, brier_score=0.9))
    series = summarize(STUDY, results).series("non", "brier_score")
    assert [(row.size, row.mean) for row in series] == [(100, 0.1), (500, 0.5)]


def test_what_is_not_there_has_no_row_and_no_mean() -> None:
    assert Summary().find(500, "non", "brier_score") is None
    assert math.isnan(Summary().mean(500, "non", "brier_score"))


def test_a_written_summary_reads_back(tmp_path: Path) -> None:
    rows = (
        SummaryRow(500, "non", "final_test_loss", 2, 1.25, -0.5, 3.0, 0.125, 1.0, 1.5),
        SummaryRow(100, ALL_METHODS, "calibration_error_by_chance", 1, 0.1, None, None, None, 0.1, 0.1),
    )
    path = tmp_path / "summary.csv"
    write_summary(Summary(rows), path)
    assert path.read_text(encoding="utf-8") == (
        ",".join(SUMMARY.names) + "\n"
        "500,non,final_test_loss,2,1.25,-0.5,3,0.125,1,1.5\n"
        "100,*,calibration_error_by_chance,1,0.1,,,,0.1,0.1\n"
    )
    assert read_summary(path) == Summary(rows)
    interval = rows[0].interval
    assert (interval.count, interval.mean) == (2, 1.25)
    assert interval.standard_error == pytest.approx(0.125 / math.sqrt(2))


@pytest.mark.parametrize("content", ["size,method\n1,non\n", ",".join(SUMMARY.names) + "\n1,non,x,many,,,,,,\n", None])
def test_a_damaged_summary_is_explained(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "summary.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(SmallmixError, match=r"summary\.csv.*smallmix summarize-cells"):
        read_summary(path)


def test_a_study_is_summarized_from_its_metrics(tmp_path: Path) -> None:
    """Every metric of a made-up study, held to the columns of its metrics.csv by scipy."""
    made = build_study_with_tables(tmp_path, sizes=(500, 100), seeds=(0, 1, 2), missing=("n100/non/seed1",))
    folder = made.layout.results
    written = (folder / "summary.csv").read_bytes()
    (folder / "summary.csv").unlink()
    assert main(["summarize-cells", "--study", str(made.layout.study_file), "--root", str(made.root)]) == 0
    assert (folder / "summary.csv").read_bytes() == written
    with open(folder / "metrics.csv", encoding="utf-8", newline="") as stream:
        header = next(csv.reader(stream))
    summary, results = read_summary(folder / "summary.csv"), read_results(folder / "metrics.csv")
    assert len(summary.rows) == 2 * (3 * (len(METRICS) - 1) + 1)  # no cell has validation images
    for size, method, seeds in ((500, "label-mix", 3), (100, "non", 2)):
        for metric in set(METRICS) & set(header):
            values = [run.numbers[metric] for run in results if (run.size, run.method) == (size, method)]
            row = summary.find(size, method, metric)
            assert row is not None
            assert row.seeds == len(values) == seeds
            assert row.mean == pytest.approx(sum(values) / seeds)
            if row.standard_deviation:
                theirs = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
                assert (row.low, row.high) == pytest.approx((theirs.low, theirs.high))
