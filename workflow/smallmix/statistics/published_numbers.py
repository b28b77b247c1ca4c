"""The published accuracies, class counts and gains beside ours: how far off each is, and whether they agree.

A number agrees within a fixed tolerance, disagrees far outside of it, and is undecided between. The tolerance is what
library versions and the article's open points may move. Our seeds say how far chance alone carries a single run. From
three seeds on, a yes and a no must both hold against that scatter.

Accuracies can agree where there is no gain at all: at 50,000 images the tolerance is wider than what mixup adds. So a
gain (a mixing method minus plain training) agrees only if ours is on the published side of zero for certain, and near
the published one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from smallmix.statistics.comparison import paired_differences
from smallmix.statistics.intervals import mean_interval, prediction_reach
from smallmix.statistics.protocol import (
    ProtocolDifference,
    differences_of_cell,
    differences_of_class_counts,
    differences_of_study,
    refer,
    told_once,
)
from smallmix.statistics.study_results import StudyResults
from smallmix.statistics.verdicts import Measure, Outcome, Verdict, number_verdict, simultaneous
from smallmix.study.published import SELECTION_OF, Published, method_for
from smallmix.tables.columns import SELECTIONS


@dataclass(frozen=True)
class JudgedNumber:
    """One published number (as text, in percent or in images) beside ours."""

    identifier: str
    statement: str
    published: str
    found: str
    difference: str
    tolerance: str
    verdict: Verdict
    reason: str


def judge_numbers(published: Published, results: StudyResults) -> list[JudgedNumber]:
    """Judge every row of the published class counts, then every published accuracy."""
    return [*_judge_class_counts(published, results), *_judge_accuracies(published, results)]


def _judge_class_counts(published: Published, results: StudyResults) -> list[JudgedNumber]:
    found = {row.size: row for row in results.subset_rows}
    _, told = told_once(results.study, published.protocol, results.label_checksums)
    decisive = [one for one in differences_of_class_counts(results.study, results.label_checksums) if one.decisive]
    judged: list[JudgedNumber] = []
    for wanted in published.class_counts:
        row = found.get(wanted.size)
        ours = "" if row is None else f"{row.smallest_class}/{row.largest_class}"
        verdict: Verdict
        if row is None:
            verdict, reason = "not tested", f"the study has no subset of {wanted.size:,} images"
        elif decisive:
            verdict, reason = "not tested", f"not comparable: {refer(decisive, told)}"
        else:
            same = (row.smallest_class, row.largest_class) == (wanted.smallest_class, wanted.largest_class)
            verdict = "reproduced" if same else "not reproduced"
            reason = "counts of images have no scatter: they must be equal"
        judged.append(
            JudgedNumber(
                identifier=f"class-counts-n{wanted.size}",
                statement=f"images of the smallest and the largest class among {wanted.size:,}",
                published=f"{wanted.smallest_class}/{wanted.largest_class}",
                found=ours,
                difference=""
                if row is None
                else f"{row.smallest_class - wanted.smallest_class:+d}/{row.largest_class - wanted.largest_class:+d}",
                tolerance="0",
                verdict=verdict,
                reason=reason,
            )
        )
    return judged


def _judge_accuracies(published: Published, results: StudyResults) -> list[JudgedNumber]:
    general = differences_of_study(results.study, published.protocol, results.label_checksums)
    _, told = told_once(results.study, published.protocol, results.label_checksums)
    return [
        _judge_accuracy(published, results, general, told, row.size, name, percent)
        for row in published.accuracies
        for name, percent in row.percent.items()
    ]


def _judge_accuracy(
    published: Published,
    results: StudyResults,
    general: list[ProtocolDifference],
    told: set[ProtocolDifference],
    size: int,
    name: str,
    percent: float,
) -> JudgedNumber:
    study, selection = results.study, SELECTION_OF[published.selection]
    method = method_for(study, name, published)
    accuracies = list(results.accuracies(size, method, selection).values()) if method else []
    found = difference = allowed = ""
    verdict: Verdict = "not tested"
    if method is None:
        reason = f"the study has no method that stands for {name}"
    elif size not in study.sizes:
        reason = f"the study has no cells of {size:,} images"
    elif not accuracies:
        reason = "none of the study's cells of this size and method is current"
    else:
        ours = [100 * accuracy for accuracy in accuracies]
        mean, fixed = mean_interval(ours).mean, tolerance_at(size)
        found, difference, allowed = f"{mean:.2f}", f"{mean - percent:+.2f}", f"{fixed.points:.2f}"
        differences = [*general, *differences_of_cell(study, published.protocol, size, method)]
        if any(one.decisive for one in differences):
            reason = f"not comparable: {refer(differences, told)}"
        else:
            outcome, why = agreement(ours, percent, fixed.points)
            verdict = number_verdict(outcome, enough_seeds=enough_seeds(ours))
            reason = "; ".join(part for part in (why, fixed.reason, refer(differences, told)) if part)
    return JudgedNumber(
        identifier=f"accuracy-n{size}-{name}",
        statement=f"{selection} test accuracy of {name} with {size:,} images, percent",
        published=f"{percent:.2f}",
        found=found,
        difference=difference,
        tolerance=allowed,
        verdict=verdict,
        reason=reason,
    )


# The difference of two single runs scatters this much more than one run.
OF_A_DIFFERENCE = math.sqrt(2)


@dataclass(frozen=True)
class PublishedGain:
    """A published method minus the published plain training at one size, in percentage points."""

    size: int
    name: str
    reference: str
    points: float


def judge_gains(published: Published, results: StudyResults) -> list[JudgedNumber]:
    """Judge every published gain: sixteen for the article."""
    wanted = published_gains(published, results)
    # All gains with results are looked at, so that their signs are held against intervals that cover together.
    found = [our_gains(published, results, gain) for gain in wanted]
    together = sum(len(values) > 1 for values in found)
    _, told = told_once(results.study, published.protocol, results.label_checksums)
    return [
        _judge(published, results, gain, values, together, told) for gain, values in zip(wanted, found, strict=True)
    ]


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


def published_gains(published: Published, results: StudyResults) -> list[PublishedGain]:
    """Return the gain of every published mixing method over the published plain training, size by size."""
    gains: list[PublishedGain] = []
    for row in published.accuracies:
        plain = next((name for name in row.percent if _mix(published, results, name) == "none"), None)
        if plain is not None:
            gains += [
                PublishedGain(row.size, name, plain, percent - row.percent[plain])
                for name, percent in row.percent.items()
                if _mix(published, results, name) not in ("none", None)
            ]
    return gains


def _mix(published: Published, results: StudyResults, name: str) -> str | None:
    """Return what a published method mixes: by the protocol, else by the study's method of that name."""
    meaning = published.protocol.methods.get(name)
    if meaning is not None:
        return meaning.mix
    method = method_for(results.study, name, published)
    return None if method is None else str(results.study.configuration["methods"][method]["mix"])


def our_gains(published: Published, results: StudyResults, gain: PublishedGain) -> list[float]:
    """Return our paired gains in percentage points, by seed."""
    method, plain = (method_for(results.study, name, published) for name in (gain.name, gain.reference))
    if method is None or plain is None:
        return []
    column = SELECTIONS[SELECTION_OF[published.selection]]
    return [100 * one for one in paired_differences(results.runs, gain.size, method, plain, column).values()]


def _judge(
    published: Published,
    results: StudyResults,
    gain: PublishedGain,
    values: list[float],
    together: int,
    told: set[ProtocolDifference],
) -> JudgedNumber:
    study = results.study
    methods = [method_for(study, name, published) for name in (gain.name, gain.reference)]
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
        differences = differences_of_study(results.study, published.protocol, results.label_checksums)
        for method in methods:
            assert method is not None
            of_cell = differences_of_cell(study, published.protocol, gain.size, method)
            differences += [one for one in of_cell if one not in differences]
        if any(one.decisive for one in differences):
            reason = f"not comparable: {refer(differences, told)}"
        else:
            outcome, why = decide_gain(values, gain.points, tolerance, together)
            verdict = number_verdict(outcome, enough_seeds=enough_seeds(values))
            reason = "; ".join(part for part in (why, fixed.reason, refer(differences, told)) if part)
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


MINIMUM_SEEDS_FOR_INTERVAL = 3
FURTHER_RUNS = 0.98
# So many standard deviations of (a further run minus our mean) must fit into the tolerance, for a value twice as far
# off to show. The deviation itself is estimated from few seeds, so that 1.645 would not be enough.
DEVIATIONS = 2


@dataclass(frozen=True)
class FixedTolerance:
    """The tolerance of one run, in percentage points, from a number of images upwards; and its reason."""

    from_size: int
    points: float
    reason: str


FIXED_TOLERANCES = (
    FixedTolerance(5000, 1.0, "single runs of one protocol usually agree within a point at 5,000 images and more"),
    FixedTolerance(0, 3.0, "single runs on less than 5,000 images scatter by about a point and a half to each side"),
)


def tolerance_at(size: int) -> FixedTolerance:
    """Return the tolerance of an accuracy at a training-set size."""
    return next(one for one in FIXED_TOLERANCES if size >= one.from_size)


def enough_seeds(values: Sequence[float]) -> bool:
    """Return whether there are seeds enough to estimate the scatter of a single run."""
    return len(values) >= MINIMUM_SEEDS_FOR_INTERVAL


def agreement(values: Sequence[float], published: float, tolerance: float) -> tuple[Outcome, str]:
    """Hold our runs against a published one (all in percentage points). Returns the outcome and its reason.

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
    """Return the standard deviation of (a further run minus our mean)."""
    error = mean_interval(values).standard_error or 0.0
    return error * math.sqrt(len(values) + 1)
