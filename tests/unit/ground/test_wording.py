"""Numbers as people read them, against values worked out by hand."""

from __future__ import annotations

import pytest
from smallmix.wording import duration


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
