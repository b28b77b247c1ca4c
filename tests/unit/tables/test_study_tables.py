"""Protects the one object that figures and report read: what it takes from which table, and what it makes of gaps."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from smallmix.study.study import Study
from smallmix.tables.study_tables import NO_MEAN, SELECTION_GAP, PairedDifference, SeedMean, StudyTables, load_tables

from tests.synthetic_configuration import build_configuration

SUMMARY = """size,method,metric,seeds,mean,low,high,standard_deviation,minimum,maximum
500,non,best_test_accuracy,3,0.45,0.42,0.48,0.01,0.44,0.46
500,data-mix,best_test_accuracy,1,0.58,,,,0.58,0.58
500,*,calibration_error_by_chance,3,0.012,0.011,0.013,0.001,0.011,0.013
"""
COMPARISON_COLUMNS = (
    "size,method,reference,selection,seeds,difference,low,high,standard_error,p_value,note,t_test_p_value,"
    "holm_p_value,role,smallest_p_value,holm_rows,variance_ratio"
)
COMPARISON = f"""{COMPARISON_COLUMNS}
500,non,data-mix,best,3,-0.13,-0.15,-0.10,,,,,,,,,
100,non,data-mix,best,1,0.01,,,,,,,,,,,
100,label-mix,data-mix,best,3,-0.03,-0.08,0.02,,,,,,,,,
500,non,data-mix,last,3,-0.14,-0.17,-0.11,,,,,,,,,
all,non,data-mix,best,3,-0.06,-0.07,-0.05,,,,,,,,,
500,label-mix,non,best,0,,,,,,,,,,,,
"""
HISTORY_COLUMNS = (
    "study,size,method,seed,iteration,epoch,learning_rate,train_loss,clean_train_loss,clean_train_accuracy,test_loss,"
    "test_accuracy"
)
HISTORY = f"""{HISTORY_COLUMNS}
s,500,non,1,10,1,0.1,2.0,1.0,0.5,3.0,0.40
s,500,non,0,20,2,0.1,1.0,,,2.0,0.50
s,500,non,0,10,1,0.1,4.0,2.0,0.7,1.0,0.30
"""


def tables_from(folder: Path, **texts: str) -> StudyTables:
    study = Study.from_configuration(build_configuration(sizes=[500, 20_000, 100], seeds=[0, 1, 2]))
    results = folder / "results" / study.name
    results.mkdir(parents=True)
    for name, text in texts.items():
        (results / f"{name}.csv").write_text(text, encoding="utf-8")
    return load_tables(study, folder)


def test_means_and_intervals_are_those_of_the_summary(tmp_path: Path) -> None:
    tables = tables_from(tmp_path, summary=SUMMARY)
    assert tables.mean_of("best_test_accuracy", 500, "non") == SeedMean(3, 0.45, 0.42, 0.48)
    assert tables.mean_of("best_test_accuracy", 500, "non").has_interval
    single = tables.mean_of("best_test_accuracy", 500, "data-mix")
    assert (single.seeds, single.mean, single.has_interval) == (1, 0.58, False)
    assert tables.mean_of("best_test_accuracy", 100, "non") is NO_MEAN
    assert tables.means_over_methods("calibration_error_by_chance") == {500: 0.012}


def test_differences_ascend_by_size_whatever_way_a_pair_is_stored(tmp_path: Path) -> None:
    tables = tables_from(tmp_path, comparison=COMPARISON)
    hundred, five_hundred = tables.differences("data-mix", "non")
    assert (hundred.size, hundred.seeds, hundred.mean) == (100, 1, -0.01)
    assert math.isnan(hundred.low)
    assert not hundred.has_interval
    assert five_hundred == PairedDifference(500, 3, 0.13, 0.10, 0.15)
    assert [one.mean for one in tables.differences("non", "data-mix")] == [0.01, -0.13]
    assert [one.mean for one in tables.differences("non", "data-mix", "last")] == [-0.14]
    assert tables.differences("label-mix", "non") == []


def test_the_comparison_of_sizes_leaves_out_all_sizes_and_empty_rows(tmp_path: Path) -> None:
    table = tables_from(tmp_path, comparison=COMPARISON).size_comparison
    assert list(table["size"]) == [100, 500, 100, 500]  # ascending for each pair and selection
    assert table["difference"].notna().all()


def test_lists_of_sizes(tmp_path: Path) -> None:
    tables = tables_from(tmp_path, history=HISTORY)
    assert tables.sizes == [100, 500, 20_000]
    assert tables.small_sizes == [100, 500]
    assert tables.sizes_with_history == [500]


def test_the_mean_curve_takes_the_seeds_that_have_a_number(tmp_path: Path) -> None:
    tables = tables_from(tmp_path, history=HISTORY)
    curve = tables.mean_curve(500, "non")
    assert list(curve.index) == [10, 20]
    assert list(curve["test_accuracy"]) == pytest.approx([0.35, 0.5])
    assert list(curve["train_loss"]) == [3.0, 1.0]
    assert curve["clean_train_loss"].iloc[0] == 1.5
    assert math.isnan(curve["clean_train_loss"].iloc[1])
    assert list(tables.curves_of(500, "non")["iteration"]) == [10, 20, 10]
    assert tables.mean_curve(100, "non").empty


def test_the_gap_of_each_run_is_best_minus_last(tmp_path: Path) -> None:
    tables = tables_from(tmp_path)
    metrics = tables.metrics.reindex(range(2)).assign(
        size=[500, 100],
        method=["non", "non"],
        seed=[0, 1],
        best_test_accuracy=[0.5, 0.4],
        final_test_accuracy=[0.45, math.nan],
    )
    chosen = StudyTables(
        study=tables.study,
        metrics=metrics,
        history=tables.history,
        cells=tables.cells,
        summary=tables.summary,
        comparison=tables.comparison,
        claims=tables.claims,
        subset_table=tables.subset_table,
    )
    rows = chosen.metric_by_seed(SELECTION_GAP)
    assert list(rows["size"]) == [500]
    assert list(rows["value"]) == pytest.approx([0.05])
    assert list(chosen.metric_by_seed("best_test_accuracy")["value"]) == [0.5, 0.4]
