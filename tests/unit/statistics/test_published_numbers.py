"""Protects the judgement of published numbers and gains: tolerance, scatter, sign and comparability."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from smallmix.statistics.claims import judge_claims
from smallmix.statistics.protocol import CIFAR10_LABELS
from smallmix.statistics.published_numbers import (
    JudgedNumber,
    agreement,
    decide_gain,
    judge_gains,
    judge_numbers,
    tolerance_at,
)
from smallmix.statistics.study_results import StudyResults
from smallmix.study.published import Published, load_published, method_for
from smallmix.tables.subset_table import SubsetRow

from tests.synthetic_configuration import ARTICLE_BUDGETS, METHODS
from tests.unit.statistics.made_up_results import Accuracies, make_study, make_study_results

ARTICLE = Path(__file__).resolve().parents[3] / "workflow" / "published" / "article.yaml"
REFERENCE = "differs from the article's protocol (see protocol)"
ACCURACIES = {(50000, "non"): (0.951,), (500, "non"): (0.50,), (500, "label-mix"): (0.5784,), (100, "non"): (0.40,)}
TABLE_1 = [SubsetRow(500, 40, 65), SubsetRow(100, 4, 15)]


@pytest.fixture(scope="module")
def published() -> Published:
    return load_published(ARTICLE)


def make(accuracies: Any = None, **choices: Any) -> StudyResults:
    return make_study_results(accuracies or ACCURACIES, subset_rows=TABLE_1, **{"budgets": ARTICLE_BUDGETS, **choices})


def judge(published: Published, results: StudyResults) -> dict[str, JudgedNumber]:
    return {one.identifier: one for one in judge_numbers(published, results)}


def is_told(row: JudgedNumber, published: Published, results: StudyResults, difference: str) -> bool:
    """Return whether the row refers to the row of the protocol, and that one tells the difference, once."""
    told = judge_claims(published, results)[0]
    assert (told.kind, told.verdict) == ("protocol", "differs")
    return row.reason.endswith(REFERENCE) and "instead of" not in row.reason and told.reason.count(difference) == 1


def test_every_published_number_has_a_row(published: Published) -> None:
    rows = judge(published, make())
    assert len(rows) == 7 + 8 * 3
    assert all(row.reason for row in rows.values())


@pytest.mark.parametrize(
    ("identifier", "found", "difference", "allowed", "verdict"),
    [
        ("accuracy-n50000-non", "95.10", "+0.10", "1.00", "agrees with the published number"),
        ("accuracy-n500-label-mix", "57.84", "+0.00", "3.00", "agrees with the published number"),
        ("accuracy-n500-non", "50.00", "+5.40", "3.00", "undecided"),
        ("accuracy-n100-non", "40.00", "+13.21", "3.00", "disagrees with the published number"),
        ("accuracy-n100-label-mix", "", "", "", "not tested"),
        ("accuracy-n1000-non", "", "", "", "not tested"),
        ("class-counts-n500", "40/65", "+0/+0", "0", "reproduced"),
        ("class-counts-n100", "4/15", "+0/-1", "0", "not reproduced"),
        ("class-counts-n250", "", "", "0", "not tested"),
    ],
)
def test_numbers_under_the_articles_protocol(
    published: Published, identifier: str, found: str, difference: str, allowed: str, verdict: str
) -> None:
    row = judge(published, make())[identifier]
    assert (row.found, row.difference, row.tolerance, row.verdict) == (found, difference, allowed, verdict)


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"width": 16}, "width 16 instead of 64"),
        ({"budgets": {"default": {"epochs": 5}}}, "5 epochs instead of 100 epochs"),
        ({"rule": "random"}, "subsets by the rule random"),
        ({"dataset": "digits"}, "the images of digits instead of CIFAR-10"),
    ],
)
def test_under_another_protocol_numbers_are_shown_but_not_judged(
    published: Published, choices: dict[str, Any], reason: str
) -> None:
    results = make(**choices)
    row = judge(published, results)["accuracy-n50000-non"]
    assert (row.verdict, row.found, row.difference) == ("not tested", "95.10", "+0.10")
    assert row.reason == f"not comparable: {REFERENCE}"
    assert is_told(row, published, results, reason)


@pytest.mark.parametrize(
    ("choices", "verdict"),
    [
        ({"rule": "random"}, "not tested"),
        ({"dataset": "digits"}, "not tested"),
        ({"width": 16}, "reproduced"),
    ],
)
def test_class_counts_depend_on_the_images_alone(published: Published, choices: dict[str, Any], verdict: str) -> None:
    assert judge(published, make(**choices))["class-counts-n500"].verdict == verdict


def test_only_a_changed_distribution_of_its_own_method_makes_a_number_incomparable(published: Published) -> None:
    methods = {**METHODS, "label-mix": {"mix": "images-and-labels", "beta": [0.4, 0.4]}}
    results = make(methods=methods)
    rows = judge(published, results)
    assert is_told(rows["accuracy-n500-label-mix"], published, results, "Beta(0.4, 0.4) instead of Beta(1, 1)")
    assert rows["accuracy-n500-label-mix"].verdict == "not tested"
    assert rows["accuracy-n500-non"].verdict == "undecided"


def copy_of_cifar10(labels: tuple[str, ...] = CIFAR10_LABELS, **choices: Any) -> StudyResults:
    """A list of images with CIFAR-10's ten names of classes, and labels with these checksums."""
    return replace(
        make(dataset="image-list", published="workflow/published/article.yaml", **choices), label_checksums=labels
    )


def test_a_copy_of_the_images_is_compared_with_a_note_where_the_study_asks(published: Published) -> None:
    row = judge(published, copy_of_cifar10())["accuracy-n50000-non"]
    assert row.verdict == "agrees with the published number"
    assert is_told(row, published, copy_of_cifar10(), "the images of Own images instead of the original CIFAR-10")
    unasked = replace(make(dataset="image-list"), label_checksums=CIFAR10_LABELS)
    assert judge(published, unasked)["accuracy-n50000-non"].verdict == "not tested"


@pytest.mark.parametrize(
    "labels",
    [
        (),  # a description without checksums, or none at all
        (CIFAR10_LABELS[0], "f" * 64),  # other test images
        ("f" * 64, CIFAR10_LABELS[1]),  # the same images in another order, so another head
        CIFAR10_LABELS[::-1],
    ],
)
def test_ten_names_of_classes_do_not_make_a_copy(published: Published, labels: tuple[str, ...]) -> None:
    """CINIC-10 has the very names."""
    others = copy_of_cifar10(labels)
    assert len(others.classes) == 10
    rows = judge(published, others)
    assert rows["accuracy-n50000-non"].verdict == "not tested"
    assert rows["class-counts-n500"].verdict == "not tested"


@pytest.mark.parametrize(
    ("key", "value", "said"), [("image_size", 16, "16 x 16 pixels in rgb"), ("color", "grey", "in grey")]
)
def test_a_copy_of_another_shape_is_not_compared(published: Published, key: str, value: Any, said: str) -> None:
    copy = copy_of_cifar10()
    copy.study.configuration["dataset"]["image-list"][key] = value
    row = judge(published, copy)["accuracy-n50000-non"]
    assert row.verdict == "not tested"
    assert is_told(row, published, copy, said)


def test_a_draw_for_each_seed_is_compared_but_its_class_counts_are_not(published: Published) -> None:
    """The head is one draw of many: the scatter over seeds covers which one."""
    results = make(rule="random", redraw_per_seed=True)
    rows = judge(published, results)
    row = rows["accuracy-n50000-non"]
    assert row.verdict == "agrees with the published number"
    assert is_told(row, published, results, "subsets drawn at random for each seed instead of the head")
    assert rows["class-counts-n500"].verdict == "not tested"
    balanced = judge(published, make(rule="balanced", redraw_per_seed=True))
    assert balanced["accuracy-n50000-non"].verdict == "not tested"


def test_methods_are_found_by_meaning(published: Published) -> None:
    methods = {
        "narrow": {"mix": "images-and-labels", "beta": [0.2, 0.2]},
        "as-published": {"mix": "images-and-labels", "beta": [1.0, 1.0]},
        "data-mix": {"mix": "none", "beta": None},
    }
    study = make_study(methods=methods)
    assert method_for(study, "label-mix", published) == "as-published"
    assert method_for(study, "non", published) == "data-mix"
    assert method_for(study, "data-mix", published) is None
    assert method_for(study, "narrow", published) == "narrow"


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [
        ((0.445, 0.450, 0.448), "reproduced"),
        ((0.440, 0.480, 0.420), "undecided"),  # near, but a value six points off would look the same
        ((0.490, 0.495, 0.485), "undecided"),  # between once and twice the tolerance
        ((0.600, 0.610, 0.605), "not reproduced"),
        ((0.600, 0.450, 0.620), "undecided"),  # far, but within the scatter
    ],
)
def test_from_three_seeds_on_numbers_are_reproduced_or_not(
    published: Published, accuracies: tuple[float, ...], verdict: str
) -> None:
    row = judge(published, make({(500, "non"): accuracies}))["accuracy-n500-non"]
    assert row.verdict == verdict
    assert "98 % of further single runs fall within" in row.reason
    assert row.tolerance == "3.00"


def test_the_tolerance_is_fixed_by_the_size() -> None:
    assert [tolerance_at(size).points for size in (100, 4999, 5000, 50000)] == [3.0, 3.0, 1.0, 1.0]
    assert agreement([44.0], 47.0, 3.0)[0] == "agrees"
    assert agreement([44.0], 47.1, 3.0)[0] == "undecided"
    assert agreement([44.0, 44.0], 50.1, 3.0)[0] == "disagrees"


def test_the_selection_is_the_published_one(published: Published) -> None:
    results = make()
    for result in results.runs:
        result.numbers["best_test_accuracy"] = 0.99
    assert judge(published, results)["accuracy-n50000-non"].found == "99.00"


ARTICLE = Path(__file__).resolve().parents[3] / "workflow" / "published" / "article.yaml"
NOISE = (0.001, -0.002, 0.0, 0.002, -0.001)


def judge_all_gains(published: Published, results: StudyResults) -> dict[str, JudgedNumber]:
    return {one.identifier: one for one in judge_gains(published, results)}


def make_accuracies(accuracies: Accuracies, **choices: Any) -> StudyResults:
    return make_study_results(accuracies, **{"budgets": ARTICLE_BUDGETS, **choices})


def five(level: float, noise: tuple[float, ...] = NOISE) -> tuple[float, ...]:
    return tuple(level + one for one in noise)


def test_all_sixteen_gains_have_a_row_and_a_reason(published: Published) -> None:
    rows = judge_all_gains(published, make_accuracies({(500, "non"): (0.4,)}))
    assert len(rows) == 16
    assert all(row.reason for row in rows.values())
    assert rows["gain-n500-data-mix"].published == "+13.99"
    assert rows["gain-n50000-label-mix"].published == "+1.00"
    assert rows["gain-n1000-label-mix"].statement == (
        "gain of label-mix over non in best test accuracy with 1,000 images, points"
    )
    assert rows["gain-n500-data-mix"].reason == "no seed has current cells of both methods at this size"
    assert rows["gain-n100-data-mix"].reason == "the study has no cells of 100 images"


@pytest.mark.parametrize("size", [50000, 20000, 1000, 100])
@pytest.mark.parametrize("seeds", [1, 5])
def test_a_mixup_without_any_gain_never_agrees(published: Published, size: int, seeds: int) -> None:
    """By levels alone it did, at four of these: the tolerance is as wide as what mixup adds there."""
    plain = published.percent(size, "non")
    assert plain is not None
    level = plain / 100
    accuracies = {
        (size, "non"): five(level)[:seeds],
        (size, "data-mix"): five(level, NOISE[::-1])[:seeds],
        (size, "label-mix"): five(level, NOISE[1:] + NOISE[:1])[:seeds],
    }
    rows = judge_all_gains(published, make_accuracies(accuracies))
    for name in ("data-mix", "label-mix"):
        assert rows[f"gain-n{size}-{name}"].verdict in (
            "undecided",
            "not reproduced",
            "disagrees with the published number",
        )


def test_a_gain_is_reproduced_near_the_published_one_and_clear_of_zero(published: Published) -> None:
    accuracies = {
        (500, "non"): five(0.446),
        (500, "data-mix"): five(0.576, NOISE[::-1]),
        (500, "label-mix"): five(0.436, NOISE[1:] + NOISE[:1]),
    }
    rows = judge_all_gains(published, make_accuracies(accuracies))
    row = rows["gain-n500-data-mix"]
    assert (row.found, row.difference, row.tolerance, row.verdict) == ("+13.00", "-0.99", "4.24", "reproduced")
    assert "covers together with those of all 2 gains in 95 %" in row.reason
    assert is_told(row, published, make_accuracies(accuracies), "5 seeds instead of one")
    row = rows["gain-n500-label-mix"]
    assert row.verdict == "not reproduced"
    assert row.reason.startswith("our gain has the other sign")


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"width": 16}, "width 16 instead of 64"),
        ({"budgets": {"default": {"iterations": 500}}}, "500 iterations instead of 117,000 iterations"),
        ({"dataset": "digits"}, "the images of digits instead of CIFAR-10"),
        (
            {"methods": {**METHODS, "data-mix": {"mix": "images", "beta": [1.0, 1.0]}}},
            "Beta(1, 1) instead of Beta(2, 1)",
        ),
    ],
)
def test_under_another_protocol_gains_are_shown_but_not_judged(
    published: Published, choices: dict[str, Any], reason: str
) -> None:
    results = make_accuracies({(500, "non"): (0.44,), (500, "data-mix"): (0.58,)}, **choices)
    row = judge_all_gains(published, results)["gain-n500-data-mix"]
    assert (row.verdict, row.found) == ("not tested", "+14.00")
    assert is_told(row, published, results, reason)


def test_a_missing_method_is_named(published: Published) -> None:
    two = {name: METHODS[name] for name in ("non", "label-mix")}
    rows = judge_all_gains(published, make_accuracies({(500, "non"): (0.4,)}, methods=two))
    assert rows["gain-n500-data-mix"].reason == "the study has no method that stands for data-mix"


@pytest.mark.parametrize(
    ("values", "published", "outcome"),
    [
        ([12.0], 14.0, "agrees"),
        ([0.5], 0.7, "undecided"),  # one run: as small as chance
        ([1.0], 14.0, "disagrees"),
        ([7.0], 14.0, "undecided"),
        ([-12.0], -13.0, "agrees"),  # methods can lose, too
        ([2.0, 2.1, 1.9], 2.5, "agrees"),
        ([2.0, -2.1, 3.9], 2.5, "undecided"),
        ([-2.0, -2.1, -1.9], 0.7, "undecided"),  # the other sign, but the published one can be chance
        ([-4.0, -4.1, -3.9], 0.7, "disagrees"),
    ],
)
def test_decisions(values: list[float], published: float, outcome: str) -> None:
    assert decide_gain(values, published, 4.24)[0] == outcome


def test_many_gains_need_clearer_signs() -> None:
    values = [1.0, 1.3, 0.8]
    assert decide_gain(values, 1.0, 4.24, together=1)[0] == "agrees"
    assert decide_gain(values, 1.0, 4.24, together=16)[0] == "undecided"
