"""Protects the words of figures: numbers as people write them, hidden characters spelt out, JSON round trip."""

from __future__ import annotations

import math

import pytest
from smallmix.figures.figure_text import FigureTable, FigureText, count_of, joined, number, percent, points
from smallmix.figures.foreign_text import visible_text
from smallmix.figures.seed_intervals import interval_sentence, t_interval


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


def test_percent_number_and_counts() -> None:
    assert percent(0.5784) == "57.8\N{NO-BREAK SPACE}%"
    assert percent(math.nan) == "\N{EN DASH}"
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


def test_words_survive_their_file() -> None:
    text = FigureText("A", "B <b>", "C", FigureTable(("x", "y"), (("1", "2"), ("3", "4"))))
    assert FigureText.from_json(text.to_json()) == text


def test_one_seed_has_no_interval() -> None:
    assert all(math.isnan(bound) for bound in t_interval([0.5]))
    assert "no interval" in interval_sentence([1, 1])
    assert interval_sentence([]) == ""
    assert "single seed have no bar" in interval_sentence([1, 3])


def test_t_interval_of_three_seeds() -> None:
    low, high = t_interval([0.50, 0.52, 0.54])
    # 4.302653 standard errors of 0.02 / sqrt(3) to each side.
    assert low == pytest.approx(0.52 - 4.302653 * 0.02 / 3**0.5)
    assert high == pytest.approx(0.52 + 4.302653 * 0.02 / 3**0.5)
