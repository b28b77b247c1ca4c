"""Contenders that may fail or hang, each in its own process: those that work are compared, the others are named."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.comparison import Block, Comparison, compare
from benchmarks.time_limit import TimeLimit
from benchmarks.worker_pool import WorkerError

# The rest is for blocks that take longer than the first ones did.
SHARE_OF_TIME_LEFT = 0.8


@dataclass
class Outcome:
    """The comparison of the contenders that worked (None: of none), why the others did not, seconds of first blocks."""

    comparison: Comparison | None = None
    failures: dict[str, str] = field(default_factory=dict)
    first_block: dict[str, float] = field(default_factory=dict)


def compare_working(
    title: str, unit: str, unit_count: float, starts: Mapping[str, Callable[[], Block]], rounds: int, limit: TimeLimit
) -> Outcome:
    """Start the contenders one after the other and compare those that take two blocks. The first of these is ours.

    A contender's start returns its block. Whoever raises WorkerError, then or later, is left out, and the rest is
    measured. There are fewer rounds, at least one, where the time that is left would not do for all.
    """
    outcome = Outcome()
    working: dict[str, Block] = {}
    seconds: dict[str, float] = {}
    for name, start in starts.items():
        try:
            if not limit.left:
                raise WorkerError("the time for the benchmark was up")
            outcome.first_block[name], block = _timed_start(start)
            began = time.perf_counter()
            block()
            seconds[name] = time.perf_counter() - began
            working[name] = block
        except WorkerError as error:
            outcome.failures[name] = str(error)
            outcome.first_block.pop(name, None)
    while working and outcome.comparison is None:
        a_round = sum(seconds[name] for name in working) + seconds[next(iter(working))]
        affordable = int(min(rounds, SHARE_OF_TIME_LEFT * limit.left / a_round))
        blocks = {name: _named(name, block) for name, block in working.items()}
        try:
            outcome.comparison = compare(title, unit, unit_count, blocks, max(1, affordable), warm_ups=0)
        except _ContenderError as error:
            outcome.failures[error.name] = str(error.__cause__)
            del working[error.name]
    return outcome


class _ContenderError(Exception):
    """A contender failed within the comparison."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _timed_start(start: Callable[[], Block]) -> tuple[float, Block]:
    """Return the seconds from nothing to the end of the first block, and the block."""
    began = time.perf_counter()
    block = start()
    block()
    return time.perf_counter() - began, block


def _named(name: str, block: Block) -> Block:
    def run() -> None:
        try:
            block()
        except WorkerError as error:
            raise _ContenderError(name) from error

    return run
