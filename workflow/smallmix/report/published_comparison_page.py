"""A study beside published numbers, for people: differences in protocol first, then accuracies and gains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from smallmix.report.claims_section import VERDICT_MARKS
from smallmix.report.comparison_page import ComparisonPage, PageSection, missing_cells
from smallmix.report.tables_section import Entry, TableView, number_entry, size_entry
from smallmix.statistics.protocol import ProtocolDifference
from smallmix.statistics.published_comparison import PublishedDifference
from smallmix.study.published import Published
from smallmix.tables.cell_status import Collection
from smallmix.wording import MINUS, NO_NUMBER, joined, percent_number, points, selection_name

EXPLANATION = (
    "The interval is that of our mean over seeds. A published number is that of one run, so that chance has a part in "
    "every difference. A number is judged only where nothing that decides it differs from the published protocol."
)


@dataclass(frozen=True)
class PublishedComparison:
    """All that is said of a study and of what was published."""

    collection: Collection
    published: Published
    rows: Sequence[PublishedDifference]
    protocol: Sequence[ProtocolDifference]

    @property
    def notes(self) -> list[str]:
        """Return what to know before the tables are believed, as sentences."""
        notes = missing_cells(self.collection)
        found = {row.size for row in self.rows}
        lacking = [f"{row.size:,}" for row in self.published.accuracies if row.size not in found]
        if lacking:
            notes.append(f"Without results here: {joined(lacking)} images.")
        if any(one.decisive for one in self.protocol):
            notes.append(
                "The study was not trained as published. Its numbers differ from the published ones for that reason "
                "as well. They are shown, and not judged."
            )
        return notes


def compose_published_comparison(comparison: PublishedComparison) -> ComparisonPage:
    """Return the comparison in the order of reading."""
    study, source = comparison.collection.study, comparison.published.source
    views = [difference_view(comparison, gains=gains) for gains in (False, True)]
    return ComparisonPage(
        kicker="a study and published numbers",
        subject=study.name,
        against="published",
        titles=(study.title, source.title),
        notes=comparison.notes,
        sections=(
            PageSection(
                "protocol",
                "What differs from the published protocol",
                [protocol_view(comparison.protocol)] if comparison.protocol else [],
                empty="Nothing differs from the published protocol.",
            ),
            PageSection(
                "differences", "Ours beside the published", [view for view in views if view.rows], note=EXPLANATION
            ),
        ),
        made_from="the current results of the study and a file of published numbers",
    )


def protocol_view(differences: Sequence[ProtocolDifference]) -> TableView:
    """Return a table of what differs from the published protocol, and what follows from it."""
    return TableView(
        name="table-protocol",
        caption="What differs from the published protocol, and whether numbers can be compared in spite of it.",
        columns=("The study has", "What follows"),
        rows=tuple(
            (Entry(one.text), Entry("numbers are not comparable" if one.decisive else "noted", mark="quiet"))
            for one in differences
        ),
    )


def difference_view(comparison: PublishedComparison, *, gains: bool) -> TableView:
    """Return one table: accuracies, or (`gains`) what mixing gains over plain training."""
    chosen = [row for row in comparison.rows if (row.reference is not None) == gains]
    what = "Gain over plain training, in points" if gains else "Test accuracy in percent"
    selection = selection_name(chosen[0].selection) if chosen else ""
    return TableView(
        name=f"table-published-{'gains' if gains else 'accuracies'}",
        caption=f"{what} ({selection}); the difference is ours {MINUS} published, in points.",
        columns=("Images", "Method", "Published", "Ours", "95 % interval", "Seeds", "Difference", "Verdict"),
        rows=tuple(_fields(row) for row in chosen),
    )


def _fields(row: PublishedDifference) -> tuple[Entry, ...]:
    show = percent_number if row.reference is None else points
    low, high = row.ours.low, row.ours.high
    interval = NO_NUMBER if low is None or high is None else f"{show(low, 2)} to {show(high, 2)}"
    method = row.method if row.reference is None else f"{row.method} {MINUS} {row.reference}"
    return (
        size_entry(row.size),
        Entry(method),
        number_entry(show(row.published, 2), row.published, "published"),
        number_entry(show(row.ours.mean, 2), row.ours.mean),
        number_entry(interval, math.nan if low is None else low),
        number_entry(f"{row.ours.count}", row.ours.count),
        number_entry(points(row.difference, 2), row.difference),
        Entry(row.verdict, mark=VERDICT_MARKS.get(row.verdict, "quiet")),
    )
