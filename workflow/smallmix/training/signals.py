"""Signals: the first asks the training to stop at the next step, the second ends the process at once."""

from __future__ import annotations

import os
import signal
from types import FrameType

from smallmix.errors import Interrupted

# People and schedulers (SIGTERM), Ctrl-C (SIGINT), a closed terminal (SIGHUP), a scheduler's early warning (SIGUSR1).
WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
LEFT_ALONE_WHERE_IGNORED = (signal.SIGINT, signal.SIGHUP)  # nohup and background jobs mean it


class StopRequest:
    """Whether a signal has asked this process to stop. The handler only sets a flag; the training reads it."""

    def __init__(self) -> None:
        self.signal_name: str | None = None

    def __bool__(self) -> bool:
        return self.signal_name is not None

    def listen(self) -> StopRequest:
        """Install the handlers."""
        for number in WATCHED:
            if number not in LEFT_ALONE_WHERE_IGNORED or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._receive)
        return self

    def check(self, doing: str) -> None:
        """Raise Interrupted where a signal came before the first step: there is nothing new to save then."""
        if self:
            raise Interrupted(
                f"{self.signal_name} received while {doing}: stopped before the first step; nothing is lost. "
                "Run the same command again."
            )

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal_name is not None:
            os._exit(128 + number)
        self.signal_name = signal.Signals(number).name
