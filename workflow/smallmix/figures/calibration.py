"""Whether confidence can be believed: expected calibration error and signed gap, by size and method."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

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
from smallmix.tables.study_tables import SeedMean, StudyTables
from smallmix.wording import MINUS, count_of, percent, points

CHANCE_DASH = (0, (4, 3))
ERROR, GAP, BY_CHANCE = "expected_calibration_error", "calibration_gap", "calibration_error_by_chance"


@publication_style()
def draw_calibration(tables: StudyTables, page: Page = WIDE) -> Figure:
    """Draw two panels: the calibration error (how far off), and the signed gap (in which direction)."""
    handles = [series_handle(series_look(tables.study.methods, method)) for method in tables.methods_present()]
    handles.append(Line2D([], [], color=MUTED, linestyle=CHANCE_DASH, label="by chance alone"))
    stacked = page.panels < 2
    figure = new_figure(page.width, (5.8 if stacked else 3.5) + height_beyond(handles, page.width))
    if tables.metrics[ERROR].dropna().empty:
        return write_nothing_yet(figure, "No finished run yet.")
    left, right = figure.subplots(2, 1) if stacked else figure.subplots(1, 2)
    sizes = tables.study.sizes
    spread = method_spread(tables, sizes)
    _draw_chance(left, tables)
    draw_seeds_by_size(left, tables, ERROR, sizes, spread, say=_points_said)
    left.set_ylim(bottom=0)
    left.set_title("Expected calibration error")
    percent_axis(left, "Points")
    right.axhline(0, color=MUTED, linewidth=0.8)
    draw_seeds_by_size(right, tables, GAP, sizes, spread, say=_points_said)
    right.set_title(f"Mean confidence {MINUS} accuracy")
    percent_axis(right, "Points" if stacked else "")
    for axes in (left, right):
        size_axis_log(axes, sizes, "Training images (log axis)", label_share=0.16)
    legend_above(figure, handles)
    return figure


def _points_said(mean: SeedMean) -> str:
    return f"{points_text(mean)} points ({count_of(mean.seeds, 'seed')})"


def _draw_chance(axes: Axes, tables: StudyTables) -> None:
    errors = tables.means_over_methods(BY_CHANCE)
    sizes, heights = list(errors), [100 * error for error in errors.values()]
    if len(errors) == 1:  # a line of one point would not be seen
        axes.axhline(heights[0], color=MUTED, linestyle=CHANCE_DASH, linewidth=1.0, gid="by-chance")
    else:
        axes.plot(sizes, heights, color=MUTED, linestyle=CHANCE_DASH, linewidth=1.0, gid="by-chance", zorder=1)


def _chance_sentence(tables: StudyTables, chance: dict[int, float]) -> str:
    if not chance:
        return ""
    least, most = percent(min(chance.values())), percent(max(chance.values()))
    images = "the" if tables.dataset is None else f"{tables.dataset.test_count:,}"
    return (
        f"The dashed line is its zero: even a perfectly calibrated network with these confidences would show "
        f"{least if least == most else f'{least} to {most}'} on {images} test images, by chance alone. "
    )


def describe_calibration(tables: StudyTables) -> FigureText:
    """Describe errors and gaps."""
    methods = tables.methods_present()
    chance = tables.means_over_methods(BY_CHANCE)
    rows, sentences = [], []
    for size in tables.sizes:
        cells, parts = [], []
        for method in methods:
            error, gap = (tables.mean_of(metric, size, method).mean for metric in (ERROR, GAP))
            cells += [percent(error), points(gap)]
            parts.append(f"{method} {percent(error)} with a gap of {points(gap)} points")
        by_chance = percent(chance.get(size, float("nan")))
        rows.append((f"{size:,}", *cells, by_chance))
        sentences.append(f"{size:,} images: {', '.join(parts)}; by chance alone {by_chance}.")
    columns = ["Training images"]
    for method in methods:
        columns += [f"{method}: error", f"{method}: gap"]
    columns.append("by chance alone")
    return FigureText(
        title="Calibration of the final network",
        description="Expected calibration error and signed calibration gap on the test images, means over seeds. "
        + (" ".join(sentences) if methods else "No run is finished yet."),
        caption="First: expected calibration error (15 bins) of the final network on the test images; lower is better. "
        + _chance_sentence(tables, chance)
        + "Second: mean confidence minus accuracy; above zero is over-confident, below zero under-confident. "
        + seeds_sentence(tables, ERROR, tables.sizes),
        table=FigureTable(tuple(columns), tuple(rows)),
    )
