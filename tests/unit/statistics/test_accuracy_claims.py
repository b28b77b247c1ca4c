"""Protects the rules for claims on accuracy, of one study and of two: outcome, text and what they need."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from smallmix.statistics.accuracy_claims import (
    dip_at_1000_from_few_iterations,
    mixup_helps_at_every_size,
    neither_mix_is_better_throughout,
    uneven_classes_matter,
)
from smallmix.statistics.study_results import StudyResults
from smallmix.statistics.verdicts import outcome_by_part
from smallmix.tables.subset_table import SubsetRow

from tests.synthetic_configuration import METHODS
from tests.unit.statistics.made_up_results import Accuracies, make_study_results

NAMES = ("non", "data-mix", "label-mix")
# Three seeds' noise, another for each method: differences scatter by a few tenths of a point.
NOISE = {"non": (0.0, 0.001, -0.001), "data-mix": (0.002, -0.001, 0.0), "label-mix": (-0.002, 0.001, 0.002)}


def three(*rows: tuple[int, float, float, float]) -> dict[tuple[int, str], tuple[float, ...]]:
    """Three seeds' accuracies of plain training, data-mix and label-mix by size, all differences clear."""
    return {
        (size, name): tuple(value + noise for noise in NOISE[name])
        for size, *values in rows
        for name, value in zip(NAMES, values, strict=True)
    }


def single(*rows: tuple[int, float, float, float]) -> dict[tuple[int, str], tuple[float, ...]]:
    """The same of one seed."""
    return {place: values[:1] for place, values in three(*rows).items()}


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ([(500, 0.4, 0.5, 0.5), (100, 0.2, 0.3, 0.3)], "agrees"),
        ([(500, 0.4, 0.5, 0.3), (100, 0.2, 0.3, 0.3)], "disagrees"),
        ([(500, 0.4, 0.3, 0.3), (100, 0.2, 0.1, 0.1)], "disagrees"),
        ([(500, 0.4, 0.5, 0.4), (100, 0.2, 0.3, 0.3)], "undecided"),
        ([(500, 0.4, 0.4, 0.4), (100, 0.2, 0.2, 0.2)], "undecided"),
        ([(500, 0.4, 0.5, 0.5)], "not tested"),
    ],
)
def test_mixup_helps_at_every_size(rows: list[tuple[int, float, float, float]], outcome: str) -> None:
    judged = mixup_helps_at_every_size(make_study_results(three(*rows)))
    assert judged.outcome == outcome
    assert judged.reason


def test_a_mean_ahead_within_the_scatter_is_not_ahead() -> None:
    """The kept reference's data-mix at 500: +0.35 points, -1.34 to +2.03, once counted as ahead."""
    accuracies = three((500, 0.4, 0.5, 0.5), (100, 0.2, 0.3, 0.3))
    accuracies[500, "data-mix"] = (0.415, 0.39, 0.406)
    judged = mixup_helps_at_every_size(make_study_results(accuracies))
    assert judged.outcome == "undecided"
    assert judged.found.startswith("mixup ahead in 4 of 4 comparisons, in 3 with the 95 % interval above zero; ")
    assert "(data-mix at 500)" in judged.found
    assert "95 % interval -" in judged.found


def test_the_size_that_contradicts_is_named() -> None:
    judged = mixup_helps_at_every_size(make_study_results(three((500, 0.4, 0.5, 0.3), (100, 0.2, 0.3, 0.3))))
    assert "Below zero: label-mix at 500." in judged.reason


def test_a_single_seed_decides_nothing_and_is_reported_as_chance() -> None:
    for rule in (mixup_helps_at_every_size, neither_mix_is_better_throughout):
        judged = rule(make_study_results(single((500, 0.4, 0.5, 0.6), (100, 0.2, 0.3, 0.25))))
        assert judged.outcome == "undecided"
        assert "One seed: no difference has an interval" in judged.reason
    judged = mixup_helps_at_every_size(make_study_results(single((500, 0.4, 0.5, 0.5), (100, 0.2, 0.3, 0.31))))
    assert judged.found == "mixup ahead in 4 of 4 comparisons; least gain +9.80 points (label-mix at 500)"


def test_missing_sizes_leave_it_undecided_unless_one_contradicts() -> None:
    judged = mixup_helps_at_every_size(
        make_study_results(three((500, 0.4, 0.5, 0.5), (100, 0.2, 0.3, 0.3)), sizes=(1000, 500, 100))
    )
    assert judged.outcome == "undecided"
    assert "Only 4 of 6 comparisons have results" in judged.reason
    hurts = three((500, 0.4, 0.5, 0.5), (100, 0.2, 0.1, 0.3))
    assert mixup_helps_at_every_size(make_study_results(hurts, sizes=(1000, 500, 100))).outcome == "disagrees"


def test_methods_are_known_by_meaning() -> None:
    methods = {"label-mix": {"mix": "none", "beta": None}, "plain": {"mix": "images-and-labels", "beta": [1.0, 1.0]}}
    accuracies = {
        (500, "label-mix"): (0.4, 0.401, 0.399),
        (500, "plain"): (0.5, 0.51, 0.49),
        (100, "label-mix"): (0.2, 0.201, 0.2),
        (100, "plain"): (0.3, 0.31, 0.305),
    }
    assert mixup_helps_at_every_size(make_study_results(accuracies, methods=methods)).outcome == "agrees"


def test_of_several_distributions_the_articles_is_judged() -> None:
    """A study of distributions has many methods of one meaning; its first one is not the article's."""
    methods = {
        "non": METHODS["non"],
        "narrow": {"mix": "images-and-labels", "beta": [0.2, 0.2]},
        "wide": {"mix": "images-and-labels", "beta": [1.0, 1.0]},
    }
    accuracies = {
        (size, name): tuple(level + noise for noise in NOISE["label-mix" if name == "wide" else "data-mix"])
        for size in (500, 100)
        for name, level in (("non", 0.4), ("narrow", 0.3), ("wide", 0.5))
    }
    accuracies |= {(size, "non"): (0.4, 0.401, 0.399) for size in (500, 100)}
    judged = mixup_helps_at_every_size(make_study_results(accuracies, methods=methods))
    assert judged.outcome == "agrees"
    assert "(wide at" in judged.found


def test_without_a_method_nothing_is_tested() -> None:
    only = {name: METHODS[name] for name in ("data-mix", "label-mix")}
    judged = mixup_helps_at_every_size(make_study_results(methods=only))
    assert (judged.outcome, judged.reason) == (
        "not tested",
        "needs plain training (mix: none) and a method that mixes",
    )
    judged = neither_mix_is_better_throughout(make_study_results(methods={"non": METHODS["non"]}))
    assert judged.outcome == "not tested"
    assert "both ways of mixing" in judged.reason


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ([(500, 0.4, 0.5, 0.6), (100, 0.2, 0.3, 0.2)], "agrees"),
        ([(500, 0.4, 0.5, 0.6), (250, 0.3, 0.4, 0.4), (100, 0.2, 0.3, 0.2)], "agrees"),
        ([(500, 0.4, 0.5, 0.6), (100, 0.2, 0.3, 0.4)], "disagrees"),
        ([(500, 0.4, 0.6, 0.5), (100, 0.2, 0.4, 0.3)], "disagrees"),
        ([(500, 0.4, 0.5, 0.6), (100, 0.2, 0.3, 0.3)], "undecided"),
        ([(500, 0.4, 0.5, 0.5), (100, 0.2, 0.3, 0.3)], "undecided"),
        ([(500, 0.4, 0.6, 0.5)], "not tested"),
    ],
)
def test_neither_mix_is_better_throughout(rows: list[tuple[int, float, float, float]], outcome: str) -> None:
    assert neither_mix_is_better_throughout(make_study_results(three(*rows))).outcome == outcome


def test_changing_places_within_the_scatter_is_no_interaction() -> None:
    accuracies = three((500, 0.4, 0.5, 0.6), (100, 0.2, 0.3, 0.3))
    accuracies[100, "label-mix"] = (0.32, 0.28, 0.285)
    judged = neither_mix_is_better_throughout(make_study_results(accuracies))
    assert judged.outcome == "undecided"
    assert judged.found == ("label-mix ahead of data-mix at 500; behind at 100; the 95 % interval excludes zero at 500")
    assert "chance alone puts each ahead at some size" in judged.reason


def test_missing_sizes_leave_a_lead_throughout_undecided() -> None:
    accuracies = three((500, 0.4, 0.5, 0.6), (100, 0.2, 0.3, 0.4))
    judged = neither_mix_is_better_throughout(make_study_results(accuracies, sizes=(1000, 500, 100)))
    assert judged.outcome == "undecided"
    assert "Only 2 of 3 sizes have results" in judged.reason


TWO = {name: METHODS[name] for name in ("non", "label-mix")}
SHORT = {"default": {"epochs": 100}}
LONG = {"default": {"iterations": 117000}}
# Half-way between 500 and 5,000 on a logarithmic axis there would be 0.555 (non) and 0.655 (label-mix).
LEVELS = {
    (5000, "non"): 0.80,
    (5000, "label-mix"): 0.83,
    (1000, "non"): 0.48,
    (1000, "label-mix"): 0.54,
    (500, "non"): 0.45,
    (500, "label-mix"): 0.58,
    (100, "non"): 0.27,
    (100, "label-mix"): 0.32,
}
# Three seeds' noise, another in each study, so that differences have an interval.
HERE, THERE = (0.001, -0.001, 0.0), (-0.001, 0.002, 0.001)


def seeds_of(level: float, noise: tuple[float, ...] = HERE) -> tuple[float, ...]:
    return tuple(level + one for one in noise)


DIPPING: Accuracies = {place: seeds_of(level) for place, level in LEVELS.items()}


def longer(at_1000: float, at_100: float | None, **choices: Any) -> StudyResults:
    accuracies: dict[tuple[int, str], tuple[float, ...]] = {}
    for size, level in ((1000, at_1000), (100, at_100)):
        if level is not None:
            accuracies[size, "non"] = seeds_of(level, THERE)
            accuracies[size, "label-mix"] = seeds_of(level + 0.06, THERE)
    return make_study_results(accuracies, **{"methods": TWO, "budgets": LONG, "name": "longer", **choices})


def base(**choices: Any) -> StudyResults:
    # The depth of the dip must scatter as well: its sizes have noise of their own.
    accuracies = {**DIPPING, (1000, "non"): seeds_of(0.48, THERE), (1000, "label-mix"): seeds_of(0.54, THERE[::-1])}
    return make_study_results(accuracies, **{"methods": TWO, "budgets": SHORT, **choices})


@pytest.mark.parametrize(
    ("at_1000", "at_100", "outcome"),
    [
        (0.60, 0.30, "agrees"),
        (0.60, 0.20, "disagrees"),  # 100 images lose
        (0.60, 0.27, "undecided"),  # 100 images gain nothing for certain
        (0.60, None, "undecided"),
        (0.49, 0.30, "disagrees"),  # less than half of the gap is closed
        (0.40, 0.30, "disagrees"),
    ],
)
def test_longer_training_explains_the_dip_or_not(at_1000: float, at_100: float | None, outcome: str) -> None:
    judged = dip_at_1000_from_few_iterations(base(), [longer(at_1000, at_100)])
    assert judged.outcome == outcome
    assert "2 of 2 methods lie below the line" in judged.found
    assert ("100 images were not trained longer" in judged.reason) == (at_100 is None)


def test_the_longer_study_finds_the_shorter_one_and_is_judged_by_its_protocol() -> None:
    short = base()
    judged = dip_at_1000_from_few_iterations(longer(0.60, 0.30), [short])
    assert judged.outcome == "agrees"
    assert judged.about is short


def test_one_seed_decides_nothing() -> None:
    one_seed = make_study_results({place: values[:1] for place, values in DIPPING.items()}, methods=TWO, budgets=SHORT)
    judged = dip_at_1000_from_few_iterations(one_seed, [longer(0.60, 0.30)])
    assert judged.outcome == "undecided"
    assert "One seed: no interval" in judged.reason
    assert "trained longer they gain +11.80 (non), +11.80 (label-mix) points" in judged.found


def test_a_method_without_longer_training_leaves_it_undecided() -> None:
    partial = longer(0.60, 0.30)
    partial = StudyResults(partial.study, tuple(one for one in partial.runs if (one.size, one.method) != (100, "non")))
    judged = dip_at_1000_from_few_iterations(base(), [partial])
    assert judged.outcome == "undecided"
    assert "Not every method has results of both studies" in judged.reason


PARTS = (
    "accuracy dips at 1,000 images",
    "longer training fills most of the dip",
    "100 images gain from longer training",
)


def test_each_part_of_the_dip_is_decided_for_itself() -> None:
    """100 images lose, and the dip is there and filled."""
    judged = dip_at_1000_from_few_iterations(base(), [longer(0.60, 0.20)])
    assert outcome_by_part(judged.measures) == dict(zip(PARTS, ("agrees", "agrees", "disagrees"), strict=True))
    too_little = dip_at_1000_from_few_iterations(base(), [longer(0.49, 0.30)])
    assert outcome_by_part(too_little.measures) == dict(zip(PARTS, ("agrees", "disagrees", "agrees"), strict=True))


def test_where_there_is_no_dip_it_cannot_be_said_to_be_filled() -> None:
    """A gain is more than half of a negative depth by itself."""
    bump = {**DIPPING, (1000, "non"): seeds_of(0.7, THERE), (1000, "label-mix"): seeds_of(0.8, THERE)}
    results = make_study_results(bump, methods=TWO, budgets=SHORT)
    judged = dip_at_1000_from_few_iterations(results, [longer(0.81, 0.30)])
    parts = outcome_by_part(judged.measures)
    assert PARTS[1] not in parts
    assert parts[PARTS[0]] == "disagrees"


def test_a_part_that_lacks_a_method_cannot_be_said_to_hold() -> None:
    partial = longer(0.60, 0.30)
    partial = StudyResults(partial.study, tuple(one for one in partial.runs if (one.size, one.method) != (100, "non")))
    parts = outcome_by_part(dip_at_1000_from_few_iterations(base(), [partial]).measures)
    assert PARTS[2] not in parts
    assert parts[PARTS[1]] == "agrees"


def test_without_a_dip_there_is_nothing_to_explain() -> None:
    flat = {**DIPPING, (1000, "non"): seeds_of(0.6, THERE), (1000, "label-mix"): seeds_of(0.7, THERE)}
    results = make_study_results(flat, methods=TWO, budgets=SHORT)
    assert dip_at_1000_from_few_iterations(results, [longer(0.65, 0.30)]).outcome == "disagrees"


@pytest.mark.parametrize(
    "other",
    [
        longer(0.60, 0.30, width=16),
        longer(0.60, 0.30, rule="balanced"),
        longer(0.60, 0.30, dataset="digits"),
        longer(0.60, 0.30, budgets={"default": {"epochs": 50}}),
    ],
)
def test_studies_that_differ_in_more_than_length_explain_nothing(other: StudyResults) -> None:
    judged = dip_at_1000_from_few_iterations(base(), [other])
    assert judged.outcome == "not tested"
    assert "named under compare_with" in judged.reason
    assert "2 of 2 methods lie below" in judged.found


def test_without_neighbours_no_dip_can_be_seen() -> None:
    judged = dip_at_1000_from_few_iterations(make_study_results({(500, "non"): (0.4,)}), [])
    assert judged.outcome == "not tested"


def small(gain: tuple[float, ...], rule: str, **choices: Any) -> StudyResults:
    """Six seeds at two sizes, by the draws' own levels plus a gain."""
    accuracies = {
        (size, method): tuple(level + 0.01 * seed + one for seed, one in enumerate(gain))
        for size, level in ((500, 0.45), (100, 0.27))
        for method in TWO
    }
    rows = [SubsetRow(500, 38, 66), SubsetRow(100, 4, 16)] if rule == "random" else [SubsetRow(100, 10, 10)]
    return make_study_results(
        accuracies, subset_rows=rows, **{"methods": TWO, "rule": rule, "redraw_per_seed": True, **choices}
    )


NO_GAIN = (0.0,) * 6
RANDOM = small(NO_GAIN, "random")


@pytest.mark.parametrize(
    ("gain", "outcome"),
    [
        ((0.030, 0.031, 0.032, 0.028, 0.03, 0.029), "agrees"),
        ((0.200, 0.001, 0.002, -0.01, 0.0, 0.01), "undecided"),
        ((-0.01, -0.02, -0.01, -0.012, -0.011, -0.015), "disagrees"),
    ],
)
def test_balanced_subsets_help_or_not(gain: tuple[float, ...], outcome: str) -> None:
    balanced = small(gain, "balanced")
    assert uneven_classes_matter(RANDOM, [balanced]).outcome == outcome
    assert uneven_classes_matter(balanced, [RANDOM]).outcome == outcome
    judged = uneven_classes_matter(RANDOM, [balanced])
    assert judged.about is RANDOM
    assert judged.found.startswith("classes of 4 to 16 at 100 images; balanced minus random: ")
    assert "Each of the 6 seeds has draws of its own" in judged.reason


@pytest.mark.parametrize(
    ("ours", "other"),
    [
        (small(NO_GAIN, "head", redraw_per_seed=False), small((0.1,) * 6, "balanced")),
        (RANDOM, small((0.1,) * 6, "balanced", redraw_per_seed=False)),
        (small(NO_GAIN, "random", redraw_per_seed=False), small((0.1,) * 6, "balanced")),
        (RANDOM, small((0.1,) * 6, "random")),
        (RANDOM, small((0.1,) * 6, "balanced", width=16)),
    ],
)
def test_one_head_or_one_draw_says_nothing_of_balance(ours: StudyResults, other: StudyResults) -> None:
    judged = uneven_classes_matter(ours, [other])
    assert judged.outcome == "not tested"
    assert "both with redraw_per_seed: true" in judged.reason
    assert "one draw says nothing of other draws" in judged.reason


def test_one_seed_of_draws_decides_nothing() -> None:
    judged = uneven_classes_matter(small((0.0,), "random"), [small((0.1,), "balanced")])
    assert judged.outcome == "undecided"
    assert "One seed: no interval" in judged.reason


def test_studies_without_a_common_seed_cannot_be_compared() -> None:
    other = small((0.1,) * 6, "balanced")
    shifted = StudyResults(other.study, tuple(replace(one, seed=one.seed + 10) for one in other.runs))
    assert uneven_classes_matter(RANDOM, [shifted]).outcome == "not tested"
