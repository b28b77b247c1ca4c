"""The published gains: each mixing method minus plain training at each size, beside ours.

Levels can agree where there is no gain at all: at 50,000 images the tolerance is wider than what mixup adds. So a gain
agrees only if ours is on the published side of zero for certain, and near the published one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from smallmix.statistics.agreement import agreement, enough_seeds, tolerance_at
from smallmix.statistics.comparison import paired_differences
from smallmix.statistics.decisions import Measure, simultaneous
from smallmix.statistics.evidence import Evidence
from smallmix.statistics.intervals import mean_interval
from smallmix.statistics.judgement import Outcome, Verdict, say_of_number
from smallmix.statistics.protocol import differences_from_article, differences_of_cell, explain
from smallmix.statistics.published_numbers import (
    PUBLISHED_MIXES,
    SELECTION_NAMES,
    JudgedNumber,
    method_for,
)
from smallmix.statistics.results import SELECTIONS
from smallmix.study.published import Published

# The difference of two single runs scatters this much more than one run.
OF_A_DIFFERENCE = math.sqrt(2)


@dataclass(frozen=True)
class _PublishedGain:
    """A published method minus the published plain training at one size, in percentage points."""

    size: int
    name: str
    reference: str
    points: float


def judge_gains(published: Published, evidence: Evidence) -> list[JudgedNumber]:
    """Every published gain: sixteen for the article."""
    wanted = _published_gains(published, evidence)
    # All gains with results are looked at, so that their signs are held against intervals that cover together.
    found = [_our_gains(published, evidence, gain) for gain in wanted]
    together = sum(len(values) > 1 for values in found)
    return [_judge(published, evidence, gain, values, together) for gain, values in zip(wanted, found, strict=True)]


def decide_gain(values: list[float], published: float, tolerance: float, together: int = 1) -> tuple[Outcome, str]:
    """Hold our paired gains (percentage points by seed) against a published one, `together` of which are judged."""
    outcome, why = agreement(values, published, tolerance)
    toward = math.copysign(1.0, published)
    mean = mean_interval(values).mean
    if len(values) < 2:
        if outcome == "agrees" and toward * mean <= tolerance:
            return "undecided", f"{why}, but a gain as small as ours can be chance in one run"
        return outcome, why
    interval = mean_interval(values, simultaneous(together))
    why += (
        f"; the interval that covers together with those of all {together} gains in 95 % reaches from "
        f"{interval.low:+.2f} to {interval.high:+.2f}"
    )
    sign = toward * Measure("gain", values).sign(together)
    if sign < 0:
        # The published sign is that of one run: near zero, it can be chance.
        far = abs(mean - published) > tolerance
        return ("disagrees" if far else "undecided"), f"our gain has the other sign; {why}"
    if outcome == "agrees" and sign == 0:
        return "undecided", f"near the published gain, but ours may be none; {why}"
    return outcome, why


def _published_gains(published: Published, evidence: Evidence) -> list[_PublishedGain]:
    gains: list[_PublishedGain] = []
    for row in published.accuracies:
        plain = next((name for name in row.percent if _mix(evidence, name) == "none"), None)
        if plain is not None:
            gains += [
                _PublishedGain(row.size, name, plain, percent - row.percent[plain])
                for name, percent in row.percent.items()
                if _mix(evidence, name) not in ("none", None)
            ]
    return gains


def _mix(evidence: Evidence, name: str) -> str | None:
    """What a published method mixes: by the article's names, else by the study's method of that name."""
    if name in PUBLISHED_MIXES:
        return PUBLISHED_MIXES[name]
    method = method_for(evidence.study, name)
    return None if method is None else str(evidence.study.configuration["methods"][method]["mix"])


def _our_gains(published: Published, evidence: Evidence, gain: _PublishedGain) -> list[float]:
    """Our paired gains in percentage points, by seed."""
    method, plain = (method_for(evidence.study, name) for name in (gain.name, gain.reference))
    if method is None or plain is None:
        return []
    column = SELECTIONS[SELECTION_NAMES[published.selection]]
    return [100 * one for one in paired_differences(evidence.results, gain.size, method, plain, column).values()]


def _judge(
    published: Published, evidence: Evidence, gain: _PublishedGain, values: list[float], together: int
) -> JudgedNumber:
    study = evidence.study
    methods = [method_for(study, name) for name in (gain.name, gain.reference)]
    found = difference = allowed = ""
    verdict: Verdict = "not tested"
    if None in methods:
        lacking = [name for name, method in zip((gain.name, gain.reference), methods, strict=True) if method is None]
        reason = f"the study has no method that stands for {' or '.join(lacking)}"
    elif gain.size not in study.sizes:
        reason = f"the study has no cells of {gain.size:,} images"
    elif not values:
        reason = "no seed has current cells of both methods at this size"
    else:
        fixed = tolerance_at(gain.size)
        tolerance = OF_A_DIFFERENCE * fixed.points
        mean = mean_interval(values).mean
        found, difference, allowed = f"{mean:+.2f}", f"{mean - gain.points:+.2f}", f"{tolerance:.2f}"
        differences = differences_from_article(evidence)
        for method in methods:
            assert method is not None
            differences += [one for one in differences_of_cell(study, gain.size, method) if one not in differences]
        if any(one.decisive for one in differences):
            reason = f"not comparable: {explain(differences)}"
        else:
            outcome, why = decide_gain(values, gain.points, tolerance, together)
            verdict = say_of_number(outcome, enough_seeds=enough_seeds(values))
            reason = "; ".join(part for part in (why, fixed.reason, explain(differences)) if part)
    return JudgedNumber(
        identifier=f"gain-n{gain.size}-{gain.name}",
        statement=f"gain of {gain.name} over {gain.reference} in {published.selection} test accuracy with "
        f"{gain.size:,} images, points",
        published=f"{gain.points:+.2f}",
        found=found,
        difference=difference,
        tolerance=allowed,
        verdict=verdict,
        reason=reason,
    )
