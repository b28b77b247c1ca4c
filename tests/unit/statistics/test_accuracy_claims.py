"""Protects the verdicts on accuracy claims: each rule can agree, disagree, stay undecided and test nothing."""

from __future__ import annotations

import pytest
from smallmix.statistics.accuracy_claims import mixup_helps_at_every_size, neither_mix_is_better_throughout

from tests.synthetic_configuration import METHODS
from tests.unit.statistics.made_up_evidence import make_evidence

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
    judged = mixup_helps_at_every_size(make_evidence(three(*rows)))
    assert judged.outcome == outcome
    assert judged.reason


def test_a_mean_ahead_within_the_scatter_is_not_ahead() -> None:
    """The kept reference's data-mix at 500: +0.35 points, -1.34 to +2.03, once counted as ahead."""
    accuracies = three((500, 0.4, 0.5, 0.5), (100, 0.2, 0.3, 0.3))
    accuracies[500, "data-mix"] = (0.415, 0.39, 0.406)
    judged = mixup_helps_at_every_size(make_evidence(accuracies))
    assert judged.outcome == "undecided"
    assert judged.found.startswith("mixup ahead in 4 of 4 comparisons, in 3 with the 95 % interval above zero; ")
    assert "(data-mix at 500)" in judged.found
    assert "95 % interval -" in judged.found


def test_the_size_that_contradicts_is_named() -> None:
    judged = mixup_helps_at_every_size(make_evidence(three((500, 0.4, 0.5, 0.3), (100, 0.2, 0.3, 0.3))))
    assert "Below zero: label-mix at 500." in judged.reason


def test_a_single_seed_decides_nothing_and_is_told_as_chance() -> None:
    for rule in (mixup_helps_at_every_size, neither_mix_is_better_throughout):
        judged = rule(make_evidence(single((500, 0.4, 0.5, 0.6), (100, 0.2, 0.3, 0.25))))
        assert judged.outcome == "undecided"
        assert "One seed: no difference has an interval" in judged.reason
    judged = mixup_helps_at_every_size(make_evidence(single((500, 0.4, 0.5, 0.5), (100, 0.2, 0.3, 0.31))))
    assert judged.found == "mixup ahead in 4 of 4 comparisons; least gain +9.80 points (label-mix at 500)"


def test_missing_sizes_leave_it_undecided_unless_one_contradicts() -> None:
    judged = mixup_helps_at_every_size(
        make_evidence(three((500, 0.4, 0.5, 0.5), (100, 0.2, 0.3, 0.3)), sizes=(1000, 500, 100))
    )
    assert judged.outcome == "undecided"
    assert "Only 4 of 6 comparisons have results" in judged.reason
    hurts = three((500, 0.4, 0.5, 0.5), (100, 0.2, 0.1, 0.3))
    assert mixup_helps_at_every_size(make_evidence(hurts, sizes=(1000, 500, 100))).outcome == "disagrees"


def test_methods_are_known_by_meaning() -> None:
    methods = {"label-mix": {"mix": "none", "beta": None}, "plain": {"mix": "images-and-labels", "beta": [1.0, 1.0]}}
    accuracies = {
        (500, "label-mix"): (0.4, 0.401, 0.399),
        (500, "plain"): (0.5, 0.51, 0.49),
        (100, "label-mix"): (0.2, 0.201, 0.2),
        (100, "plain"): (0.3, 0.31, 0.305),
    }
    assert mixup_helps_at_every_size(make_evidence(accuracies, methods=methods)).outcome == "agrees"


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
    judged = mixup_helps_at_every_size(make_evidence(accuracies, methods=methods))
    assert judged.outcome == "agrees"
    assert "(wide at" in judged.found


def test_without_a_method_nothing_is_tested() -> None:
    only = {name: METHODS[name] for name in ("data-mix", "label-mix")}
    judged = mixup_helps_at_every_size(make_evidence(methods=only))
    assert (judged.outcome, judged.reason) == (
        "not tested",
        "needs plain training (mix: none) and a method that mixes",
    )
    judged = neither_mix_is_better_throughout(make_evidence(methods={"non": METHODS["non"]}))
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
    assert neither_mix_is_better_throughout(make_evidence(three(*rows))).outcome == outcome


def test_changing_places_within_the_scatter_is_no_interaction() -> None:
    accuracies = three((500, 0.4, 0.5, 0.6), (100, 0.2, 0.3, 0.3))
    accuracies[100, "label-mix"] = (0.32, 0.28, 0.285)
    judged = neither_mix_is_better_throughout(make_evidence(accuracies))
    assert judged.outcome == "undecided"
    assert judged.found == ("label-mix ahead of data-mix at 500; behind at 100; the 95 % interval excludes zero at 500")
    assert "chance alone puts each ahead at some size" in judged.reason


def test_missing_sizes_leave_a_lead_throughout_undecided() -> None:
    accuracies = three((500, 0.4, 0.5, 0.6), (100, 0.2, 0.3, 0.4))
    judged = neither_mix_is_better_throughout(make_evidence(accuracies, sizes=(1000, 500, 100)))
    assert judged.outcome == "undecided"
    assert "Only 2 of 3 sizes have results" in judged.reason
