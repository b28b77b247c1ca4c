"""What stands beside a picture: its title, its description in words, its caption, and its data as a table."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

MINUS = "\N{MINUS SIGN}"
NO_NUMBER = "\N{EN DASH}"
LEAST_DIFFERENCE = 1e-9  # a fraction; tables keep nine digits


@dataclass(frozen=True)
class FigureTable:
    """The numbers of a figure as rows of text; `columns` names them."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class FigureText:
    """The words of a figure. `description` is read aloud instead of the picture, so it names the numbers."""

    title: str
    description: str
    caption: str
    table: FigureTable

    def to_json(self) -> str:
        """The words as JSON, one file beside the picture."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> FigureText:
        """The words of a `to_json` text. Raises KeyError, TypeError or ValueError where it is not one."""
        value: dict[str, Any] = json.loads(text)
        table = value["table"]
        return cls(
            title=value["title"],
            description=value["description"],
            caption=value["caption"],
            table=FigureTable(tuple(table["columns"]), tuple(tuple(row) for row in table["rows"])),
        )


def percent(fraction: float, decimals: int = 1) -> str:
    """0.5784 as 57.8 %, with a no-break space; an en dash where there is no number."""
    return NO_NUMBER if not math.isfinite(fraction) else f"{100 * fraction:.{decimals}f}\N{NO-BREAK SPACE}%"


def points(fraction: float, decimals: int = 1) -> str:
    """A difference of two fractions in percentage points, signed and with a true minus sign: 0.033 as +3.3.

    Where rounding would hide the sign, as of the bound of an interval, there are more decimals: -0.00016 is -0.02. What
    arithmetic alone makes of equal numbers is 0.
    """
    if not math.isfinite(fraction):
        return NO_NUMBER
    if abs(fraction) < LEAST_DIFFERENCE:
        return f"{0:.{decimals}f}"
    rounded = f"{100 * fraction:+.{decimals}f}"
    while float(rounded) == 0:
        decimals += 1
        rounded = f"{100 * fraction:+.{decimals}f}"
    return rounded.replace("-", MINUS)


def number(value: float, decimals: int = 3) -> str:
    """A number with fixed decimals and a true minus sign."""
    return NO_NUMBER if not math.isfinite(value) else f"{value:.{decimals}f}".replace("-", MINUS)


def count_of(amount: int, singular: str, plural: str | None = None) -> str:
    """1 seed, 3 seeds, 50,000 images."""
    return f"{amount:,} {singular if amount == 1 else plural or singular + 's'}"


def joined(parts: Sequence[str]) -> str:
    """a, b and c."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
