"""Runs a command on a terminal of its own, where a key such as Ctrl-C reaches it and all its jobs."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

CTRL_C = b"\x03"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]")


class PseudoTerminal:
    """A process with a terminal. `text` is what it has printed, without the codes that move the cursor."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.chdir(folder)
            os.execve(command[0], list(command), dict(environment))
        self.raw = b""

    @property
    def text(self) -> str:
        """Return what was printed so far, in plain lines."""
        return ESCAPES.sub("", self.raw.decode("utf-8", errors="replace")).replace("\r\n", "\n")

    def read_until(self, found: Callable[[str], bool], seconds: float = 180) -> None:
        """Read until the text holds what is waited for, or the process ends."""
        end = time.monotonic() + seconds
        while not found(self.text):
            assert time.monotonic() < end, self.text
            if not self._read(0.2):
                return

    def type(self, keys: bytes) -> None:
        """Send keys."""
        os.write(self._terminal, keys)

    def wait(self, seconds: float = 180) -> int:
        """Read to the end; return the exit code, negative for a signal."""
        end = time.monotonic() + seconds
        while self._read(0.5):
            assert time.monotonic() < end, self.text
        _, status = os.waitpid(self._process, 0)
        with contextlib.suppress(OSError):
            os.close(self._terminal)
        return os.waitstatus_to_exitcode(status)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        if not ready:
            return True
        try:
            content = os.read(self._terminal, 65536)
        except OSError:  # the last process has closed it
            return False
        self.raw += content
        return bool(content)
