"""Numbers as people read them."""

from __future__ import annotations

import math

NO_NUMBER = "\N{EN DASH}"
DAY = 86_400


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
