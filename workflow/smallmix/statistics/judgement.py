"""What a rule says of a claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["reproduced", "partly", "not reproduced", "not tested"]


@dataclass(frozen=True)
class Judgement:
    """A verdict, what was found (a short text), and the rule with its outcome in words."""

    verdict: Verdict
    found: str
    reason: str


def not_tested(reason: str, found: str = "") -> Judgement:
    """The judgement where a study lacks what a rule needs; the reason says what it would need."""
    return Judgement("not tested", found, reason)
