"""Find the line of a user's file that draws random numbers, by running the code again and watching the generators."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
import torch

GENERATORS: Mapping[str, Callable[[], bytes]] = {
    "torch": lambda: torch.get_rng_state().numpy().tobytes(),
    "numpy.random": lambda: repr(np.random.get_state()).encode(),  # the position in it changes with every number
    "random": lambda: repr(random.getstate()).encode(),
}


@dataclass(frozen=True)
class DrawingLine:
    """A line of a file after which a generator was no longer where it had been, and the function around the line."""

    source: str
    file: str
    line: int
    function: str


def generator_states(sources: Collection[str] = tuple(GENERATORS)) -> dict[str, bytes]:
    """Return the states of the process's generators by their names."""
    return {source: GENERATORS[source]() for source in sources}


def find_drawing_line(
    action: Callable[[], object], files: Collection[str], sources: Collection[str]
) -> DrawingLine | None:
    """Run an action; return the first line in these files that draws from one of these generators.

    Where a line calls a function of the same files that draws, it is the line in that function. None where nothing is
    drawn, or only outside of the files. What the action raises is raised.
    """
    watcher = _Watcher(files, sources)
    before = sys.gettrace()
    sys.settrace(watcher.enter)
    try:
        action()
    finally:
        sys.settrace(before)
    return watcher.found


class _Watcher:
    """What Python calls at every line of the files. It compares the generators with what they were a line before."""

    def __init__(self, files: Collection[str], sources: Collection[str]) -> None:
        self.found: DrawingLine | None = None
        self._files = files
        self._sources = sources
        self._states: dict[str, bytes] = {}
        self._running: list[FrameType] = []
        self._lines: list[int] = []  # where each of them is

    def enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Take notice of a function that begins. Return what watches its lines, None for other files."""
        if self.found is not None or frame.f_code.co_filename not in self._files:
            return None
        if self._running:
            self._compare()
        else:  # whatever was drawn since then, other code has drawn it
            self._states = generator_states(self._sources)
        self._running.append(frame)
        self._lines.append(frame.f_lineno)
        return self._watch

    def _watch(self, frame: FrameType, event: str, argument: Any) -> Any:
        if self.found is not None:
            return None
        if event in ("line", "return"):
            self._compare()
        if event == "line":
            self._lines[-1] = frame.f_lineno
        elif event == "return":
            self._running.pop()
            self._lines.pop()
        return self._watch

    def _compare(self) -> None:
        states = generator_states(self._sources)
        drawn = [source for source, state in states.items() if state != self._states[source]]
        self._states = states
        if drawn and self.found is None:
            names = [frame.f_code.co_name for frame in self._running]
            named = [name for name in names if not name.startswith("<")]  # not of a comprehension or a lambda
            file = self._running[-1].f_code.co_filename
            self.found = DrawingLine(drawn[0], file, self._lines[-1], (named or names)[-1])
