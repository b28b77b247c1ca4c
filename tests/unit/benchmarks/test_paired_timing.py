"""Ratios are paired by round, contenders take turns, and the pages show what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.comparison import AGAIN, Comparison, compare
from benchmarks.pages import write_pages


@pytest.fixture
def comparison() -> Comparison:
    """Compare ours with one other, on a machine that grew slower from round to round."""
    seconds = {"ours": (1.0, 2.0, 4.0), "other": (3.0, 4.0, 12.0), "ours" + AGAIN: (1.0, 2.0, 8.0)}
    return Comparison("a loop", "step", 2, "ours", seconds)


def test_ratios_are_paired_by_round(comparison: Comparison) -> None:
    assert comparison.ratios("other") == [2.0, 3.0, 3.0]
    assert comparison.ratio("other") == 3.0
    assert comparison.ratio("ours" + AGAIN) == 1.0
    assert comparison.median("other") == 2.0, "seconds a unit"
    assert comparison.others == ["other"]


def test_contenders_take_turns_and_each_begins_a_round() -> None:
    calls: list[str] = []
    blocks = {"ours": lambda: calls.append("ours"), "other": lambda: calls.append("other")}
    measured = compare("x", "run", 1, blocks, rounds=3)
    assert calls[:2] == ["ours", "other"], "warmed up, once each"
    assert calls[2:5] == ["ours", "other", "ours"]
    assert calls[5:8] == ["other", "ours", "ours"]
    assert calls[8:] == ["ours", "ours", "other"]
    assert {len(taken) for taken in measured.seconds.values()} == {3}


def test_the_pages_hold_every_ratio_and_what_was_not_measured(comparison: Comparison, tmp_path: Path) -> None:
    write_pages(tmp_path, {"torch": "9.9"}, [comparison], {"A job": {"seconds": 4.5}}, ["a GPU, there is none"])
    page = (tmp_path / "bench.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if "a loop" in line)
    assert [cell.strip() for cell in row.split("|")[5:10]] == ["2 s", "3.00", "2.00 to 3.00", "1.00", "3"]
    assert "| seconds | 4.5 |" in page
    assert "Not measured: a GPU, there is none." in page
    data = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert data["comparisons"][0]["times_as_long_as_ours"] == {"other": 3.0, "ours (again)": 1.0}
