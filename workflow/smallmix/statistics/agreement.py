"""Whether a published single run agrees with ours: within a fixed tolerance, far outside of it, or neither for certain.

The tolerance is what library versions and the article's open points may move. Our seeds say how far chance alone
carries a single run. From three seeds on, a yes and a no must both hold against that scatter. Else it is undecided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from smallmix.statistics.intervals import mean_interval, prediction_reach
from smallmix.statistics.judgement import Outcome

MINIMUM_SEEDS_FOR_INTERVAL = 3
FURTHER_RUNS = 0.98
# So many standard deviations of (a further run minus our mean) must fit into the tolerance, for a value twice as far
# off to show. The deviation itself is estimated from few seeds, so that 1.645 would not be enough.
DEVIATIONS = 2


@dataclass(frozen=True)
class FixedTolerance:
    """How far one run may be off, in percentage points, from a number of images upwards; and why."""

    from_size: int
    points: float
    reason: str


FIXED_TOLERANCES = (
    FixedTolerance(5000, 1.0, "single runs of one protocol usually agree within a point at 5,000 images and more"),
    FixedTolerance(0, 3.0, "single runs on less than 5,000 images scatter by about a point and a half to each side"),
)


def tolerance_at(size: int) -> FixedTolerance:
    """The tolerance of a level at a training-set size."""
    return next(one for one in FIXED_TOLERANCES if size >= one.from_size)


def enough_seeds(values: Sequence[float]) -> bool:
    """Whether there are seeds enough to say how far a single run may scatter."""
    return len(values) >= MINIMUM_SEEDS_FOR_INTERVAL


def agreement(values: Sequence[float], published: float, tolerance: float) -> tuple[Outcome, str]:
    """Hold our runs against a published one (all in percentage points); the outcome, and why in words.

    Agrees within the tolerance, if the seeds scatter so little that a value twice as far off would show. Disagrees
    beyond twice the tolerance, if further single runs of ours hardly ever fall there. With fewer than three seeds the
    distance alone decides.
    """
    distance = abs(mean_interval(values).mean - published)
    if not enough_seeds(values):
        if distance <= tolerance:
            return "agrees", "within the tolerance"
        if distance > 2 * tolerance:
            return "disagrees", "beyond twice the tolerance"
        return "undecided", "between the tolerance and twice the tolerance"
    reach = prediction_reach(values, FURTHER_RUNS)
    seeds = (
        f"{100 * FURTHER_RUNS:.0f} % of further single runs fall within {reach:.2f} points of the mean of "
        f"{len(values)} seeds"
    )
    if distance <= tolerance:
        if DEVIATIONS * _scatter(values) <= tolerance:
            return "agrees", f"within the tolerance; {seeds}"
        return "undecided", f"within the tolerance, but the seeds scatter too much to tell; {seeds}"
    if distance > 2 * tolerance:
        if distance > reach:
            return "disagrees", f"beyond twice the tolerance; {seeds}"
        return "undecided", f"beyond twice the tolerance, but within the scatter of the seeds; {seeds}"
    return "undecided", f"between the tolerance and twice the tolerance; {seeds}"


def _scatter(values: Sequence[float]) -> float:
    """The standard deviation of (a further run minus our mean)."""
    error = mean_interval(values).standard_error or 0.0
    return error * math.sqrt(len(values) + 1)
