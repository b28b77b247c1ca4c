"""Signals: the first asks the training to stop at the next step, the second ends the process at once."""

from __future__ import annotations

import os
import signal
from types import FrameType

WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class StopRequest:
    """Whether a signal has asked this process to stop. The handler only sets a flag; the training loop reads it."""

    def __init__(self) -> None:
        self.signal_name: str | None = None

    def __bool__(self) -> bool:
        return self.signal_name is not None

    def listen(self) -> StopRequest:
        """Install the handlers: SIGTERM and SIGINT (people, schedulers) and SIGUSR1 (a scheduler's early warning)."""
        for number in WATCHED:
            signal.signal(number, self._receive)
        return self

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal_name is not None:
            os._exit(128 + number)
        self.signal_name = signal.Signals(number).name
