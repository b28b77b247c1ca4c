"""Protects the table of paired differences: what is paired, declared and corrected, and what is not told."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from scipy import stats
from smallmix.statistics.comparison import COLUMNS, Comparison, compare_methods, write_comparison
from smallmix.statistics.results import Result, read_results

from tests.synthetic_study import build_synthetic_study
from tests.unit.statistics.made_up_evidence import make_results, make_study

ACCURACIES = {
    (500, "non"): (0.40, 0.42, 0.41, 0.43, 0.39),
    (500, "label-mix"): (0.50, 0.53, 0.50, 0.55, 0.47),
    (100, "non"): (0.20, 0.22, 0.21, 0.23, 0.19),
    (100, "label-mix"): (0.24, 0.27, 0.23, 0.26, 0.25),
}
METHODS = {"non": {"mix": "none", "beta": None}, "label-mix": {"mix": "images-and-labels", "beta": [1.0, 1.0]}}


def find(rows: list[Comparison], size: int | None, selection: str = "last10") -> Comparison:
    (row,) = [one for one in rows if one.size == size and one.selection == selection]
    return row


@pytest.fixture
def rows() -> list[Comparison]:
    return compare_methods(make_study(sizes=(500, 100), seeds=range(5), methods=METHODS), make_results(ACCURACIES))


def test_differences_are_paired_by_seed(rows: list[Comparison]) -> None:
    row = find(rows, 500)
    paired = stats.ttest_rel(ACCURACIES[500, "label-mix"], ACCURACIES[500, "non"])
    assert row.interval is not None
    assert (row.method, row.reference, row.interval.count) == ("label-mix", "non", 5)
    assert row.interval.mean == pytest.approx(0.1)
    assert (row.interval.low, row.interval.high) == pytest.approx(tuple(paired.confidence_interval(0.95)))
    assert row.t_test_p_value == pytest.approx(paired.pvalue)
    assert row.p_value == 2 / 2**5


def test_all_sizes_are_averaged_within_each_seed(rows: list[Comparison]) -> None:
    row = find(rows, None)
    averages = [
        (ACCURACIES[500, "label-mix"][seed] - ACCURACIES[500, "non"][seed]) / 2
        + (ACCURACIES[100, "label-mix"][seed] - ACCURACIES[100, "non"][seed]) / 2
        for seed in range(5)
    ]
    assert row.interval is not None
    assert row.interval.count == 5  # blocks are seeds, not cells
    assert row.interval.standard_error == pytest.approx(stats.sem(averages))


def test_one_hypothesis_is_declared_and_the_rest_is_corrected(rows: list[Comparison]) -> None:
    declared = [row for row in rows if row.role == "declared"]
    assert [(row.size, row.selection, row.method, row.reference) for row in declared] == [
        (None, "last10", "label-mix", "non")
    ]
    assert declared[0].holm_p_value is None
    assert "declared in advance" in declared[0].note
    secondary = [row for row in rows if row.role == "secondary"]
    assert all("secondary" in row.note and row.holm_p_value is not None for row in secondary)
    # Two sizes are left in the family of last10, three rows in that of best.
    assert find(rows, 500).holm_p_value == pytest.approx(2 * 2 / 2**5)
    assert find(rows, 500, "best").holm_p_value == pytest.approx(3 * 2 / 2**5)


def test_the_declared_hypothesis_is_known_by_meaning_not_by_name() -> None:
    methods = {"a": {"mix": "images-and-labels", "beta": [1.0, 1.0]}, "b": {"mix": "none", "beta": None}}
    rows = compare_methods(make_study(sizes=(100,), seeds=(0, 1), methods=methods), ())
    assert [(row.method, row.reference) for row in rows if row.role == "declared"] == [("b", "a")]
    without = {"a": {"mix": "images", "beta": [2.0, 1.0]}, "b": {"mix": "none", "beta": None}}
    rows = compare_methods(make_study(sizes=(100,), seeds=(0, 1), methods=without), ())
    assert not [row for row in rows if row.role == "declared"]


def test_every_pair_of_methods_is_compared() -> None:
    rows = compare_methods(make_study(sizes=(500, 100), seeds=(0,)), ())
    pairs = list(dict.fromkeys((row.method, row.reference) for row in rows))
    assert pairs == [("data-mix", "non"), ("label-mix", "non"), ("label-mix", "data-mix")]
    assert len(rows) == 3 * 3 * (2 + 1)


def test_one_seed_is_told_as_one_seed() -> None:
    study = make_study(sizes=(500,), seeds=(0,), methods=METHODS)
    row = find(compare_methods(study, make_results({(500, "non"): (0.4,), (500, "label-mix"): (0.5,)})), 500)
    assert row.interval is not None
    assert (row.interval.low, row.p_value, row.t_test_p_value, row.holm_p_value) == (None, None, None, None)
    assert "one seed: no interval and no test" in row.note


def test_few_seeds_are_told_what_they_cannot_reach() -> None:
    study = make_study(sizes=(500,), seeds=range(3), methods=METHODS)
    accuracies = {(500, "non"): (0.4, 0.41, 0.42), (500, "label-mix"): (0.5, 0.53, 0.52)}
    assert "the exact test cannot go below 0.25" in find(compare_methods(study, make_results(accuracies)), 500).note


def test_seeds_without_a_partner_are_left_out() -> None:
    study = make_study(sizes=(500, 100), seeds=range(5), methods=METHODS)
    accuracies = {**ACCURACIES, (100, "non"): (0.20, None, 0.21, None, 0.19)}
    rows = compare_methods(study, make_results(accuracies))
    assert [getattr(find(rows, size).interval, "count", 0) for size in (500, 100, None)] == [5, 3, 3]
    assert "2 of 5 seeds left out, because they lack a size" in find(rows, None).note


def test_a_size_without_results_leaves_no_mean_over_all_sizes() -> None:
    study = make_study(sizes=(500, 250, 100), seeds=range(5), methods=METHODS)
    rows = compare_methods(study, make_results(ACCURACIES))
    assert find(rows, 250).interval is None
    assert find(rows, None).interval is None
    assert "no seed has both methods" in find(rows, 250).note


def test_the_three_selections_are_read_from_their_columns() -> None:
    study = make_study(sizes=(500,), seeds=(0,), methods=METHODS)
    names = ("best_test_accuracy", "final_test_accuracy", "last10_test_accuracy")
    results = (
        Result(500, "non", 0, dict(zip(names, (0.5, 0.4, 0.3), strict=True))),
        Result(500, "label-mix", 0, dict(zip(names, (0.6, 0.6, 0.6), strict=True))),
    )
    rows = compare_methods(study, results)
    found = {row.selection: row.interval.mean for row in rows if row.size == 500 and row.interval}
    assert found == pytest.approx({"best": 0.1, "last": 0.2, "last10": 0.3})


def test_the_table_is_written_for_people_and_programs(rows: list[Comparison], tmp_path: Path) -> None:
    write_comparison(rows, tmp_path / "comparison.csv")
    text = (tmp_path / "comparison.csv").read_text()
    assert text.startswith("size,method,reference,selection,seeds,difference,low,high,standard_error,p_value,note")
    table = list(csv.DictReader(text.splitlines()))
    assert tuple(table[0]) == COLUMNS
    assert [row["size"] for row in table[:3]] == ["500", "100", "all"]
    assert float(table[0]["difference"]) == pytest.approx(0.1)
    write_comparison(rows, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == text


def test_equal_differences_are_told_as_such() -> None:
    study = make_study(sizes=(500,), seeds=range(3), methods=METHODS)
    accuracies = {(500, "non"): (0.79, 0.80, 0.83), (500, "label-mix"): (0.82, 0.83, 0.86)}
    row = find(compare_methods(study, make_results(accuracies)), 500)
    assert "all seeds have the same difference" in row.note
    assert row.t_test_p_value is None


def test_results_come_back_from_the_file_that_collection_wrote(tmp_path: Path) -> None:
    from smallmix.collection.collect import collect
    from smallmix.collection.tables import write_tables

    made = build_synthetic_study(tmp_path, sizes=(100,), seeds=(0, 1), test_images=40)
    write_tables(collect(made.study, made.layout, made.code_fingerprint), tmp_path)
    results = read_results(tmp_path / "metrics.csv")
    assert [(one.size, one.method, one.seed) for one in results] == [
        (c.size, c.method, c.seed) for c in made.study.cells
    ]
    stored = made.metrics("n100/label-mix/seed1")
    assert results[-1].numbers["best_test_accuracy"] == stored["best_test_accuracy"]
    assert {row.interval.count for row in compare_methods(made.study, results) if row.interval} == {2}
