"""Interleaved measurement: blocks of the contenders take turns, so that what slows the machine slows all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Block = Callable[[], None]
AGAIN = " (again)"


@dataclass(frozen=True)
class Comparison:
    """Seconds of every block, by contender, round after round; `unit_count` units of work a block (steps, images).

    `ours` is measured twice a round; the ratio of the two is the noise floor of every other ratio.
    """

    title: str
    unit: str
    unit_count: float
    ours: str
    seconds: Mapping[str, tuple[float, ...]]

    @property
    def others(self) -> list[str]:
        """Return the contenders that smallmix is compared with."""
        return [name for name in self.seconds if name not in (self.ours, self.ours + AGAIN)]

    def median(self, name: str) -> float:
        """Return the median of seconds a unit."""
        return statistics.median(self.seconds[name]) / self.unit_count

    def ratios(self, name: str) -> list[float]:
        """Return how many times longer `name` took than ours in each round, sorted."""
        pairs = zip(self.seconds[name], self.seconds[self.ours], strict=True)
        return sorted(theirs / mine for theirs, mine in pairs)

    def ratio(self, name: str) -> float:
        """Return the median of the paired ratios."""
        return statistics.median(self.ratios(name))

    def summary(self) -> dict[str, object]:
        """Return everything as JSON types."""
        return {
            "title": self.title,
            "unit": self.unit,
            "rounds": len(self.seconds[self.ours]),
            "seconds_a_unit": {name: self.median(name) for name in self.seconds},
            "times_as_long_as_ours": {name: self.ratio(name) for name in self.seconds if name != self.ours},
            "ratios": {name: self.ratios(name) for name in self.seconds if name != self.ours},
        }


def compare(
    title: str, unit: str, unit_count: float, blocks: Mapping[str, Block], rounds: int, warm_ups: int = 1
) -> Comparison:
    """Time `rounds` rounds of all blocks; the first of `blocks` is ours and runs twice a round.

    Each round begins with another contender, so that none always follows the same one. A block must not return before
    its work is done (on a GPU: synchronize).
    """
    ours = next(iter(blocks))
    contenders = {**blocks, ours + AGAIN: blocks[ours]}
    names = list(contenders)
    for block in blocks.values():
        for _ in range(warm_ups):
            block()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            began = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - began)
    return Comparison(title, unit, unit_count, ours, {name: tuple(taken) for name, taken in seconds.items()})
