"""Show people on the standard error stream how far something long has come, and how fast it goes."""

from __future__ import annotations

import sys
import time
from typing import TextIO

TERMINAL_INTERVAL_SECONDS = 0.2
LOG_INTERVAL_SECONDS = 5.0


class Progress:
    """One line that is rewritten in a terminal, or a new line every few seconds elsewhere (a log, a job's output).

    `scale` and `unit` turn the count into what is shown: 1e6 and "MB" for bytes, 1 and "images" for images.
    """

    def __init__(self, what: str, total: int, unit: str, scale: float = 1.0, stream: TextIO | None = None) -> None:
        self._what, self._total, self._unit, self._scale = what, total, unit, scale
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._interval = TERMINAL_INTERVAL_SECONDS if self._terminal else LOG_INTERVAL_SECONDS
        self._started = self._shown = time.monotonic()
        self._start: int | None = None

    def show(self, done: int) -> None:
        """Show that `done` of the total are done, unless the last line is too young."""
        now = time.monotonic()
        if self._start is None:
            self._start = done
        if now - self._shown < self._interval:
            return
        self._shown = now
        rate = (done - self._start) / (now - self._started)
        remaining = f", {(self._total - done) / rate:,.0f} s left" if rate > 0 else ""
        digits = 0 if self._scale == 1 else 1
        line = (
            f"{self._what}: {done / self._scale:,.{digits}f} of {self._total / self._scale:,.{digits}f} {self._unit} "
            f"({100 * done / self._total:.0f} %), {rate / self._scale:,.{digits}f} {self._unit}/s{remaining}"
        )
        print(f"\r\033[K{line}" if self._terminal else line, end="" if self._terminal else "\n", file=self._stream)
        self._stream.flush()

    def close(self) -> None:
        """End the line that was rewritten."""
        if self._terminal:
            print(file=self._stream)
