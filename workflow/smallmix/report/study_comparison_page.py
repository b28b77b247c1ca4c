"""Two studies side by side, for people: tables of their differences, and a page in the style of the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from smallmix.report.comparison_page import ComparisonPage, PageSection, missing_cells
from smallmix.report.tables_section import Entry, TableView, number_entry
from smallmix.statistics.study_comparison import StudyDifference, refused_methods
from smallmix.study.study import Study
from smallmix.tables.cell_status import Collection
from smallmix.tables.origin_differences import OriginDifference
from smallmix.wording import MINUS, NO_NUMBER, percent_number, points, selection_name

EXPLANATION = (
    "Seeds are paired where both studies trained on the same images. The interval is then that of the mean of the "
    "differences, seed by seed (Student). Elsewhere it is that of the difference of the means (Welch). No hypothesis "
    "was declared in advance, and nothing is corrected for the number of rows."
)


@dataclass(frozen=True)
class StudyComparison:
    """All that is said of two studies. `equal` counts the trainings that are one and the same in both.

    `remarks` are further sentences on what to know before the tables are believed.
    """

    first: Collection
    second: Collection
    rows: Sequence[StudyDifference]
    configuration: Sequence[OriginDifference]
    data: Sequence[OriginDifference]
    subsets: Sequence[str]
    training: Sequence[OriginDifference]
    equal: int
    remarks: Sequence[str] = ()

    @property
    def studies(self) -> tuple[Study, Study]:
        """Return the two studies."""
        return self.first.study, self.second.study

    @property
    def notes(self) -> list[str]:
        """Return what to know before the tables are believed, as sentences."""
        notes = [sentence for side in (self.first, self.second) for sentence in missing_cells(side)]
        notes += refused_methods(*self.studies)
        if self.data:
            notes.append("The studies use other images. Accuracies on other test images have no common scale.")
        notes += self.remarks
        notes += self.subsets
        if self.equal:
            were = "training is" if self.equal == 1 else "trainings are"
            notes.append(f"{self.equal:,} {were} one and the same in both studies.")
        return notes


def differences_view(comparison: StudyComparison, selection: str, *, gains: bool) -> TableView:
    """Return one table: accuracies of the methods, or (`gains`) what mixing gains over the reference."""
    first, second = comparison.studies
    chosen = [row for row in comparison.rows if row.selection == selection and (row.reference is not None) == gains]
    what = "Gain over another method, in points" if gains else "Test accuracy in percent"
    return TableView(
        name=f"table-{'gains' if gains else 'accuracies'}-{selection.replace('_', '-')}",
        caption=f"{what} ({selection_name(selection)}); the difference is {second.name} minus {first.name}, in points, "
        "with its 95 % t interval where there are three seeds or more.",
        columns=("Images", "Method", first.name, second.name, "Difference", "95 % interval", "Seeds", "Note"),
        rows=tuple(_fields(row, gains=gains) for row in chosen),
    )


def origins_view(name: str, caption: str, rows: Sequence[OriginDifference], studies: tuple[Study, Study]) -> TableView:
    """Return a table of what differs between the studies."""
    return TableView(
        name=name,
        caption=caption,
        columns=("What", *(study.name for study in studies)),
        rows=tuple((Entry(row.what), Entry(row.first), Entry(row.second)) for row in rows),
    )


def comparison_views(comparison: StudyComparison) -> list[TableView]:
    """Return the tables of differences, of every selection that was compared: accuracies, then gains."""
    views = [
        differences_view(comparison, selection, gains=gains)
        for selection in dict.fromkeys(row.selection for row in comparison.rows)
        for gains in (False, True)
    ]
    return [view for view in views if view.rows]


def compose_comparison(comparison: StudyComparison) -> ComparisonPage:
    """Return the comparison in the order of reading: what was asked, then the accuracies, then code and machines."""
    first, second = comparison.studies
    return ComparisonPage(
        kicker="two studies",
        subject=second.name,
        against=first.name,
        titles=(second.title, first.title),
        notes=comparison.notes,
        sections=(
            PageSection(
                "origins",
                "What differs in configuration and images",
                _origin_views(
                    comparison,
                    ("table-configuration", "What differs in the configuration, key by key.", comparison.configuration),
                    ("table-data", "What differs in the images.", comparison.data),
                ),
                empty="Nothing differs in configuration and images.",
            ),
            PageSection("differences", "Differences in accuracy", comparison_views(comparison), note=EXPLANATION),
            PageSection(
                "training",
                "What differs in code and machines",
                _origin_views(
                    comparison,
                    ("table-training", "What differs in code, versions and hardware.", comparison.training),
                ),
                empty="Nothing differs in code, versions and hardware.",
            ),
        ),
        made_from="the current results of both studies",
    )


def _origin_views(comparison: StudyComparison, *named: tuple[str, str, Sequence[OriginDifference]]) -> list[TableView]:
    """Return the tables that have rows."""
    return [origins_view(name, caption, rows, comparison.studies) for name, caption, rows in named if rows]


def _fields(row: StudyDifference, *, gains: bool) -> tuple[Entry, ...]:
    size = Entry("all", 1e300) if row.size is None else Entry(f"{row.size:,}", float(row.size))
    method = f"{row.method} {MINUS} {row.reference}" if row.reference is not None else row.method
    show = points if gains else percent_number
    low, high = (row.difference.low, row.difference.high) if row.has_interval else (None, None)
    interval = NO_NUMBER if low is None or high is None else f"{points(low, 2)} to {points(high, 2)}"
    seeds = f"{row.pairs} paired" if row.pairs is not None else f"{row.first_seeds} and {row.second_seeds}, unpaired"
    return (
        size,
        Entry(method),
        number_entry(show(row.first_mean, 2), row.first_mean),
        number_entry(show(row.second_mean, 2), row.second_mean),
        number_entry(points(row.difference.mean, 2), row.difference.mean),
        number_entry(interval, math.nan if low is None else low),
        Entry(seeds, mark="quiet"),
        Entry(row.note),
    )
