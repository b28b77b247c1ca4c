"""Protects the verdicts that take two studies: they compare only what differs in nothing but the claim's cause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from smallmix.statistics.evidence import Evidence
from smallmix.statistics.study_claims import dip_at_1000_from_few_iterations, uneven_classes_matter
from smallmix.tables.subset_table import SubsetRow

from tests.synthetic_configuration import METHODS
from tests.unit.statistics.made_up_evidence import Accuracies, make_evidence

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


def longer(at_1000: float, at_100: float | None, **choices: Any) -> Evidence:
    accuracies: dict[tuple[int, str], tuple[float, ...]] = {}
    for size, level in ((1000, at_1000), (100, at_100)):
        if level is not None:
            accuracies[size, "non"] = seeds_of(level, THERE)
            accuracies[size, "label-mix"] = seeds_of(level + 0.06, THERE)
    return make_evidence(accuracies, **{"methods": TWO, "budgets": LONG, "name": "longer", **choices})


def base(**choices: Any) -> Evidence:
    # The depth of the dip must scatter as well: its sizes have noise of their own.
    accuracies = {**DIPPING, (1000, "non"): seeds_of(0.48, THERE), (1000, "label-mix"): seeds_of(0.54, THERE[::-1])}
    return make_evidence(accuracies, **{"methods": TWO, "budgets": SHORT, **choices})


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
    one_seed = make_evidence({place: values[:1] for place, values in DIPPING.items()}, methods=TWO, budgets=SHORT)
    judged = dip_at_1000_from_few_iterations(one_seed, [longer(0.60, 0.30)])
    assert judged.outcome == "undecided"
    assert "One seed: no interval" in judged.reason
    assert "trained longer they gain +11.80 (non), +11.80 (label-mix) points" in judged.found


def test_a_method_without_longer_training_leaves_it_undecided() -> None:
    partial = longer(0.60, 0.30)
    partial = Evidence(partial.study, tuple(one for one in partial.results if (one.size, one.method) != (100, "non")))
    judged = dip_at_1000_from_few_iterations(base(), [partial])
    assert judged.outcome == "undecided"
    assert "Not every method has results of both studies" in judged.reason


def test_without_a_dip_there_is_nothing_to_explain() -> None:
    flat = {**DIPPING, (1000, "non"): seeds_of(0.6, THERE), (1000, "label-mix"): seeds_of(0.7, THERE)}
    evidence = make_evidence(flat, methods=TWO, budgets=SHORT)
    assert dip_at_1000_from_few_iterations(evidence, [longer(0.65, 0.30)]).outcome == "disagrees"


@pytest.mark.parametrize(
    "other",
    [
        longer(0.60, 0.30, width=16),
        longer(0.60, 0.30, rule="balanced"),
        longer(0.60, 0.30, dataset="digits"),
        longer(0.60, 0.30, budgets={"default": {"epochs": 50}}),
    ],
)
def test_studies_that_differ_in_more_than_length_explain_nothing(other: Evidence) -> None:
    judged = dip_at_1000_from_few_iterations(base(), [other])
    assert judged.outcome == "not tested"
    assert "named under compare_with" in judged.reason
    assert "2 of 2 methods lie below" in judged.found


def test_without_neighbours_no_dip_can_be_seen() -> None:
    judged = dip_at_1000_from_few_iterations(make_evidence({(500, "non"): (0.4,)}), [])
    assert judged.outcome == "not tested"


def small(gain: tuple[float, ...], rule: str, **choices: Any) -> Evidence:
    """Six seeds at two sizes, by the draws' own levels plus a gain."""
    accuracies = {
        (size, method): tuple(level + 0.01 * seed + one for seed, one in enumerate(gain))
        for size, level in ((500, 0.45), (100, 0.27))
        for method in TWO
    }
    rows = [SubsetRow(500, 38, 66), SubsetRow(100, 4, 16)] if rule == "random" else [SubsetRow(100, 10, 10)]
    return make_evidence(
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
def test_one_head_or_one_draw_says_nothing_of_balance(ours: Evidence, other: Evidence) -> None:
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
    shifted = Evidence(other.study, tuple(replace(one, seed=one.seed + 10) for one in other.results))
    assert uneven_classes_matter(RANDOM, [shifted]).outcome == "not tested"
