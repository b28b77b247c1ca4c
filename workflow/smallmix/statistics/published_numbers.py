"""The published tables, number by number: what was found, how far off it is, and whether that is within tolerance."""

from __future__ import annotations

from dataclasses import dataclass

from smallmix.statistics.agreement import agreement, enough_seeds, tolerance_at
from smallmix.statistics.evidence import Evidence
from smallmix.statistics.intervals import mean_interval
from smallmix.statistics.judgement import Verdict, say_of_number
from smallmix.statistics.protocol import (
    Difference,
    article_method,
    differences_from_article,
    differences_of_cell,
    differences_of_class_counts,
    explain,
)
from smallmix.study.cell import Mix
from smallmix.study.published import Published
from smallmix.study.study import Study

# The meaning of the names under which the article publishes; a study's own names are free.
PUBLISHED_MIXES: dict[str, Mix] = {"non": "none", "data-mix": "images", "label-mix": "images-and-labels"}
SELECTION_NAMES = {"best": "best", "final": "last", "last_tenth": "last_tenth"}


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


def judge_numbers(published: Published, evidence: Evidence) -> list[JudgedNumber]:
    """Every row of the published class counts, then every published accuracy."""
    return [*_judge_class_counts(published, evidence), *_judge_accuracies(published, evidence)]


def method_for(study: Study, name: str) -> str | None:
    """The study's method that means what a published name means: the same mix, the article's distribution if there.

    Names of other publications are looked up as they are.
    """
    if name not in PUBLISHED_MIXES:
        return name if name in study.methods else None
    return article_method(study, PUBLISHED_MIXES[name])


def _judge_class_counts(published: Published, evidence: Evidence) -> list[JudgedNumber]:
    found = {row.size: row for row in evidence.subset_rows}
    decisive = [one for one in differences_of_class_counts(evidence) if one.decisive]
    judged: list[JudgedNumber] = []
    for wanted in published.class_counts:
        row = found.get(wanted.size)
        ours = "" if row is None else f"{row.smallest_class}/{row.largest_class}"
        verdict: Verdict
        if row is None:
            verdict, reason = "not tested", f"the study has no subset of {wanted.size:,} images"
        elif decisive:
            verdict, reason = "not tested", explain(decisive)
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


def _judge_accuracies(published: Published, evidence: Evidence) -> list[JudgedNumber]:
    general = differences_from_article(evidence)
    return [
        _judge_accuracy(published, evidence, general, row.size, name, percent)
        for row in published.accuracies
        for name, percent in row.percent.items()
    ]


def _judge_accuracy(
    published: Published, evidence: Evidence, general: list[Difference], size: int, name: str, percent: float
) -> JudgedNumber:
    study, selection = evidence.study, SELECTION_NAMES[published.selection]
    method = method_for(study, name)
    accuracies = list(evidence.accuracies(size, method, selection).values()) if method else []
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
        differences = [*general, *differences_of_cell(study, size, method)]
        if any(one.decisive for one in differences):
            reason = f"not comparable: {explain(differences)}"
        else:
            outcome, why = agreement(ours, percent, fixed.points)
            verdict = say_of_number(outcome, enough_seeds=enough_seeds(ours))
            reason = "; ".join(part for part in (why, fixed.reason, explain(differences)) if part)
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
