"""Protects the verdicts that take two studies: they compare only what differs in nothing but the claim's cause."""

from __future__ import annotations

from typing import Any

import pytest
from smallmix.collection.subset_table import SubsetRow
from smallmix.statistics.evidence import Evidence
from smallmix.statistics.study_claims import dip_at_1000_from_few_iterations, uneven_classes_matter

from tests.synthetic_configuration import METHODS
from tests.unit.statistics.made_up_evidence import Accuracies, make_evidence

TWO = {name: METHODS[name] for name in ("non", "label-mix")}
SHORT = {"default": {"epochs": 100}}
LONG = {"default": {"iterations": 117000}}
# Half-way between 500 and 5,000 on a logarithmic axis there would be 0.575 (non) and 0.660 (label-mix) or less.
DIPPING: Accuracies = {
    (5000, "non"): (0.80, 0.81),
    (5000, "label-mix"): (0.83, 0.84),
    (1000, "non"): (0.48, 0.49),
    (1000, "label-mix"): (0.54, 0.55),
    (500, "non"): (0.45, 0.46),
    (500, "label-mix"): (0.58, 0.59),
    (100, "non"): (0.27, 0.28),
    (100, "label-mix"): (0.32, 0.33),
}


def longer(at_1000: float, at_100: float | None, **choices: Any) -> Evidence:
    accuracies: dict[tuple[int, str], tuple[float, float]] = {}
    for size, level in ((1000, at_1000), (100, at_100)):
        if level is not None:
            accuracies[size, "non"] = (level, level + 0.01)
            accuracies[size, "label-mix"] = (level + 0.06, level + 0.07)
    return make_evidence(accuracies, **{"methods": TWO, "budgets": LONG, "name": "longer", **choices})


def base(**choices: Any) -> Evidence:
    return make_evidence(DIPPING, **{"methods": TWO, "budgets": SHORT, **choices})


@pytest.mark.parametrize(
    ("at_1000", "at_100", "verdict"),
    [
        (0.60, 0.30, "reproduced"),
        (0.60, 0.20, "partly"),
        (0.60, None, "partly"),
        (0.49, 0.30, "partly"),
        (0.40, 0.30, "not reproduced"),
    ],
)
def test_longer_training_explains_the_dip_or_not(at_1000: float, at_100: float | None, verdict: str) -> None:
    judged = dip_at_1000_from_few_iterations(base(), [longer(at_1000, at_100)])
    assert judged.verdict == verdict
    assert "2 of 2 methods lie below the line" in judged.found
    assert ("100 images were not trained longer" in judged.reason) == (at_100 is None)


def test_the_longer_study_finds_the_shorter_one() -> None:
    assert dip_at_1000_from_few_iterations(longer(0.60, 0.30), [base()]).verdict == "reproduced"


def test_without_a_dip_there_is_nothing_to_explain() -> None:
    flat = {**DIPPING, (1000, "non"): (0.6, 0.6), (1000, "label-mix"): (0.7, 0.7)}
    evidence = make_evidence(flat, methods=TWO, budgets=SHORT)
    assert dip_at_1000_from_few_iterations(evidence, [longer(0.65, 0.30)]).verdict == "not reproduced"


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
    assert judged.verdict == "not tested"
    assert "named under compare_with" in judged.reason
    assert "2 of 2 methods lie below" in judged.found


def test_without_neighbours_no_dip_can_be_seen() -> None:
    judged = dip_at_1000_from_few_iterations(make_evidence({(500, "non"): (0.4,)}), [])
    assert judged.verdict == "not tested"


def small(gain: tuple[float, float, float], rule: str, **choices: Any) -> Evidence:
    accuracies = {
        (size, method): tuple(level + 0.01 * seed + gain[seed] for seed in range(3))
        for size, level in ((500, 0.45), (100, 0.27))
        for method in TWO
    }
    rows = [SubsetRow(500, 40, 65), SubsetRow(100, 4, 16)] if rule == "head" else [SubsetRow(100, 10, 10)]
    return make_evidence(accuracies, subset_rows=rows, methods=TWO, rule=rule, **choices)


HEAD = small((0.0, 0.0, 0.0), "head")


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        ((0.030, 0.031, 0.032), "reproduced"),
        ((0.200, 0.001, 0.002), "partly"),
        ((-0.01, -0.02, -0.01), "not reproduced"),
    ],
)
def test_balanced_subsets_help_or_not(gain: tuple[float, float, float], verdict: str) -> None:
    balanced = small(gain, "balanced")
    assert uneven_classes_matter(HEAD, [balanced]).verdict == verdict
    assert uneven_classes_matter(balanced, [HEAD]).verdict == verdict
    assert "classes of 4 to 16 at 100 images" in uneven_classes_matter(HEAD, [balanced]).found


@pytest.mark.parametrize("other", [small((0.1, 0.1, 0.1), "head"), small((0.1, 0.1, 0.1), "balanced", width=16)])
def test_only_the_rule_of_the_subsets_may_differ(other: Evidence) -> None:
    judged = uneven_classes_matter(HEAD, [other])
    assert judged.verdict == "not tested"
    assert "balanced.yaml" in judged.reason
    assert judged.found == "classes of 4 to 16 at 100 images"
