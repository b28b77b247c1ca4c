"""A study beside what was published: its accuracies and gains, each with its interval, minus the published ones.

A published number is that of one run, and has no interval. The interval is that of our mean over seeds alone. Whether a
number may be compared at all, and whether it agrees, is judged as in claims.csv (`published_numbers`).
"""

from __future__ import annotations

from dataclasses import dataclass

from smallmix.errors import SmallmixError
from smallmix.statistics.intervals import MeanInterval, mean_interval
from smallmix.statistics.protocol import ProtocolDifference, differences_of_cells, differences_of_study
from smallmix.statistics.published_numbers import judge_gains, judge_numbers, our_gains, published_gains
from smallmix.statistics.study_results import StudyResults
from smallmix.study.published import SELECTION_OF, Published, method_for

NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class PublishedDifference:
    """One row: ours minus published. Accuracies, gains and differences are fractions.

    `method` and `reference` are the study's names; reference is None for an accuracy. `ours` is over our seeds.
    """

    size: int
    method: str
    published_method: str
    reference: str | None
    selection: str
    published: float
    ours: MeanInterval
    verdict: str
    reason: str

    @property
    def difference(self) -> float:
        """Return ours minus published."""
        return self.ours.mean - self.published


def compare_with_published(published: Published, results: StudyResults) -> list[PublishedDifference]:
    """Compare what both have, in the order of the source: accuracies, then gains over plain training.

    Raises SmallmixError where the study has no current result of any published size and method.
    """
    rows = [*_accuracies(published, results), *_gains(published, results)]
    if rows:
        return rows
    study = results.study
    if not results.runs:
        raise SmallmixError(f"study {study.name} has no current result. Run it, then compare again.")
    sizes = ", ".join(f"{row.size:,}" for row in published.accuracies)
    raise SmallmixError(
        f"study {study.name} has no result of a size and method that was published. Published sizes: {sizes}. Compare "
        "a study that has some of them."
    )


def protocol_differences(published: Published, results: StudyResults) -> list[ProtocolDifference]:
    """Return in what the study differs from the published protocol, those first that make numbers incomparable."""
    found = [
        *differences_of_study(results.study, published.protocol, results.label_checksums),
        *differences_of_cells(results.study, published.protocol),
    ]
    return sorted(found, key=lambda one: not one.decisive)


def comparison_fields(row: PublishedDifference) -> list[int | float | str | None]:
    """Return the row's values in the order of the columns of PUBLISHED_COMPARISON."""
    return [
        row.size,
        row.method,
        row.published_method,
        row.reference,
        row.selection,
        row.published,
        row.ours.count,
        row.ours.mean,
        row.ours.low,
        row.ours.high,
        row.difference,
        row.verdict,
        row.reason,
    ]


def _accuracies(published: Published, results: StudyResults) -> list[PublishedDifference]:
    judged = {one.identifier: one for one in judge_numbers(published, results)}
    selection = SELECTION_OF[published.selection]
    found = []
    for row in published.accuracies:
        for name, percent in row.percent.items():
            method = method_for(results.study, name, published)
            values = list(results.accuracies(row.size, method, selection).values()) if method is not None else []
            if method is None or not values:
                continue
            one = judged[f"accuracy-n{row.size}-{name}"]
            verdict = _verdict(one.verdict)
            found.append(
                PublishedDifference(
                    row.size, method, name, None, selection, percent / 100, mean_interval(values), verdict, one.reason
                )
            )
    return found


def _gains(published: Published, results: StudyResults) -> list[PublishedDifference]:
    judged = {one.identifier: one for one in judge_gains(published, results)}
    found = []
    for gain in published_gains(published, results):
        method, plain = (method_for(results.study, name, published) for name in (gain.name, gain.reference))
        values = [points / 100 for points in our_gains(published, results, gain)]
        if method is None or not values:
            continue
        one = judged[f"gain-n{gain.size}-{gain.name}"]
        found.append(
            PublishedDifference(
                gain.size,
                method,
                gain.name,
                plain,
                SELECTION_OF[published.selection],
                gain.points / 100,
                mean_interval(values),
                _verdict(one.verdict),
                one.reason,
            )
        )
    return found


def _verdict(verdict: str) -> str:
    """Return the verdict on a number that both have: what was not tested, is under another protocol."""
    return NOT_COMPARABLE if verdict == "not tested" else verdict
