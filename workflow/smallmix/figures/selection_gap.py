"""How much is gained by picking the best evaluation on the test images: best minus last, by size and method."""

from __future__ import annotations

from matplotlib.figure import Figure

from smallmix.figures.figure_files import FigureTable, FigureText
from smallmix.figures.seeds_by_size import draw_seeds_by_size, method_spread, points_text, seeds_sentence
from smallmix.figures.style import (
    MUTED,
    WIDE,
    Page,
    height_beyond,
    legend_above,
    new_figure,
    percent_axis,
    publication_style,
    series_handle,
    series_look,
    size_axis_log,
    write_nothing_yet,
)
from smallmix.tables.study_tables import SELECTION_GAP, SeedMean, StudyTables
from smallmix.wording import MINUS, count_of, points


@publication_style()
def draw_selection_gap(tables: StudyTables, page: Page = WIDE) -> Figure:
    """Draw one panel: the gap in percentage points against the number of training images."""
    handles = [series_handle(series_look(tables.study.methods, method)) for method in tables.methods_present()]
    figure = new_figure(page.width, 3.4 + height_beyond(handles, page.width))
    if tables.metrics.empty:
        return write_nothing_yet(figure, "No finished run yet.")
    axes = figure.subplots()
    axes.axhline(0, color=MUTED, linewidth=0.8)
    spread = method_spread(tables, tables.sizes)
    draw_seeds_by_size(axes, tables, SELECTION_GAP, tables.sizes, spread, say=_points_said)
    size_axis_log(axes, tables.study.sizes, label_share=0.075 * WIDE.width / page.width)
    percent_axis(axes, f"Best {MINUS} last accuracy (points)")
    legend_above(figure, handles)
    return figure


def _points_said(mean: SeedMean) -> str:
    return f"{points_text(mean)} points ({count_of(mean.seeds, 'seed')})"


def describe_selection_gap(tables: StudyTables) -> FigureText:
    """Describe the gaps."""
    methods = tables.methods_present()
    rows, sentences = [], []
    for size in tables.sizes:
        gaps = {method: tables.mean_of(SELECTION_GAP, size, method) for method in methods}
        rows.append((f"{size:,}", *map(points_text, gaps.values())))
        parts = [f"{method} {points(gap.mean)}" for method, gap in gaps.items()]
        sentences.append(f"{size:,} images: {', '.join(parts)}.")
    return FigureText(
        title="What picking the best evaluation adds",
        description="Best minus last test accuracy in percentage points. "
        + (" ".join(sentences) if methods else "No run is finished yet."),
        caption="Best minus last test accuracy of the same run, in percentage points: what selection on the test set "
        "adds. Where methods differ here, the best accuracy flatters one of them. "
        + seeds_sentence(tables, SELECTION_GAP, tables.sizes),
        table=FigureTable(("Training images", *methods), tuple(rows)),
    )
