"""Holds the comparison of two studies to numbers computed by hand, and to what it must refuse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from scipy import stats
from smallmix.errors import SmallmixError
from smallmix.statistics.intervals import welch_interval
from smallmix.statistics.study_comparison import StudySide, compare_studies, refused_methods
from smallmix.statistics.study_results import Result
from smallmix.study.study import Study

from tests.synthetic_configuration import build_configuration

# Percent by (size, method), seed by seed.
ACCURACIES: Mapping[tuple[int, str], tuple[float, ...]] = {
    (500, "non"): (40.0, 42.0, 41.0),
    (500, "label-mix"): (50.0, 51.0, 52.0),
    (100, "non"): (20.0, 21.0, 22.0),
    (100, "label-mix"): (25.0, 24.0, 26.0),
}
METHODS: dict[str, dict[str, Any]] = {
    "non": {"mix": "none", "beta": None},
    "label-mix": {"mix": "images-and-labels", "beta": [1.0, 1.0]},
}


def side(
    changes: Mapping[tuple[int, str], tuple[float, ...]] | None = None, data: str = "same", **choices: Any
) -> StudySide:
    """A study with one row per number; `data` fingerprints all its images."""
    accuracies = {**ACCURACIES, **(changes or {})}
    study = Study.from_configuration(build_configuration(methods=METHODS, sizes=[500, 100], **choices))
    runs = tuple(
        Result(size, method, seed, {"best_test_accuracy": percent / 100})
        for (size, method), percents in accuracies.items()
        for seed, percent in enumerate(percents)
    )
    return StudySide(study, runs, {(run.size, run.seed): data for run in runs})


def test_paired_seed_by_seed() -> None:
    """Differences of +1, +2 and +3 points: mean 2, deviation 1, error 1/sqrt(3), t(2) = 4.302653: 2 ± 2.484138."""
    changed = side({(500, "non"): (41.0, 44.0, 44.0)}, name="longer")
    (row,) = [
        row
        for row in compare_studies(side(), changed, ["best"])
        if (row.size, row.method, row.reference) == (500, "non", None)
    ]
    assert (row.pairing, row.pairs) == ("paired", 3)
    assert (row.first_mean, row.second_mean) == pytest.approx((0.41, 0.43))
    assert row.difference.mean == pytest.approx(0.02)
    assert row.difference.low == pytest.approx(0.02 - 0.02484138, abs=1e-8)
    assert row.difference.high == pytest.approx(0.02 + 0.02484138, abs=1e-8)
    assert (row.p_value, row.smallest_p_value) == (0.25, 0.25)  # all three up: 2 of 8 sign choices


def test_other_images_are_never_paired() -> None:
    """40, 42, 41 against 43, 47, 45: variances 1 and 4, error sqrt(5/3), degrees (5/3)^2 / (1/18 + 16/18) = 50/17."""
    changed = side({(500, "non"): (43.0, 47.0, 45.0)}, data="other")
    (row,) = [
        row
        for row in compare_studies(side(), changed, ["best"])
        if (row.size, row.method, row.reference) == (500, "non", None)
    ]
    assert (row.pairing, row.pairs, row.p_value) == ("unpaired", None, None)
    assert "other images: 3 subsets of 3 differ" in row.note
    reach = float(stats.t.ppf(0.975, 50 / 17)) * math.sqrt(5 / 3) / 100
    assert row.difference.mean == pytest.approx(0.04)
    assert row.difference.low == pytest.approx(0.04 - reach)
    assert row.difference.high == pytest.approx(0.04 + reach)


def test_gains_are_differences_of_differences() -> None:
    """At 100 images label-mix gains 5, 3, 4 and in the second study 6, 6, 7 points: 1, 3, 3, mean 7/3."""
    changed = side({(100, "label-mix"): (26.0, 27.0, 29.0)})
    rows = compare_studies(side(), changed, ["best"])
    (row,) = [row for row in rows if (row.size, row.method, row.reference) == (100, "label-mix", "non")]
    assert (row.first_mean, row.second_mean) == pytest.approx((0.04, 19 / 300))
    assert row.difference.mean == pytest.approx(7 / 300)
    assert row.difference.standard_error == pytest.approx(math.sqrt(4 / 3) / math.sqrt(3) / 100)


def test_the_average_over_sizes_is_taken_within_each_seed() -> None:
    """Plus 1, 2, 3 at 500 and plus 3, 2, 1 at 100 images: every seed gains 2 points, so nothing scatters."""
    changed = side({(500, "non"): (41.0, 44.0, 44.0), (100, "non"): (23.0, 23.0, 23.0)})
    rows = compare_studies(side(), changed, ["best"])
    (row,) = [row for row in rows if (row.size, row.method, row.reference) == (None, "non", None)]
    assert row.difference.mean == pytest.approx(0.02)
    assert row.difference.standard_error == 0
    assert row.note == "averaged over 2 sizes within each seed"


def test_the_average_is_unpaired_as_soon_as_one_size_is() -> None:
    first, second = side(), side({(500, "non"): (41.0, 44.0, 44.0)})
    places = {place: "other" if place[0] == 100 else data for place, data in second.images.items()}
    rows = compare_studies(first, StudySide(second.study, second.results, places), ["best"])
    found = {row.size: row.pairing for row in rows if (row.method, row.reference) == ("non", None)}
    assert found == {500: "paired", 100: "unpaired", None: "unpaired"}


def test_seeds_without_a_partner_are_left_out_and_counted() -> None:
    changed = side({(500, "non"): (41.0, 44.0)})
    rows = compare_studies(side(), changed, ["best"])
    (row,) = [row for row in rows if (row.size, row.method, row.reference) == (500, "non", None)]
    assert (row.pairs, row.first_seeds, row.second_seeds) == (2, 3, 2)
    assert row.difference.mean == pytest.approx(0.015)
    assert "1 seed without a partner left out" in row.note


def test_one_seed_in_common_is_no_pair() -> None:
    """Of seeds 0 to 2 and 2 to 4 one is common. Both sides have seeds enough for Welch's interval."""
    later = side()
    moved = tuple(Result(run.size, run.method, run.seed + 2, run.numbers) for run in later.results)
    second = StudySide(later.study, moved, {(run.size, run.seed): "same" for run in moved})
    row = compare_studies(side(), second, ["best"])[0]
    assert (row.pairing, row.p_value, row.note) == ("unpaired", None, "one seed in common: not paired")
    assert row.difference.low is not None


def test_the_average_needs_two_seeds_that_have_every_size() -> None:
    """Seeds 0 and 1 have 500 images, 1 and 2 have 100: both sizes are paired, and one seed has both."""
    whole = side()
    kept = tuple(run for run in whole.results if (run.size, run.seed) not in {(500, 2), (100, 0)})
    rows = compare_studies(whole, StudySide(whole.study, kept, whole.images), ["best"])
    found = {row.size: row.pairing for row in rows if (row.method, row.reference) == ("non", None)}
    assert found == {500: "paired", 100: "paired", None: "unpaired"}


def test_one_seed_has_no_interval() -> None:
    one = {place: numbers[:1] for place, numbers in ACCURACIES.items()}
    rows = compare_studies(side(one), side({**one, (500, "non"): (44.0,)}), ["best"])
    row = rows[0]
    assert (row.method, row.pairs, row.difference.low, row.p_value) == ("non", 1, None, None)
    assert row.smallest_p_value is None
    assert row.difference.mean == pytest.approx(0.04)
    assert "one seed: no interval" in row.note


def test_a_name_that_stands_for_other_mixing_is_refused() -> None:
    other = Study.from_configuration(
        build_configuration(
            name="odd", methods={**METHODS, "label-mix": {"mix": "images", "beta": [1.0, 1.0]}}, sizes=[500, 100]
        )
    )
    first = side()
    second = StudySide(other, first.results, first.images)
    assert {row.method for row in compare_studies(first, second, ["best"])} == {"non"}
    (sentence,) = refused_methods(first.study, other)
    assert sentence == "label-mix is left out: it mixes images-and-labels in synthetic, and images in odd."


def test_a_class_of_the_users_is_the_same_from_wherever_its_file_is_named() -> None:
    def study_of(mix: str) -> Study:
        return Study.from_configuration(build_configuration(methods={"own": {"mix": mix, "beta": None}}, sizes=[100]))

    first = study_of("mine.py:Mine")
    assert refused_methods(first, study_of("elsewhere/mine.py:Mine")) == []
    (sentence,) = refused_methods(first, study_of("elsewhere/mine.py:Other"))
    assert "it mixes mine.py:Mine in synthetic, and mine.py:Other" in sentence


def test_nothing_in_common_is_an_error_that_names_what_there_is() -> None:
    first = side()
    elsewhere = tuple(Result(7, run.method, run.seed, run.numbers) for run in first.results)
    with pytest.raises(SmallmixError, match=r"have no size and method in common .*has sizes 7 of methods"):
        compare_studies(first, StudySide(first.study, elsewhere, {}), ["best"])
    with pytest.raises(SmallmixError, match=r"study synthetic has no current result. Run it"):
        compare_studies(first, StudySide(first.study, (), {}), ["best"])


@pytest.mark.parametrize(
    ("first", "second"),
    [([1.0, 2.0, 4.0], [0.5, 0.7]), ([0.2, 0.9], [0.4, 0.1, 0.3, 0.8]), ([3.0, 3.0], [1.0, 2.0])],
)
def test_welch_as_scipy_computes_it(first: list[float], second: list[float]) -> None:
    found = welch_interval(first, second)
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_welch_without_an_interval() -> None:
    assert welch_interval([1.0], [2.0, 3.0]).low is None
    assert welch_interval([1.0, 1.0], [2.0, 2.0]).low is None
    assert welch_interval([1.0], [2.0, 3.0]).mean == -1.5
    with pytest.raises(ValueError, match="no values"):
        welch_interval([], [1.0])
