"""Accuracies in rows: Table 2 beside ours, Table 1 beside ours, and the same runs under other selection rules."""

from __future__ import annotations

import math

from smallmix.figures.figure_text import MINUS, NO_NUMBER, percent, points
from smallmix.figures.seed_intervals import t_interval
from smallmix.figures.study_tables import StudyTables
from smallmix.report.table_view import Entry, TableView, number_entry, size_entry

SELECTIONS = (
    ("best_test_accuracy", "best"),
    ("final_test_accuracy", "last"),
    ("last_tenth_test_accuracy", "last tenth"),
)


def accuracy_view(tables: StudyTables) -> TableView:
    """Best test accuracy by size and method, with the published values and the differences where there are any."""
    published = tables.published_accuracy
    compared = {m for m in tables.study.methods if any((size, m) in published for size in tables.study.sizes)}
    columns: list[str] = ["Training images"]
    groups: list[tuple[str, int]] = [("", 1)]
    for method in tables.study.methods:
        columns += ["ours", "published", "difference"] if method in compared else ["ours"]
        groups.append((method, 3 if method in compared else 1))
    rows = []
    for size in tables.study.sizes:
        row = [size_entry(size)]
        for method in tables.study.methods:
            values = tables.seeds_of(size, method)["best_test_accuracy"].dropna()
            mean = float(values.mean()) if len(values) else math.nan
            row.append(number_entry(mean_text(mean, *t_interval(values)), mean))
            if method in compared:
                theirs = published.get((size, method), math.nan)
                row.append(number_entry(percent_number(theirs), theirs, "published"))
                row.append(number_entry(points(mean - theirs), mean - theirs))
        rows.append(tuple(row))
    if not compared:
        columns, groups = ["Training images", *tables.study.methods], []
    several = len(tables.study.seeds) > 1
    return TableView(
        name="table-accuracy",
        caption="Best test accuracy of the run, percent"
        + (": mean over seeds ± half the 95 % t interval" if several else ", one seed")
        + (f"; difference is ours {MINUS} published, in points." if compared else "."),
        columns=tuple(columns),
        rows=tuple(rows),
        groups=tuple(groups),
        sortable=True,
    )


def sensitivity_view(tables: StudyTables) -> TableView:
    """The same runs by three selection rules, and what the best adds over the last."""
    rows = []
    for size in tables.study.sizes:
        for method in tables.study.methods:
            seeds = tables.seeds_of(size, method)
            if seeds.empty:
                continue
            row = [size_entry(size), Entry(method)]
            for column, _ in SELECTIONS:
                mean = float(seeds[column].mean())
                row.append(number_entry(mean_text(mean, *t_interval(seeds[column])), mean))
            gap = float((seeds["best_test_accuracy"] - seeds["final_test_accuracy"]).mean())
            row.append(number_entry(points(gap), gap))
            iteration = float(seeds["best_iteration"].mean())
            share = iteration / float(seeds["iterations"].mean())
            row.append(number_entry(percent(share, 0), share))
            rows.append(tuple(row))
    return TableView(
        name="table-sensitivity",
        caption="Test accuracy in percent by the rule that selects the moment; the gap is best minus last, in points; "
        "the last column says how far into the budget the best reading stood.",
        columns=("Training images", "Method", "Best", "Last", "Median of last tenth", "Gap", "Best at"),
        rows=tuple(rows),
        sortable=True,
    )


def subset_view(tables: StudyTables) -> TableView | None:
    """Sizes of the smallest and largest class in each subset, beside the published ones. None where not tabulated."""
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
    for record in tables.subset_table.to_dict("records"):
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
    )


def _agreement(same: bool, verdict: str | None) -> Entry:
    if verdict == "not tested":
        return Entry("not comparable", mark="quiet")
    return Entry("to the digit", mark="good") if same else Entry("differs", mark="bad")


def mean_text(mean: float, low: float, high: float) -> str:
    """A mean in percent, with half its interval where there is one."""
    if math.isfinite(low):
        return f"{percent_number(mean)} ± {100 * (high - low) / 2:.1f}"
    return percent_number(mean)


def percent_number(fraction: float) -> str:
    """0.5784 as 57.84, without the sign, for columns that are headed as percent."""
    return NO_NUMBER if not math.isfinite(fraction) else f"{100 * fraction:.2f}"
