"""Tables as the page shows them, and the section of tables.

That section has accuracies and subsets beside the published ones, and accuracies by other selections.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from smallmix.tables.columns import selections_of
from smallmix.tables.study_tables import FEWEST_FOR_AN_INTERVAL, SELECTION_GAP, SeedMean, StudyTables
from smallmix.wording import MINUS, NO_NUMBER, percent, percent_number, points

# How the declared accuracy of a run is called, by its selection; "of the run" follows.
ACCURACY_NAMES = {
    "best": "Best test accuracy",
    "last": "Test accuracy at the end",
    "last_tenth": "Median test accuracy in the last tenth",
    "validation": "Test accuracy at the best validation accuracy",
}
SELECTION_HEADS = {
    "best": "Best",
    "last": "Last",
    "last_tenth": "Median of last tenth",
    "validation": "At best validation",
}


WIDEST = 6  # columns of means that the page has room for


@dataclass(frozen=True)
class Entry:
    """One field. `sort` is the number to sort by (the text itself where None); `mark` a class of the style sheet.

    `link` is an address relative to the page, empty for none.
    """

    text: str
    sort: float | None = None
    mark: str = ""
    link: str = ""

    @property
    def numeric(self) -> bool:
        """Return whether the field is a number, which stands right-aligned."""
        return self.sort is not None


@dataclass(frozen=True)
class TableView:
    """A table with one head row (and, above it, groups of columns: label and span). First fields head their rows.

    On a phone the columns of a table that `stacks` stand below each other. `filter_by` is a column by whose texts
    readers can choose rows; empty for none.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    groups: tuple[tuple[str, int], ...] = ()
    sortable: bool = False
    stacks: bool = False
    filter_by: str = ""

    @property
    def filter_column(self) -> int | None:
        """Return the position of the column to filter by; None for none."""
        return self.columns.index(self.filter_by) if self.filter_by else None

    def label(self, position: int) -> str:
        """Return the head of a column with that of its group, for fields that stand apart from their heads."""
        above = [name for name, span in self.groups for _ in range(span)]
        group = above[position] if above else ""
        return f"{group}, {self.columns[position]}" if group else self.columns[position]

    def numeric_column(self, position: int) -> bool:
        """Return whether any field of a column is a number, so that its head stands right-aligned too."""
        return any(row[position].numeric for row in self.rows)


def number_entry(text: str, value: float, mark: str = "") -> Entry:
    """Return a field that shows `text` and sorts by `value`; a missing value sorts below all others."""
    return Entry(text, value if math.isfinite(value) else -1e300, mark)


def size_entry(size: int) -> Entry:
    """Return the field of a training-set size."""
    return Entry(f"{size:,}", float(size))


def accuracy_view(tables: StudyTables) -> TableView:
    """Return the declared accuracy by size and method, beside published values and the differences from them.

    Published values stand there where the source declares the same selection.
    """
    published = tables.published_accuracy
    compared = {m for m in tables.study.methods if any((size, m) in published for size in tables.study.sizes)}
    columns: list[str] = ["Training images"]
    groups: list[tuple[str, int]] = [("", 1)]
    for method in tables.study.methods:
        columns += ["ours", "published", "difference"] if method in compared else ["ours"]
        groups.append((method, 3 if method in compared else 1))
    rows = []
    for size in tables.sizes:
        row = [size_entry(size)]
        for method in tables.study.methods:
            ours = tables.mean_of(tables.declared_metric, size, method)
            row.append(number_entry(mean_text(ours), ours.mean))
            if method in compared:
                theirs = published.get((size, method), math.nan)
                row.append(number_entry(percent_number(theirs), theirs, "published"))
                row.append(number_entry(points(ours.mean - theirs), ours.mean - theirs))
        rows.append(tuple(row))
    if not compared:
        columns, groups = ["Training images", *tables.study.methods], []
        if len(columns) > WIDEST and len(rows) < len(columns) - 1:
            columns, rows = _turned("Method", columns, rows)
    seeds = len(tables.study.seeds)
    spread = "one seed" if seeds == 1 else "mean over two seeds"
    if seeds >= FEWEST_FOR_AN_INTERVAL:
        spread = f"mean over seeds ± half the 95 % t interval, from {FEWEST_FOR_AN_INTERVAL} finished seeds on"
    return TableView(
        name="table-accuracy",
        caption=f"{ACCURACY_NAMES[tables.study.selection]} of the run, percent"
        + f", {spread}"
        + (f"; difference is ours {MINUS} published, in points." if compared else "."),
        columns=tuple(columns),
        rows=tuple(rows),
        groups=tuple(groups),
        sortable=True,
        stacks=True,
    )


def _turned(
    head: str, columns: Sequence[str], rows: Sequence[tuple[Entry, ...]]
) -> tuple[list[str], list[tuple[Entry, ...]]]:
    """Return the table with its columns as rows: many methods below each other, few sizes side by side."""
    sizes = [f"{row[0].text} images" for row in rows]
    turned = [(Entry(name), *(row[place] for row in rows)) for place, name in enumerate(columns) if place]
    return [head, *sizes], turned


def sensitivity_view(tables: StudyTables) -> TableView:
    """Return the same runs by every selection that the study has, and what the best adds over the last."""
    selections = selections_of(tables.study.validation_images)
    rows = []
    for size in tables.sizes:
        for method in tables.study.methods:
            means = [tables.mean_of(metric, size, method) for metric in selections.values()]
            if not means[0].seeds:
                continue
            gap = tables.mean_of(SELECTION_GAP, size, method).mean
            share = tables.mean_of("best_iteration_share", size, method).mean
            rows.append(
                (
                    size_entry(size),
                    Entry(method),
                    *(number_entry(mean_text(mean), mean.mean) for mean in means),
                    number_entry(points(gap), gap),
                    number_entry(percent(share, 0), share),
                )
            )
    return TableView(
        name="table-sensitivity",
        caption="Test accuracy in percent by the rule that selects the moment; the gap is best minus last, in points; "
        "the last column says how far into the budget the best evaluation stood.",
        columns=("Training images", "Method", *(SELECTION_HEADS[name] for name in selections), "Gap", "Best at"),
        rows=tuple(rows),
        sortable=True,
    )


def subset_view(tables: StudyTables) -> TableView | None:
    """Return the smallest and largest class of each subset, beside the published ones; None where not tabulated."""
    if tables.subset_table.empty:
        return None
    published = tables.published_classes
    columns = ["Training images", "smallest class", "largest class"]
    groups: list[tuple[str, int]] = []
    if published:
        columns += ["smallest class", "largest class", "agreement"]
        groups = [("", 1), ("ours", 2), ("published", 2), ("", 1)]
    verdicts = dict(zip(tables.claims["id"], tables.claims["verdict"], strict=True))
    rows = []
    for record in tables.subset_table.sort_values("size").to_dict("records"):
        size, smallest, largest = (int(record[key]) for key in ("size", "smallest_class", "largest_class"))
        row = [size_entry(size), Entry(f"{smallest:,}", smallest), Entry(f"{largest:,}", largest)]
        if published:
            pair = published.get(size)
            if pair is None:
                row += [number_entry(NO_NUMBER, math.nan)] * 2 + [Entry("not published", mark="quiet")]
            else:
                row += [Entry(f"{pair[0]:,}", pair[0]), Entry(f"{pair[1]:,}", pair[1])]
                row.append(_agreement(pair == (smallest, largest), verdicts.get(f"class-counts-n{size}")))
        rows.append(tuple(row))
    return TableView(
        name="table-subsets",
        caption="Images in the smallest and the largest class of each training subset"
        + (", beside the article's Table 1." if published else "."),
        columns=tuple(columns),
        rows=tuple(rows),
        groups=tuple(groups),
        stacks=True,
    )


def _agreement(same: bool, verdict: str | None) -> Entry:
    if verdict == "not tested":
        return Entry("not comparable", mark="quiet")
    return Entry("to the digit", mark="good") if same else Entry("differs", mark="bad")


def mean_text(mean: SeedMean) -> str:
    """Return a mean in percent, with half its interval where there is one."""
    if mean.has_interval:
        return f"{percent_number(mean.mean)} ± {percent_number((mean.high - mean.low) / 2, 1)}"
    return percent_number(mean.mean)
