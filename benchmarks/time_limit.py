"""A time by which a measurement must be over, whatever hangs."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class TimeLimit:
    """The moment at which time is up, in seconds of the monotonic clock."""

    end: float = math.inf

    @classmethod
    def after(cls, seconds: float) -> TimeLimit:
        """Return the limit that is `seconds` from now."""
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Return the seconds that are left, 0 where time is up."""
        return max(0.0, self.end - time.monotonic())

    def within(self, seconds: float) -> TimeLimit:
        """Return the limit that is `seconds` from now, or this one where it comes first."""
        return min(self, TimeLimit.after(seconds), key=lambda limit: limit.end)
