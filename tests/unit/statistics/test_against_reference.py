"""Protects means beside paired differences against SciPy's t tests: which seeds pair, and what the reference is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from smallmix.statistics.against_reference import MeanAgainstReference, means_against_reference
from smallmix.statistics.class_summary import summarize_classes
from smallmix.tables.class_tables import CellCounts

from tests.unit.statistics.made_up_results import make_study

VALUES = {
    (500, "non"): {0: 0.41, 1: 0.44, 2: 0.40},
    (500, "label-mix"): {0: 0.52, 1: 0.50, 2: 0.55},
    (100, "non"): {0: 0.20, 1: 0.25},
    (100, "label-mix"): {0: 0.19, 1: 0.27, 2: 0.30},
}


def found(rows: list[MeanAgainstReference]) -> dict[tuple[int | None, str], MeanAgainstReference]:
    return {(row.size, row.method): row for row in rows}


def test_means_and_differences_are_those_of_scipy() -> None:
    rows = found(means_against_reference(make_study(sizes=[500, 100]), VALUES))
    assert list(rows) == [
        *((size, method) for size in (500, 100) for method in ("non", "label-mix")),
        (None, "non"),
        (None, "label-mix"),
    ]
    mixed, plain = VALUES[500, "label-mix"], VALUES[500, "non"]
    row = rows[500, "label-mix"]
    interval = stats.ttest_1samp(list(mixed.values()), 0).confidence_interval(0.95)
    assert row.mean.count == 3
    assert row.mean.mean == pytest.approx(np.mean(list(mixed.values())))
    assert (row.mean.low, row.mean.high) == pytest.approx((interval.low, interval.high))
    paired = stats.ttest_rel(list(mixed.values()), list(plain.values())).confidence_interval(0.95)
    assert row.difference is not None
    assert row.difference.mean == pytest.approx(np.mean(list(mixed.values())) - np.mean(list(plain.values())))
    assert (row.difference.low, row.difference.high) == pytest.approx((paired.low, paired.high))


def test_a_seed_pairs_only_with_itself_and_the_reference_has_no_difference() -> None:
    rows = found(means_against_reference(make_study(sizes=[500, 100]), VALUES))
    row = rows[100, "label-mix"]
    assert (row.mean.count, row.difference is not None and row.difference.count) == (3, 2)
    assert row.difference is not None
    assert row.difference.mean == pytest.approx((-0.01 + 0.02) / 2)
    assert all(rows[size, "non"].difference is None for size in (500, 100, None))
    assert rows[500, "non"].fields()[4:] == ["non", 0, None, None, None]


def test_over_all_sizes_a_seed_counts_that_has_every_size() -> None:
    rows = found(means_against_reference(make_study(sizes=[500, 100]), VALUES))
    assert (rows[None, "non"].mean.count, rows[None, "label-mix"].mean.count) == (2, 3)
    difference = rows[None, "label-mix"].difference
    assert difference is not None
    assert difference.count == 2
    assert difference.mean == pytest.approx(((0.355 - 0.305) + (0.385 - 0.345)) / 2)
    assert rows[None, "label-mix"].size_text == "all"


def test_without_plain_training_the_first_method_is_the_reference() -> None:
    methods = {"first": {"mix": "images", "beta": [1, 1]}, "second": {"mix": "images", "beta": [2, 1]}}
    values = {(100, "first"): {0: 0.5}, (100, "second"): {0: 0.6}}
    rows = found(means_against_reference(make_study(sizes=[100], methods=methods, seeds=[0]), values))
    second = rows[100, "second"]
    assert second.reference == "first"
    assert second.difference is not None
    assert second.difference.mean == pytest.approx(0.1)
    assert second.difference.low is None


def test_nothing_is_said_of_what_was_not_run() -> None:
    assert means_against_reference(make_study(sizes=[100]), {}) == []


def test_a_class_is_summed_up_over_the_runs_that_have_images_of_it() -> None:
    study = make_study(sizes=[100], seeds=[0, 1])
    counted = [
        CellCounts(100, "non", 0, np.array([[6, 4], [0, 0]])),
        CellCounts(100, "non", 1, np.array([[8, 2], [0, 0]])),
        CellCounts(100, "label-mix", 0, np.array([[9, 1], [0, 0]])),
        CellCounts(100, "label-mix", 1, np.array([[10, 0], [0, 0]])),
    ]
    rows = summarize_classes(study, counted, ["a", "b"])
    assert {label for label, _ in rows} == {0}
    of_size = found([row for _, row in rows])
    assert of_size[100, "non"].mean.mean == pytest.approx(0.7)
    gain = of_size[100, "label-mix"].difference
    assert gain is not None
    assert gain.mean == pytest.approx(0.25)
    assert not math.isnan(gain.low or math.nan)
