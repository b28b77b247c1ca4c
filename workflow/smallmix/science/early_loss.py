"""The largest training loss of a training's first steps: it tells a healthy beginning from one that diverges."""

from __future__ import annotations

import math

# The first tenth of the budget, or so many steps where that is more.
MOST_EARLY_STEPS = 100
# A loss of this many times that of guessing, ln(classes), is no noise: weights or sums have grown without bound.
ALARMING_MULTIPLE = 10


def early_steps(iterations: int) -> int:
    """Return how many of a budget's first steps count as early; one at least."""
    return max(1, min(iterations // 10, MOST_EARLY_STEPS))


def alarming_loss(classes: int) -> float:
    """Return the loss in nats above which a training's beginning is not healthy: 23.0 for ten classes."""
    return ALARMING_MULTIPLE * math.log(classes)
