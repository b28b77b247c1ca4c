"""Protects the table of paired differences: what is paired, declared and corrected, and what is left empty."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from smallmix.statistics.comparison import (
    Comparison,
    can_decide,
    compare_methods,
    variance_ratio,
    write_comparison,
)
from smallmix.statistics.study_results import Result, read_results
from smallmix.tables.columns import selections_of
from smallmix.tables.statistics_columns import COMPARISON

from tests.synthetic_study import build_synthetic_study
from tests.unit.statistics.made_up_results import make_results, make_study

ACCURACIES = {
    (500, "non"): (0.40, 0.42, 0.41, 0.43, 0.39, 0.41),
    (500, "label-mix"): (0.50, 0.53, 0.50, 0.55, 0.47, 0.51),
    (100, "non"): (0.20, 0.22, 0.21, 0.23, 0.19, 0.21),
    (100, "label-mix"): (0.24, 0.27, 0.23, 0.26, 0.25, 0.25),
}
SEEDS = range(6)
METHODS = {"non": {"mix": "none", "beta": None}, "label-mix": {"mix": "images-and-labels", "beta": [1.0, 1.0]}}


def find(rows: list[Comparison], size: int | None, selection: str = "last_tenth") -> Comparison:
    (row,) = [one for one in rows if one.size == size and one.selection == selection]
    return row


@pytest.fixture
def rows() -> list[Comparison]:
    return compare_methods(make_study(sizes=(500, 100), seeds=SEEDS, methods=METHODS), make_results(ACCURACIES))


def test_differences_are_paired_by_seed(rows: list[Comparison]) -> None:
    row = find(rows, 500)
    paired = stats.ttest_rel(ACCURACIES[500, "label-mix"], ACCURACIES[500, "non"])
    assert row.interval is not None
    assert (row.method, row.reference, row.interval.count) == ("label-mix", "non", 6)
    assert row.interval.mean == pytest.approx(0.1)
    assert (row.interval.low, row.interval.high) == pytest.approx(tuple(paired.confidence_interval(0.95)))
    assert row.t_test_p_value == pytest.approx(paired.pvalue)
    assert row.p_value == row.smallest_p_value == 2 / 2**6


def test_all_sizes_are_averaged_within_each_seed(rows: list[Comparison]) -> None:
    row = find(rows, None)
    averages = [
        (ACCURACIES[500, "label-mix"][seed] - ACCURACIES[500, "non"][seed]) / 2
        + (ACCURACIES[100, "label-mix"][seed] - ACCURACIES[100, "non"][seed]) / 2
        for seed in SEEDS
    ]
    assert row.interval is not None
    assert row.interval.count == 6  # blocks are seeds, not cells
    assert row.interval.standard_error == pytest.approx(stats.sem(averages))


def test_one_hypothesis_is_declared_and_the_rest_is_corrected(rows: list[Comparison]) -> None:
    declared = [row for row in rows if row.role == "declared"]
    assert [(row.size, row.selection, row.method, row.reference) for row in declared] == [
        (None, "last_tenth", "label-mix", "non")
    ]
    assert declared[0].holm_p_value is None
    assert "declared in advance" in declared[0].note
    secondary = [row for row in rows if row.role == "secondary"]
    assert all("secondary" in row.note and row.holm_p_value is not None for row in secondary)
    # The two single sizes are one family; the row over all sizes, which sums them up, is another.
    for selection in ("last_tenth", "best"):
        assert find(rows, 500, selection).holm_p_value == pytest.approx(2 * 2 / 2**6)
        assert find(rows, 500, selection).holm_rows == 2
    assert find(rows, None, "best").holm_p_value == pytest.approx(2 / 2**6)
    assert find(rows, None, "best").holm_rows == 1


def test_the_declared_hypothesis_is_known_by_meaning_not_by_name() -> None:
    methods = {"a": {"mix": "images-and-labels", "beta": [1.0, 1.0]}, "b": {"mix": "none", "beta": None}}
    rows = compare_methods(make_study(sizes=(100,), seeds=SEEDS, methods=methods), ())
    assert [(row.method, row.reference) for row in rows if row.role == "declared"] == [("a", "b")]
    without = {"a": {"mix": "images", "beta": [2.0, 1.0]}, "b": {"mix": "none", "beta": None}}
    rows = compare_methods(make_study(sizes=(100,), seeds=SEEDS, methods=without), ())
    assert not [row for row in rows if row.role == "declared"]


@pytest.mark.parametrize(("seeds", "declared"), [(1, 0), (3, 0), (5, 0), (6, 1), (10, 1), (60, 1)])
def test_a_hypothesis_is_declared_only_where_its_test_can_decide(seeds: int, declared: int) -> None:
    """Five seeds cannot give less than 0.0625, whatever they show: the row is then a secondary one."""
    rows = compare_methods(make_study(sizes=(500,), seeds=range(seeds), methods=METHODS), ())
    assert sum(row.role == "declared" for row in rows) == declared
    assert can_decide(seeds) == bool(declared)


def pairs_of(methods: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    rows = compare_methods(make_study(sizes=(500, 100), seeds=(0,), methods=methods), ())
    pairs = list(dict.fromkeys((row.method, row.reference) for row in rows))
    assert len(rows) == len(pairs) * len(selections_of(0)) * (2 + 1)
    return pairs


def mixing(mix: str, *beta: float) -> dict[str, Any]:
    return {"mix": mix, "beta": list(beta)}


def test_only_pairs_that_are_asked_about_are_compared() -> None:
    plain = {"mix": "none", "beta": None}
    ours = {"non": plain, "data": mixing("images", 2.0, 1.0), "label": mixing("images-and-labels", 1.0, 1.0)}
    asked = [("data", "non"), ("label", "non"), ("label", "data")]
    assert pairs_of(ours) == asked
    # Other distributions are held against plain training, not against each other.
    more = {"soft": mixing("images-and-labels", 0.2, 0.2), "hard": mixing("images", 5.0, 4.0)}
    assert pairs_of({**ours, **more}) == [*asked[:2], ("soft", "non"), ("hard", "non"), asked[2]]
    # The only two ways of mixing are compared whatever their distributions are; of several, none stands for its way.
    assert pairs_of({"non": plain, **more}) == [("soft", "non"), ("hard", "non"), ("soft", "hard")]
    softer = {"softer": mixing("images-and-labels", 0.1, 0.1)}
    assert pairs_of({"non": plain, **more, **softer}) == [("soft", "non"), ("hard", "non"), ("softer", "non")]
    # Without plain training, the first method takes its place.
    assert pairs_of({**more, **softer}) == [("hard", "soft"), ("softer", "soft")]


def test_ten_seeds_decide_after_the_correction_in_the_articles_grid() -> None:
    """Eight sizes and three pairs are 24 comparisons: 24 * 2 / 2^10 is below 0.05, 24 * 2 / 2^9 is not."""
    sizes = (50000, 20000, 10000, 5000, 1000, 500, 250, 100)
    for seeds, decides in ((9, False), (10, True)):
        gains = {"non": 0.0, "data-mix": 0.1, "label-mix": 0.3}
        accuracies = {
            (size, name): tuple(0.2 + gain * (1 + seed / 10) for seed in range(seeds))
            for size in sizes
            for name, gain in gains.items()
        }
        rows = compare_methods(make_study(sizes=sizes, seeds=range(seeds)), make_results(accuracies))
        single = [row for row in rows if row.size is not None and row.selection == "best"]
        assert len(single) == 24
        assert {row.holm_p_value for row in single} == {24 * 2 / 2**seeds}
        assert (24 * 2 / 2**seeds < 0.05) == decides


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [
        # Variances 1 and 1 (in squared points); differences 1, 1, 1: what they share drops out.
        ((2, 3, 4), (1, 2, 3), 0.0),
        # Variances 1 and 1; differences -2, 0, 2 with variance 4: twice the sum.
        ((1, 2, 3), (3, 2, 1), 2.0),
        # Variances 3 and 3; differences 2, -1, 2 with variance 3.
        ((3, 3, 6), (1, 4, 4), 0.5),
        ((1, 1, 1), (2, 2, 2), None),
        ((1, 2), (2, 1), None),
    ],
)
def test_the_variance_ratio_says_whether_pairing_helps(
    first: tuple[int, ...], second: tuple[int, ...], ratio: float | None
) -> None:
    found = variance_ratio([(a / 100, b / 100) for a, b in zip(first, second, strict=True)])
    assert found == (None if ratio is None else pytest.approx(ratio))


def test_the_variance_ratio_stands_in_each_row(rows: list[Comparison]) -> None:
    for size, accuracies in ((500, ACCURACIES), (100, ACCURACIES)):
        mixed, plain = accuracies[size, "label-mix"], accuracies[size, "non"]
        wanted = np.var(np.subtract(mixed, plain), ddof=1) / (np.var(mixed, ddof=1) + np.var(plain, ddof=1))
        assert find(rows, size).variance_ratio == pytest.approx(wanted)


def test_one_seed_is_noted_as_one_seed() -> None:
    study = make_study(sizes=(500,), seeds=(0,), methods=METHODS)
    row = find(compare_methods(study, make_results({(500, "non"): (0.4,), (500, "label-mix"): (0.5,)})), 500)
    assert row.interval is not None
    assert (row.interval.low, row.p_value, row.t_test_p_value, row.holm_p_value) == (None, None, None, None)
    assert "one seed: no interval and no test" in row.note


def test_few_seeds_are_noted_with_what_they_cannot_reach() -> None:
    study = make_study(sizes=(500,), seeds=range(3), methods=METHODS)
    accuracies = {(500, "non"): (0.4, 0.41, 0.42), (500, "label-mix"): (0.5, 0.53, 0.52)}
    assert "the exact test cannot go below 0.25" in find(compare_methods(study, make_results(accuracies)), 500).note


def test_seeds_without_a_partner_are_left_out() -> None:
    study = make_study(sizes=(500, 100), seeds=SEEDS, methods=METHODS)
    accuracies = {**ACCURACIES, (100, "non"): (0.20, None, 0.21, None, 0.19, 0.2)}
    rows = compare_methods(study, make_results(accuracies))
    assert [getattr(find(rows, size).interval, "count", 0) for size in (500, 100, None)] == [6, 4, 4]
    assert "2 of 6 seeds left out, because they lack a size" in find(rows, None).note


def test_a_size_without_results_leaves_no_mean_over_all_sizes() -> None:
    study = make_study(sizes=(500, 250, 100), seeds=SEEDS, methods=METHODS)
    rows = compare_methods(study, make_results(ACCURACIES))
    assert find(rows, 250).interval is None
    assert find(rows, None).interval is None
    assert "no seed has both methods" in find(rows, 250).note


def test_the_three_selections_are_read_from_their_columns() -> None:
    study = make_study(sizes=(500,), seeds=(0,), methods=METHODS)
    names = ("best_test_accuracy", "final_test_accuracy", "last_tenth_test_accuracy")
    results = (
        Result(500, "non", 0, dict(zip(names, (0.5, 0.4, 0.3), strict=True))),
        Result(500, "label-mix", 0, dict(zip(names, (0.6, 0.6, 0.6), strict=True))),
    )
    rows = compare_methods(study, results)
    found = {row.selection: row.interval.mean for row in rows if row.size == 500 and row.interval}
    assert found == pytest.approx({"best": 0.1, "last": 0.2, "last_tenth": 0.3})


def test_the_table_is_written_for_people_and_programs(rows: list[Comparison], tmp_path: Path) -> None:
    write_comparison(rows, tmp_path / "comparison.csv")
    text = (tmp_path / "comparison.csv").read_text()
    assert text.startswith("size,method,reference,selection,seeds,difference,low,high,standard_error,p_value,note")
    table = list(csv.DictReader(text.splitlines()))
    assert tuple(table[0]) == COMPARISON.names
    assert [row["size"] for row in table[:3]] == ["500", "100", "all"]
    assert float(table[0]["difference"]) == pytest.approx(0.1)
    assert (table[0]["smallest_p_value"], table[0]["holm_rows"]) == ("0.03125", "2")
    write_comparison(rows, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == text


def test_equal_differences_are_noted() -> None:
    study = make_study(sizes=(500,), seeds=range(3), methods=METHODS)
    accuracies = {(500, "non"): (0.79, 0.80, 0.83), (500, "label-mix"): (0.82, 0.83, 0.86)}
    row = find(compare_methods(study, make_results(accuracies)), 500)
    assert "all seeds have the same difference" in row.note
    assert row.t_test_p_value is None


def test_results_come_back_from_the_file_that_collection_wrote(tmp_path: Path) -> None:
    from smallmix.tables.collect import collect
    from smallmix.tables.collected_tables import write_study_tables

    made = build_synthetic_study(tmp_path, sizes=(100,), seeds=(0, 1), test_images=40)
    write_study_tables(collect(made.study, made.layout, made.code_fingerprint), tmp_path)
    results = read_results(tmp_path / "metrics.csv")
    assert [(one.size, one.method, one.seed) for one in results] == [
        (c.size, c.method, c.seed) for c in made.study.cells
    ]
    stored = made.metrics("n100/label-mix/seed1")
    assert results[-1].numbers["best_test_accuracy"] == stored["best_test_accuracy"]
    assert {row.interval.count for row in compare_methods(made.study, results) if row.interval} == {2}


def test_each_row_says_what_its_seeds_say_of_further_ones(rows: list[Comparison]) -> None:
    """Differences at 500 images are 10, 11, 9, 12, 8, 10 points: squares 0, 1, 1, 4, 4, 0 about 10, their sum 10.

    The deviation is sqrt(10 / 5) = 1.414 points. t(9) x 1.414 / sqrt(10) = 2.262 x 0.447 = 1.01 points is too wide,
    t(10) x 1.414 / sqrt(11) = 2.228 x 0.426 = 0.95 is not.
    """
    row = find(rows, 500)
    assert row.standard_deviation == pytest.approx(0.01 * 2**0.5)
    assert row.plan is not None
    assert row.plan.deviation == row.standard_deviation
    assert row.plan.interval.expected == 11
    assert row.plan.test.expected == 18  # a standardised difference of 0.707 (Cohen 1988)
    # The quantiles of chi-square with 5 degrees of freedom are 0.8312 and 12.8325.
    assert (row.plan.low, row.plan.high) == pytest.approx(
        (0.01 * (10 / 12.8325) ** 0.5, 0.01 * (10 / 0.8312) ** 0.5), rel=1e-4
    )
    assert row.ahead is not None
    # z² = 3.8415: six of six have the lower end 1 / (1 + 3.8415 / 6) = 0.6097.
    assert (row.ahead.share, row.ahead.low, row.ahead.high) == pytest.approx((1.0, 0.6097, 1.0), abs=1e-4)


def test_what_the_best_accuracy_adds_is_paired_by_seed() -> None:
    """By best label-mix is ahead by 4, 5, 6 points, by last by 3, 3, 3: that adds 1, 2, 3 points."""
    study = make_study(sizes=(500, 100), seeds=range(3), methods=METHODS)
    best = {"non": (0.40, 0.41, 0.42), "label-mix": (0.44, 0.46, 0.48)}
    last = {"non": (0.38, 0.40, 0.39), "label-mix": (0.41, 0.43, 0.42)}
    results = tuple(
        Result(
            size,
            method,
            seed,
            {
                "best_test_accuracy": best[method][seed] + (0.01 if (size, method) == (100, "non") else 0.0),
                "final_test_accuracy": last[method][seed],
                "last_tenth_test_accuracy": last[method][seed],
            },
        )
        for size in (500, 100)
        for method in METHODS
        for seed in range(3)
    )
    rows = compare_methods(study, results)
    row = find(rows, 500, "last")
    assert row.best_adds is not None
    assert row.best_adds.mean == pytest.approx(0.02)
    assert row.best_adds.count == 3
    assert row.best_adds.low == pytest.approx(0.02 - 4.3027 * 0.01 / 3**0.5, abs=1e-6)
    # At 100 images it adds a point less: 0, 1, 2. Over both sizes 0.5, 1.5, 2.5.
    over_all = find(rows, None, "last").best_adds
    assert over_all is not None
    assert over_all.mean == pytest.approx(0.015)
    assert find(rows, 500, "best").best_adds is None


def test_the_new_columns_are_written_where_they_are_declared(rows: list[Comparison], tmp_path: Path) -> None:
    write_comparison(rows, tmp_path / "comparison.csv")
    table = list(csv.DictReader((tmp_path / "comparison.csv").read_text().splitlines()))
    row = next(one for one in table if (one["size"], one["selection"]) == ("500", "last"))
    assert (row["ahead"], row["ahead_high"], row["seeds_for_interval"], row["seeds_for_test"]) == ("1", "1", "11", "18")
    assert float(row["ahead_low"]) == pytest.approx(0.6097, abs=1e-4)
    assert float(row["standard_deviation"]) == pytest.approx(0.0141421, abs=1e-7)
    low, high = float(row["standard_deviation_low"]), float(row["standard_deviation_high"])
    assert low < float(row["standard_deviation"]) < high
    assert int(row["seeds_for_interval_low"]) < 11 < int(row["seeds_for_interval_high"])
    assert int(row["seeds_for_test_low"]) < 18 < int(row["seeds_for_test_high"])
    assert float(row["best_adds"]) == float(row["best_adds_low"]) == float(row["best_adds_high"]) == 0
    assert [one["best_adds"] for one in table if one["selection"] == "best"] == [""] * 3


def test_one_seed_plans_nothing_and_has_no_interval_of_its_chance(tmp_path: Path) -> None:
    study = make_study(sizes=(500,), seeds=(0,), methods=METHODS)
    row = find(compare_methods(study, make_results({(500, "non"): (0.4,), (500, "label-mix"): (0.5,)})), 500)
    assert (row.standard_deviation, row.plan) == (None, None)
    assert row.ahead is not None
    assert (row.ahead.share, row.ahead.low) == (1, None)
