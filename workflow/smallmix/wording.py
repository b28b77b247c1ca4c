"""Numbers and names as people read them: percent, points, counts, durations, and text that comes from outside.

Escaping for HTML and SVG is done by the writers (jinja2, matplotlib). `visible_text` deals with the characters that
escaping lets through: control characters, which no XML file may hold, and marks that reorder the text around them.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

MINUS = "\N{MINUS SIGN}"
NO_NUMBER = "\N{EN DASH}"
DAY = 86_400  # seconds
_ROOMY = Context(prec=400)  # digits: any float has room
LEAST_DIFFERENCE = 1e-9  # a fraction; tables keep nine digits
_SELECTIONS = {
    "best": "best of the run",
    "last": "end of the run",
    "last_tenth": "median of the last tenth",
    "validation": "moment of best validation",
}
_BEFORE_UNIT = re.compile(
    r"(?<=\d) (?=(?:%|(?:points?|images?|seeds?|pixels?|classes|methods|runs?|cells?|iterations?|steps?|epochs?|nats"
    r"|[kMG]B|min|[sh]|days?)\b))"
)
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset({"\u200d", "\u200c"})  # several scripts and emoji cannot be written without them


def percent(fraction: float, decimals: int = 1) -> str:
    """Return 0.5784 as 57.8 %, with a no-break space; an en dash where there is no number."""
    return NO_NUMBER if not math.isfinite(fraction) else f"{percent_number(fraction, decimals)}\N{NO-BREAK SPACE}%"


def percent_number(fraction: float, decimals: int = 2) -> str:
    """Return 0.5784 as 57.84, for columns whose head says that they hold percent."""
    return NO_NUMBER if not math.isfinite(fraction) else f"{_hundredfold(fraction, decimals):f}"


def points(fraction: float, decimals: int = 1) -> str:
    """Return a difference of two fractions in percentage points, signed, with a true minus sign: 0.033 as +3.3.

    Add decimals where rounding would hide the sign, as of the bound of an interval: -0.00016 is -0.02. Return 0.0 for
    the rounding error of equal numbers.
    """
    if not math.isfinite(fraction):
        return NO_NUMBER
    if abs(fraction) < LEAST_DIFFERENCE:
        return f"{0:.{decimals}f}"
    rounded = _hundredfold(fraction, decimals)
    while not rounded:
        decimals += 1
        rounded = _hundredfold(fraction, decimals)
    return f"{rounded:+f}".replace("-", MINUS)


def _hundredfold(fraction: float, decimals: int) -> Decimal:
    """Return a fraction in percent, rounded as people do by hand: 0.4215 is 42.2, though its float lies below.

    Nine digits count, as tables have them: a computed 0.0735 may differ from the written one in the sixteenth.
    """
    as_in_tables = Decimal(f"{float(fraction):.9g}")
    return (100 * as_in_tables).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP, _ROOMY)


def number(value: float, decimals: int = 3) -> str:
    """Return a number with fixed decimals and a true minus sign."""
    return NO_NUMBER if not math.isfinite(value) else f"{value:.{decimals}f}".replace("-", MINUS)


def count_of(amount: int, singular: str, plural: str | None = None) -> str:
    """Return 1 seed, 3 seeds, 50,000 images."""
    return f"{amount:,} {singular if amount == 1 else plural or singular + 's'}"


_SMALL_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def spelt_out(amount: int) -> str:
    """Return three for 3, up to ten; figures beyond."""
    return _SMALL_NUMBERS[amount] if amount < len(_SMALL_NUMBERS) else f"{amount:,}"


def joined(parts: Sequence[str]) -> str:
    """Return a, b and c."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def duration(seconds: float, space: str = "\N{NO-BREAK SPACE}") -> str:
    """Return 45 s, 12 min, 3.4 h or 5 days. For terminals, which may know ASCII only, give a plain `space`."""
    if not math.isfinite(seconds):
        return NO_NUMBER
    if seconds < 90:
        return f"{seconds:.0f}{space}s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f}{space}min"
    if seconds < 2 * DAY:
        return f"{seconds / 3600:,.1f}{space}h"
    return f"{seconds / DAY:,.0f}{space}days"


def unbroken(text: str) -> str:
    """Return the text with no-break spaces between numbers and their units, so that no line ends between them."""
    return _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", text)


def selection_name(selection: str) -> str:
    """Return what people call the rule that selects a run's accuracy: `best` is the best of the run."""
    return _SELECTIONS.get(selection, visible_text(selection.replace("_", " "), 40))


def visible_text(text: object, limit: int = 120) -> str:
    """Return the text, at most `limit` characters long, with every control and direction mark spelt out as U+XXXX."""
    spelt = "".join(_visible(character) for character in str(text))
    return spelt if len(spelt) <= limit else spelt[: limit - 1] + "…"


def _visible(character: str) -> str:
    if character in "\t\n\r":
        return " "
    if unicodedata.category(character) in _HIDDEN_CATEGORIES and character not in _JOINERS:
        return f"[U+{ord(character):04X}]"
    return character
