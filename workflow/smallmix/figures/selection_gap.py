"""How much is gained by picking the best reading of the test images: best minus last, by size and method."""

from __future__ import annotations

import dataclasses

from matplotlib.figure import Figure

from smallmix.figures.figure_text import MINUS, NO_NUMBER, FigureTable, FigureText, points
from smallmix.figures.seed_intervals import interval_sentence, t_interval
from smallmix.figures.seeds_by_size import draw_seeds_by_size, method_spread, seeds_per_point
from smallmix.figures.study_tables import StudyTables
from smallmix.figures.style import (
    MUTED,
    PAGE_WIDTH,
    legend_above,
    new_figure,
    percent_axis,
    publication_style,
    series_handle,
    series_look,
    size_axis_log,
    write_nothing_yet,
)


def with_gap(tables: StudyTables) -> StudyTables:
    """The same tables with a column `gap` in metrics: best minus last test accuracy, as a fraction."""
    gap = tables.metrics["best_test_accuracy"] - tables.metrics["final_test_accuracy"]
    return dataclasses.replace(tables, metrics=tables.metrics.assign(gap=gap))


@publication_style()
def draw_selection_gap(tables: StudyTables) -> Figure:
    """One panel: the gap in percentage points against the number of training images."""
    figure = new_figure(PAGE_WIDTH, 3.4)
    if tables.metrics.empty:
        return write_nothing_yet(figure, "No finished run yet.")
    axes = figure.subplots()
    axes.axhline(0, color=MUTED, linewidth=0.8)
    draw_seeds_by_size(axes, with_gap(tables), "gap", tables.study.sizes, method_spread(tables, tables.study.sizes))
    size_axis_log(axes, tables.study.sizes)
    percent_axis(axes, f"Best {MINUS} last accuracy (points)")
    legend_above(figure, [series_handle(series_look(tables.study.methods, m)) for m in tables.methods_present()])
    return figure


def describe_selection_gap(tables: StudyTables) -> FigureText:
    """The gaps in words and rows."""
    extended = with_gap(tables)
    methods = tables.methods_present()
    rows, sentences = [], []
    for size in sorted(tables.study.sizes):
        words, cells = [], []
        for method in methods:
            gaps = extended.seeds_of(size, method)["gap"].dropna()
            low, high = t_interval(gaps)
            mean = points(float(gaps.mean())) if len(gaps) else NO_NUMBER
            cells.append(f"{mean} ({points(low)} to {points(high)})" if len(gaps) > 1 else mean)
            words.append(f"{method} {mean}")
        rows.append((f"{size:,}", *cells))
        sentences.append(f"{size:,} images: {', '.join(words)}.")
    return FigureText(
        title="What picking the best reading adds",
        description="Best minus last test accuracy in percentage points. "
        + (" ".join(sentences) if methods else "No run is finished yet."),
        caption="Best minus last test accuracy of the same run, in percentage points: what selection on the test set "
        "adds. Where methods differ here, the best accuracy flatters one of them. "
        + interval_sentence(seeds_per_point(tables, tables.study.sizes)),
        table=FigureTable(("Training images", *methods), tuple(rows)),
    )
