"""Protects the comparison with published gains: no gain at all never agrees, and other protocols are not compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from smallmix.statistics.evidence import Evidence
from smallmix.statistics.published_gains import decide_gain, judge_gains
from smallmix.statistics.published_numbers import JudgedNumber
from smallmix.study.published import Published, load_published

from tests.synthetic_configuration import ARTICLE_BUDGETS, METHODS
from tests.unit.statistics.made_up_evidence import Accuracies, make_evidence

ARTICLE = Path(__file__).resolve().parents[3] / "workflow" / "published" / "article.yaml"
NOISE = (0.001, -0.002, 0.0, 0.002, -0.001)


@pytest.fixture(scope="module")
def published() -> Published:
    return load_published(ARTICLE)


def judge(published: Published, evidence: Evidence) -> dict[str, JudgedNumber]:
    return {one.identifier: one for one in judge_gains(published, evidence)}


def make(accuracies: Accuracies, **choices: Any) -> Evidence:
    return make_evidence(accuracies, **{"budgets": ARTICLE_BUDGETS, **choices})


def five(level: float, noise: tuple[float, ...] = NOISE) -> tuple[float, ...]:
    return tuple(level + one for one in noise)


def test_all_sixteen_gains_have_a_row_and_a_reason(published: Published) -> None:
    rows = judge(published, make({(500, "non"): (0.4,)}))
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
    rows = judge(published, make(accuracies))
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
    rows = judge(published, make(accuracies))
    row = rows["gain-n500-data-mix"]
    assert (row.found, row.difference, row.tolerance, row.verdict) == ("+13.00", "-0.99", "4.24", "reproduced")
    assert "covers together with those of all 2 gains in 95 %" in row.reason
    assert "5 seeds instead of one" in row.reason
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
    row = judge(published, make({(500, "non"): (0.44,), (500, "data-mix"): (0.58,)}, **choices))["gain-n500-data-mix"]
    assert (row.verdict, row.found) == ("not tested", "+14.00")
    assert reason in row.reason
    assert row.reason.count("instead of") == 1


def test_a_missing_method_is_named(published: Published) -> None:
    two = {name: METHODS[name] for name in ("non", "label-mix")}
    rows = judge(published, make({(500, "non"): (0.4,)}, methods=two))
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
