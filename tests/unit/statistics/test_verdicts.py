"""Protects the two ways to decide signs, and that chance among many quantities is allowed for."""

from __future__ import annotations

import pytest
from smallmix.statistics.verdicts import Measure, Outcome, all_above, both_signs, outcome_by_part, simultaneous

UP, SLIGHT, NONE, DOWN = (3.0, 3.1, 2.9), (1.0, 1.3, 0.7), (1.0, -1.0, 0.1), (-3.0, -3.1, -2.9)
# Below zero by its own interval, but not among sixteen.
BARELY_DOWN = (-1.0, -1.3, -0.8)


def measures(*values: tuple[float, ...]) -> list[Measure]:
    return [Measure(str(place), list(one)) for place, one in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "count", "sign"),
    [
        (UP, 1, 1),
        (UP, 16, 1),
        (DOWN, 16, -1),
        (BARELY_DOWN, 1, -1),
        (BARELY_DOWN, 16, 0),
        (NONE, 1, 0),
        ((5.0,), 1, 0),
        ((0.5, 0.5), 1, 0),  # two evaluations on a grid, equal by chance
    ],
)
def test_a_sign_needs_an_interval(values: tuple[float, ...], count: int, sign: int) -> None:
    assert Measure("one", values).sign(count) == sign


def test_many_intervals_are_wider_each() -> None:
    assert simultaneous(1) == pytest.approx(0.95)
    assert simultaneous(10) == pytest.approx(0.995)


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ((UP, SLIGHT), "agrees"),
        ((UP, NONE), "undecided"),
        ((UP, DOWN), "disagrees"),
        ((UP, *[NONE] * 14, BARELY_DOWN), "undecided"),
        ((BARELY_DOWN,), "disagrees"),
        (((5.0,), (6.0,)), "undecided"),
        ((), "undecided"),
    ],
)
def test_all_above(values: tuple[tuple[float, ...], ...], outcome: Outcome) -> None:
    assert all_above(measures(*values)) == outcome


def test_what_lacks_cannot_agree_but_disagree() -> None:
    assert all_above(measures(UP, UP), complete=False) == "undecided"
    assert all_above(measures(UP, DOWN), complete=False) == "disagrees"
    assert both_signs(measures(UP, UP), complete=False) == "undecided"
    assert both_signs(measures(UP, DOWN), complete=False) == "agrees"


@pytest.mark.parametrize(
    ("check", "down_check", "outcome"),
    [
        ((1.0, 1.1, 1.2), (-1.0, -1.1, -1.2), "disagrees"),
        ((1.0, 1.1, 1.2), (1.0, 1.1, 1.2), "undecided"),
        ((1.0, 1.1, 1.2), (1.0, 1.0, 1.0), "undecided"),  # 100 % in every run is clear without scatter
        ((1.0, 1.1, 1.2), (), "disagrees"),
    ],
)
def test_a_check_with_the_other_sign_decides_nothing(
    check: tuple[float, ...], down_check: tuple[float, ...], outcome: Outcome
) -> None:
    assert all_above([Measure("a", UP, check), Measure("b", DOWN, down_check)]) == outcome


def test_a_check_can_keep_a_claim_from_agreeing() -> None:
    assert all_above([Measure("a", UP, (0.01, 0.0, -0.01))]) == "agrees"
    assert all_above([Measure("a", UP, (-0.01, -0.011, -0.012))]) == "undecided"


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ((UP, DOWN), "agrees"),
        ((UP, NONE, DOWN), "agrees"),
        ((UP, *[NONE] * 14, BARELY_DOWN), "undecided"),
        ((UP, SLIGHT), "disagrees"),
        ((DOWN, DOWN), "disagrees"),
        ((UP, NONE), "undecided"),
        ((NONE, NONE), "undecided"),
        (((5.0,), (-6.0,)), "undecided"),
    ],
)
def test_both_signs(values: tuple[tuple[float, ...], ...], outcome: Outcome) -> None:
    assert both_signs(measures(*values)) == outcome


def test_each_part_of_a_claim_is_decided_by_its_own_quantities() -> None:
    found = outcome_by_part([Measure("a", UP, part="first"), Measure("b", DOWN, part="second"), Measure("c", NONE)])
    assert found == {"first": "agrees", "second": "disagrees", "": "undecided"}


def test_a_part_fails_by_intervals_that_cover_together_with_those_of_all_parts() -> None:
    """Below zero by its own interval, but not among sixteen."""
    many = [Measure(str(place), UP, part="first") for place in range(15)]
    assert outcome_by_part([Measure("one", BARELY_DOWN, part="second")]) == {"second": "disagrees"}
    assert outcome_by_part([*many, Measure("one", BARELY_DOWN, part="second")])["second"] == "undecided"


def test_a_part_that_its_check_contradicts_is_undecided() -> None:
    assert outcome_by_part([Measure("one", DOWN, UP, "first")]) == {"first": "undecided"}
