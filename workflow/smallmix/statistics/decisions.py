"""How signs are decided from a few seeds, so that a wrong verdict is rarer than one in twenty.

Every quantity is oriented so that the claim says it is above zero. Two kinds of interval are used, for two questions:

- "All are above zero" needs every one's own 95 % interval above zero. However many there are, this is wrong in 2.5 % at
  most, when one of them is not (an intersection-union test: Berger 1982).
- "One of them is below zero" must not come of looking at many. It needs an interval below zero that covers together
  with all others in 95 % (Bonferroni): 1 - 0.05/k for k of them.

The probability of each verdict is simulated in tests/unit/statistics/test_operating_characteristics.py.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from smallmix.statistics.intervals import CONFIDENCE, MeanInterval, mean_interval, t_quantile
from smallmix.statistics.judgement import Outcome


@dataclass(frozen=True)
class Measure:
    """One quantity that the claim says is above zero: its name, and its value by seed.

    `check` is a second reading of the same question by seed. It decides nothing alone. Where its interval clearly has
    the other sign, the two contradict each other and nothing is decided.
    """

    name: str
    values: Sequence[float]
    check: Sequence[float] = ()

    @functools.cached_property
    def interval(self) -> MeanInterval:
        """The mean with its own 95 % interval."""
        return mean_interval(self.values)

    def sign(self, count: int = 1) -> int:
        """1 or -1 where the interval of the mean excludes zero, together with `count` - 1 others; else 0.

        0 as well for one value, and for values without any scatter: a few readings on a grid can be equal by chance.
        """
        interval = self.interval
        if not interval.standard_error:
            return 0
        reach = t_quantile(interval.count - 1, simultaneous(count)) * interval.standard_error
        return 0 if abs(interval.mean) <= reach else 1 if interval.mean > 0 else -1


def simultaneous(count: int) -> float:
    """The confidence of each of `count` intervals that cover together in 95 %."""
    return 1 - (1 - CONFIDENCE) / max(1, count)


def all_above(measures: Sequence[Measure], *, complete: bool = True) -> Outcome:
    """Agrees where all are above zero, disagrees where one of them is below. `complete` is false where some lack."""
    if any(one.sign(len(measures)) < 0 and _leaning(one.check) <= 0 for one in measures):
        return "disagrees"
    if complete and measures and all(one.sign() > 0 and _leaning(one.check) >= 0 for one in measures):
        return "agrees"
    return "undecided"


def both_signs(measures: Sequence[Measure], *, complete: bool = True) -> Outcome:
    """Agrees where one is above and another below zero, disagrees where all are on one side.

    Both signs are a qualitative interaction (Gail and Simon 1985), here by the range test: one simultaneous interval
    above zero and another below. A change of size alone is none.
    """
    signs = {one.sign(len(measures)) for one in measures}
    if {1, -1} <= signs:
        return "agrees"
    alone = {one.sign() for one in measures}
    return "disagrees" if complete and alone in ({1}, {-1}) else "undecided"


def _leaning(values: Sequence[float]) -> int:
    """The sign of a check; here equal values count, such as a clean accuracy of 100 % in every run."""
    if len(values) < 2:
        return 0
    interval = mean_interval(values)
    return 0 if not interval.excludes_zero else 1 if interval.mean > 0 else -1
