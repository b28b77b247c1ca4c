"""Whether confidence can be believed: expected calibration error and signed gap, by size and method."""

from __future__ import annotations

from matplotlib.figure import Figure

from smallmix.figures.figure_text import MINUS, FigureTable, FigureText, percent, points
from smallmix.figures.seed_intervals import interval_sentence
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


@publication_style()
def draw_calibration(tables: StudyTables) -> Figure:
    """Two panels: the calibration error (how far off), and the signed gap (in which direction)."""
    figure = new_figure(PAGE_WIDTH, 3.5)
    if tables.metrics["expected_calibration_error"].dropna().empty:
        return write_nothing_yet(figure, "No finished run yet.")
    left, right = figure.subplots(1, 2)
    sizes = tables.study.sizes
    spread = method_spread(tables, sizes)
    draw_seeds_by_size(left, tables, "expected_calibration_error", sizes, spread)
    left.set_ylim(bottom=0)
    left.set_title("Expected calibration error")
    percent_axis(left, "Points")
    right.axhline(0, color=MUTED, linewidth=0.8)
    draw_seeds_by_size(right, tables, "calibration_gap", sizes, spread)
    right.set_title(f"Mean confidence {MINUS} accuracy")
    percent_axis(right, "")
    for axes in (left, right):
        size_axis_log(axes, sizes, "Training images (log axis)", label_share=0.16)
    legend_above(figure, [series_handle(series_look(tables.study.methods, m)) for m in tables.methods_present()])
    return figure


def describe_calibration(tables: StudyTables) -> FigureText:
    """Errors and gaps in words and rows."""
    methods = tables.methods_present()
    rows, sentences = [], []
    for size in sorted(tables.study.sizes):
        cells, words = [], []
        for method in methods:
            chosen = tables.seeds_of(size, method)
            error = float(chosen["expected_calibration_error"].mean())
            gap = float(chosen["calibration_gap"].mean())
            cells += [percent(error), points(gap)]
            words.append(f"{method} {percent(error)} with a gap of {points(gap)} points")
        rows.append((f"{size:,}", *cells))
        sentences.append(f"{size:,} images: {', '.join(words)}.")
    columns = ["Training images"]
    for method in methods:
        columns += [f"{method}: error", f"{method}: gap"]
    return FigureText(
        title="Calibration of the final network",
        description="Expected calibration error and signed calibration gap on the test images, means over seeds. "
        + (" ".join(sentences) if methods else "No run is finished yet."),
        caption="Left: expected calibration error (15 bins) of the final network on the test images; lower is better. "
        "Right: mean confidence minus accuracy; above zero is over-confident, below zero under-confident. "
        + interval_sentence(seeds_per_point(tables, tables.study.sizes)),
        table=FigureTable(tuple(columns), tuple(rows)),
    )
