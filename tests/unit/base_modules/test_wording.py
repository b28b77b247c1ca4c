"""Protects the wording of numbers and names: numbers as people write them, hidden characters spelt out."""

from __future__ import annotations

import math

import pytest
from smallmix.wording import (
    count_of,
    duration,
    joined,
    number,
    percent,
    percent_number,
    points,
    selection_name,
    unbroken,
    visible_text,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.033, "+3.3"), (-0.01, "\N{MINUS SIGN}1.0"), (0.0, "0.0"), (-0.0, "0.0"), (math.nan, "\N{EN DASH}")],
)
def test_differences_are_signed_points(value: float, expected: str) -> None:
    assert points(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-0.00016, "\N{MINUS SIGN}0.02"),
        (0.00049, "+0.05"),
        (-0.0000031, "\N{MINUS SIGN}0.0003"),
        (-0.0005, "\N{MINUS SIGN}0.1"),
        (3e-17, "0.0"),
        (-1e-12, "0.0"),
    ],
)
def test_a_bound_near_zero_keeps_its_sign(value: float, expected: str) -> None:
    """Which side of zero a bound lies on is what readers look for; a rounding error of equal numbers has no side."""
    assert points(value) == expected


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(0.4215, "42.2"), (0.4225, "42.3"), (0.42149, "42.1"), (0.00045, "0.0"), (1.0, "100.0"), (0.9995, "100.0")],
)
def test_a_half_is_rounded_up_as_by_hand(fraction: float, expected: str) -> None:
    """42.15 % is 42.2 %, though the float of 0.4215 lies a little below."""
    assert percent_number(fraction, 1) == expected
    assert percent(fraction) == f"{expected}\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(0.0215, "+2.2"), (-0.0215, "\N{MINUS SIGN}2.2"), (-0.0225, "\N{MINUS SIGN}2.3"), (0.0004, "+0.04")],
)
def test_a_half_of_a_difference_is_rounded_away_from_zero(fraction: float, expected: str) -> None:
    assert points(fraction) == expected


def test_computed_numbers_are_rounded_as_those_of_tables() -> None:
    """In floats 0.21 - 0.1365 lies below 0.0735, and the mean of these three below 0.8265."""
    assert points(0.21 - 0.1365) == "+7.4"
    assert percent_number((0.7906 + 0.8115 + 0.8774) / 3, 1) == "82.7"
    assert percent_number(1e30, 1) == f"{10**32}.0"
    assert points(1e-10) == "0.0"


def test_percent_number_and_counts() -> None:
    assert percent(0.5784) == "57.8\N{NO-BREAK SPACE}%"
    assert percent(math.nan) == "\N{EN DASH}"
    assert (percent_number(0.5784), percent_number(math.nan)) == ("57.84", "\N{EN DASH}")
    assert number(-0.5, 2) == "\N{MINUS SIGN}0.50"
    assert (count_of(1, "seed"), count_of(50_000, "class", "classes")) == ("1 seed", "50,000 classes")
    assert (joined([]), joined(["a"]), joined(["a", "b", "c"])) == ("", "a", "a, b and c")


@pytest.mark.parametrize("character", ["\u202e", "\u200f", "\u2067", "\x00", "\x1b", "\ufeff", "\u2028"])
def test_hidden_characters_are_spelt_out(character: str) -> None:
    shown = visible_text(f"cat{character}gpj.exe")
    assert character not in shown
    assert shown == f"cat[U+{ord(character):04X}]gpj.exe"


def test_letters_of_all_scripts_stay_and_long_text_is_cut() -> None:
    assert visible_text("猫 قطة 🐈") == "猫 قطة 🐈"
    assert visible_text("x" * 500, 100) == "x" * 99 + "…"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (720, "12 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (12_240, "3.4 h"),
        (172_799, "48.0 h"),
        (172_800, "2 days"),
        (86_400 * 1500, "1,500 days"),
        (float("nan"), "\N{EN DASH}"),
        (float("inf"), "\N{EN DASH}"),
    ],
)
def test_durations_are_given_in_one_unit(seconds: float, expected: str) -> None:
    assert duration(seconds, space=" ") == expected
    assert duration(seconds) == expected.replace(" ", "\N{NO-BREAK SPACE}")


def test_selections_have_names_for_people() -> None:
    assert selection_name("last_tenth") == "median of the last tenth"
    assert selection_name("every_other\u202e") == "every other[U+202E]"


def test_numbers_stay_with_their_units() -> None:
    hard = "\N{NO-BREAK SPACE}"
    assert unbroken("95 % interval, 3 seeds, 1,000 images") == f"95{hard}% interval, 3{hard}seeds, 1,000{hard}images"
    assert unbroken("1.2 GB in 5 min of 3 h") == f"1.2{hard}GB in 5{hard}min of 3{hard}h"
    assert (
        unbroken("8 x 8 digits, 2 moments, 3 seedlings, and 4 more")
        == "8 x 8 digits, 2 moments, 3 seedlings, and 4 more"
    )
