"""How a rule reaches an outcome from a few seeds, and the verdict that a reader gets.

Every quantity is oriented so that the claim says it is above zero. Two kinds of interval answer two questions:

- "All are above zero" needs the own 95 % interval of each above zero. However many there are, the answer is wrong in
  2.5 % at most when one of them is not (an intersection-union test: Berger 1982).
- "One of them is below zero" must not come of looking at many. It needs an interval below zero that covers together
  with all others in 95 % (Bonferroni): 1 - 0.05/k for k of them.

tests/unit/statistics/test_operating_characteristics.py simulates the probability of each outcome: a wrong one is rarer
than one in twenty.

The verdict depends on the protocol. Only a study that follows the article's can reproduce a claim. Under another
protocol a claim agrees, disagrees or is undecided here.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from smallmix.statistics.intervals import CONFIDENCE, MeanInterval, mean_interval, t_quantile
from smallmix.statistics.study_results import StudyResults

Outcome = Literal["agrees", "disagrees", "undecided", "not tested"]
Verdict = Literal[
    "reproduced",
    "agrees here",
    "agrees with the published number",
    "undecided",
    "undecided here",
    "not reproduced",
    "disagrees here",
    "disagrees with the published number",
    "not tested",
]
# Of the protocol itself.
ProtocolVerdict = Literal["as published", "differs"]
_UNDER_THE_ARTICLES_PROTOCOL: dict[Outcome, Verdict] = {
    "agrees": "reproduced",
    "disagrees": "not reproduced",
    "undecided": "undecided",
    "not tested": "not tested",
}
_UNDER_ANOTHER_PROTOCOL: dict[Outcome, Verdict] = {
    "agrees": "agrees here",
    "disagrees": "disagrees here",
    "undecided": "undecided here",
    "not tested": "not tested",
}
_OF_A_SINGLE_RUN: dict[Outcome, Verdict] = {
    "agrees": "agrees with the published number",
    "disagrees": "disagrees with the published number",
    "undecided": "undecided",
    "not tested": "not tested",
}


@dataclass(frozen=True)
class Measure:
    """A quantity that the claim says is above zero: its name, and its value by seed.

    `check` measures the same question in another way, by seed. It decides nothing alone. Where its interval clearly has
    the other sign, the two contradict each other and nothing is decided. `part` says which part of a claim it is about,
    as words that follow "that". It is empty where the claim has one part, and where a part cannot be said to hold.
    """

    name: str
    values: Sequence[float]
    check: Sequence[float] = ()
    part: str = ""

    @functools.cached_property
    def interval(self) -> MeanInterval:
        """Return the mean with its own 95 % interval."""
        return mean_interval(self.values)

    def sign(self, count: int = 1) -> int:
        """Return 1 or -1 if the interval of the mean excludes zero, together with `count` - 1 others; else 0.

        0 as well for one value, and for values without any scatter: a few evaluations on a grid can be equal by chance.
        """
        interval = self.interval
        if not interval.standard_error:
            return 0
        reach = t_quantile(interval.count - 1, simultaneous(count)) * interval.standard_error
        return 0 if abs(interval.mean) <= reach else 1 if interval.mean > 0 else -1


@dataclass(frozen=True)
class Judgement:
    """An outcome, what was found (a short text), and the rule with its outcome (sentences).

    `about` is the study whose protocol counts, where that is not the judged one. `measures` are what was decided by.
    """

    outcome: Outcome
    found: str
    reason: str
    about: StudyResults | None = None
    measures: tuple[Measure, ...] = ()


def not_tested(reason: str, found: str = "") -> Judgement:
    """Return the judgement where a study lacks what a rule needs. The reason states what it would need."""
    return Judgement("not tested", found, reason)


def claim_verdict(outcome: Outcome, *, same_protocol: bool) -> Verdict:
    """Return the verdict on a claim."""
    return (_UNDER_THE_ARTICLES_PROTOCOL if same_protocol else _UNDER_ANOTHER_PROTOCOL)[outcome]


def number_verdict(outcome: Outcome, *, enough_seeds: bool) -> Verdict:
    """Return the verdict on a published number. Too few seeds for an interval allow no more than agreement."""
    return (_UNDER_THE_ARTICLES_PROTOCOL if enough_seeds else _OF_A_SINGLE_RUN)[outcome]


def simultaneous(count: int) -> float:
    """Return the confidence of each of `count` intervals that cover together in 95 %."""
    return 1 - (1 - CONFIDENCE) / max(1, count)


def all_above(measures: Sequence[Measure], *, complete: bool = True) -> Outcome:
    """Decide whether all are above zero (agrees) or one is below (disagrees). `complete` is false if some lack."""
    return _decide(measures, len(measures), complete)


def contradicting(measures: Sequence[Measure]) -> list[Measure]:
    """Return the quantities below zero that decide against a claim, by intervals that cover together in 95 %."""
    return [one for one in measures if _contradicts(one, len(measures))]


def outcome_by_part(measures: Sequence[Measure]) -> dict[str, Outcome]:
    """Decide each part of a claim by its own quantities, one below zero by intervals that cover together with all."""
    parts = dict.fromkeys(one.part for one in measures)
    return {part: _decide([one for one in measures if one.part == part], len(measures), True) for part in parts}


def _contradicts(measure: Measure, count: int) -> bool:
    return measure.sign(count) < 0 and _leaning(measure.check) <= 0


def _decide(measures: Sequence[Measure], count: int, complete: bool) -> Outcome:
    if any(_contradicts(one, count) for one in measures):
        return "disagrees"
    if complete and measures and all(one.sign() > 0 and _leaning(one.check) >= 0 for one in measures):
        return "agrees"
    return "undecided"


def both_signs(measures: Sequence[Measure], *, complete: bool = True) -> Outcome:
    """Decide whether one is above and another below zero (agrees), or all are on one side (disagrees).

    Both signs are a qualitative interaction (Gail and Simon 1985), here by the range test: one simultaneous interval
    above zero and another below. A change of size alone is none.
    """
    signs = {one.sign(len(measures)) for one in measures}
    if {1, -1} <= signs:
        return "agrees"
    alone = {one.sign() for one in measures}
    return "disagrees" if complete and alone in ({1}, {-1}) else "undecided"


def _leaning(values: Sequence[float]) -> int:
    """Return the sign of a check. Equal values count here, such as a clean accuracy of 100 % in every run."""
    if len(values) < 2:
        return 0
    interval = mean_interval(values)
    return 0 if not interval.excludes_zero else 1 if interval.mean > 0 else -1
