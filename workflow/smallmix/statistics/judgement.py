"""What a rule says of a claim, and the words in which it is said.

A rule decides among three outcomes, or says what it lacks. Which words are used depends on the protocol: only a study
that follows the article's can reproduce a claim. Under another protocol a claim agrees, disagrees or is undecided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from smallmix.statistics.evidence import Evidence

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
class Judgement:
    """An outcome, what was found (a short text), and the rule with its outcome in words (sentences).

    `about` is the study whose protocol counts, where that is not the judged one.
    """

    outcome: Outcome
    found: str
    reason: str
    about: Evidence | None = None


def not_tested(reason: str, found: str = "") -> Judgement:
    """The judgement where a study lacks what a rule needs; the reason says what it would need."""
    return Judgement("not tested", found, reason)


def say(outcome: Outcome, *, same_protocol: bool) -> Verdict:
    """The verdict on a claim."""
    return (_UNDER_THE_ARTICLES_PROTOCOL if same_protocol else _UNDER_ANOTHER_PROTOCOL)[outcome]


def say_of_number(outcome: Outcome, *, enough_seeds: bool) -> Verdict:
    """The verdict on a published number: too few seeds for an interval allow no more than agreement."""
    return (_UNDER_THE_ARTICLES_PROTOCOL if enough_seeds else _OF_A_SINGLE_RUN)[outcome]
