"""Protects the verdicts on accuracy claims: each rule can say reproduced, partly, not reproduced and not tested."""

from __future__ import annotations

import pytest
from smallmix.statistics.accuracy_claims import mixup_helps_at_every_size, neither_mix_is_better_throughout

from tests.synthetic_configuration import METHODS
from tests.unit.statistics.made_up_evidence import make_evidence


def three(*rows: tuple[int, float, float, float]) -> dict[tuple[int, str], tuple[float]]:
    """One seed's accuracies of plain training, data-mix and label-mix by size."""
    return {
        (size, name): (value,)
        for size, *values in rows
        for name, value in zip(("non", "data-mix", "label-mix"), values, strict=True)
    }


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([(500, 0.4, 0.5, 0.5), (100, 0.2, 0.3, 0.3)], "reproduced"),
        ([(500, 0.4, 0.5, 0.39), (100, 0.2, 0.1, 0.3)], "partly"),
        ([(500, 0.4, 0.5, 0.5), (100, 0.2, 0.3, 0.19)], "partly"),
        ([(500, 0.4, 0.5, 0.5), (100, 0.2, 0.1, 0.1)], "not reproduced"),
        ([(500, 0.4, 0.3, 0.3), (100, 0.2, 0.1, 0.1)], "not reproduced"),
        ([(500, 0.4, 0.5, 0.5)], "not tested"),
    ],
)
def test_mixup_helps_at_every_size(rows: list[tuple[int, float, float, float]], verdict: str) -> None:
    judged = mixup_helps_at_every_size(make_evidence(three(*rows)))
    assert judged.verdict == verdict
    assert judged.reason


def test_a_single_seed_is_told_as_chance() -> None:
    judged = mixup_helps_at_every_size(make_evidence(three((500, 0.4, 0.5, 0.5), (100, 0.2, 0.3, 0.31))))
    assert "one seed: no difference has an interval" in judged.reason
    assert judged.found == "mixup ahead in 4 of 4 comparisons; least gain +10.00 points (data-mix at 500)"


def test_missing_sizes_allow_no_more_than_partly() -> None:
    accuracies = three((500, 0.4, 0.5, 0.5), (100, 0.2, 0.3, 0.3))
    judged = mixup_helps_at_every_size(make_evidence(accuracies, sizes=(1000, 500, 100)))
    assert judged.verdict == "partly"
    assert "only 4 of 6 comparisons have results" in judged.reason


def test_methods_are_known_by_meaning() -> None:
    methods = {"label-mix": {"mix": "none", "beta": None}, "plain": {"mix": "images-and-labels", "beta": [1.0, 1.0]}}
    accuracies = {
        (500, "label-mix"): (0.4,),
        (500, "plain"): (0.5,),
        (100, "label-mix"): (0.2,),
        (100, "plain"): (0.3,),
    }
    assert mixup_helps_at_every_size(make_evidence(accuracies, methods=methods)).verdict == "reproduced"


def test_without_a_method_nothing_is_tested() -> None:
    only = {name: METHODS[name] for name in ("data-mix", "label-mix")}
    judged = mixup_helps_at_every_size(make_evidence(methods=only))
    assert (judged.verdict, judged.reason) == (
        "not tested",
        "needs plain training (mix: none) and a method that mixes",
    )
    judged = neither_mix_is_better_throughout(make_evidence(methods={"non": METHODS["non"]}))
    assert judged.verdict == "not tested"
    assert "both ways of mixing" in judged.reason


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([(500, 0.4, 0.5, 0.6), (100, 0.2, 0.3, 0.2)], "reproduced"),
        ([(500, 0.4, 0.5, 0.6), (100, 0.2, 0.3, 0.4)], "not reproduced"),
        ([(500, 0.4, 0.6, 0.5), (100, 0.2, 0.4, 0.3)], "not reproduced"),
        ([(500, 0.4, 0.6, 0.5)], "not tested"),
    ],
)
def test_neither_mix_is_better_throughout(rows: list[tuple[int, float, float, float]], verdict: str) -> None:
    assert neither_mix_is_better_throughout(make_evidence(three(*rows))).verdict == verdict


def test_a_lead_within_the_scatter_of_seeds_is_not_better_throughout_for_certain() -> None:
    accuracies = {
        (500, "non"): (0.1, 0.1, 0.1),
        (100, "non"): (0.1, 0.1, 0.1),
        (500, "data-mix"): (0.50, 0.50, 0.50),
        (500, "label-mix"): (0.56, 0.45, 0.51),
        (100, "data-mix"): (0.30, 0.30, 0.30),
        (100, "label-mix"): (0.33, 0.28, 0.31),
    }
    assert neither_mix_is_better_throughout(make_evidence(accuracies)).verdict == "partly"
    clear = {**accuracies, (500, "label-mix"): (0.56, 0.57, 0.58), (100, "label-mix"): (0.33, 0.34, 0.35)}
    assert neither_mix_is_better_throughout(make_evidence(clear)).verdict == "not reproduced"
