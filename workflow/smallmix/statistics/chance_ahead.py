"""How probably one method is ahead of the other in a new run: the share of seeds where it was, with Wilson's interval.

A seed gives both methods the same subset, first weights and batches, so that they are compared seed by seed. Equal
accuracies count half, as in the probability of improvement (Agarwal et al. 2021). A share supposes no distribution.
Normal theory would say more from the mean and the deviation of three seeds. It would be wrong of runs that collapse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

from smallmix.statistics.intervals import CONFIDENCE
from smallmix.wording import LEAST_DIFFERENCE

FEWEST_SEEDS = 2  # one seed is ahead or not, and says nothing of others


@dataclass(frozen=True)
class ChanceAhead:
    """The share of seeds where a method was ahead, with its 95 % interval; low and high are None for one seed."""

    share: float
    low: float | None
    high: float | None


def chance_ahead(differences: Sequence[float]) -> ChanceAhead:
    """Return how probably a further seed's difference is above zero. Raises ValueError for no differences at all."""
    if not differences:
        raise ValueError("the share of no seeds")
    count = len(differences)
    share = math.fsum(_ahead(one) for one in differences) / count
    low, high = wilson_interval(share, count) if count >= FEWEST_SEEDS else (None, None)
    return ChanceAhead(share, low, high)


def _ahead(difference: float) -> float:
    return 0.5 if abs(difference) < LEAST_DIFFERENCE else float(difference > 0)


def wilson_interval(share: float, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the score interval of a probability (Wilson 1927), from the share of `count` independent trials.

    Unlike the normal interval it has a width where the share is 0 or 1, and it stays between 0 and 1. Brown, Cai and
    DasGupta (2001) recommend it for few trials.
    """
    quantile = float(special.ndtri((1 + confidence) / 2))
    shrink = 1 + quantile**2 / count
    middle = (share + quantile**2 / (2 * count)) / shrink
    reach = quantile * math.sqrt(share * (1 - share) / count + quantile**2 / (4 * count**2)) / shrink
    return max(0.0, middle - reach), min(1.0, middle + reach)
