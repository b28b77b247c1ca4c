"""Test accuracy against the number of training images: linear, logarithmic, and the small sizes alone.

The accuracy is the one that the study declares; the report sets the other selections beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from smallmix.figures.figure_files import FigureText
from smallmix.figures.seeds_by_size import (
    accuracy_table,
    accuracy_text,
    draw_published,
    draw_seeds_by_size,
    method_distance,
    method_spread,
    seeds_sentence,
)
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
    size_axis_linear,
    size_axis_log,
    within_percent,
    write_nothing_yet,
)
from smallmix.tables.study_tables import LARGEST_SMALL_SIZE, StudyTables

# How a run's accuracy was selected, by the selection that the study declares.
SELECTED = {
    "last": "Test accuracy at the end of each run, which was not chosen by a result.",
    "last_tenth": "Median test accuracy in the last tenth of each run, which was not chosen by a result.",
    "validation": "Test accuracy of each run at its best validation accuracy, so nothing was chosen on the test set.",
}


def draw_accuracy_by_size(tables: StudyTables, page: Page = WIDE) -> Figure:
    """Draw all sizes on a linear axis."""
    return _draw(tables, tables.sizes, page, logarithmic=False)


def draw_accuracy_by_size_log(tables: StudyTables, page: Page = WIDE) -> Figure:
    """Draw all sizes on a logarithmic axis."""
    return _draw(tables, tables.sizes, page, logarithmic=True)


def draw_accuracy_by_size_small(tables: StudyTables, page: Page = WIDE) -> Figure:
    """Draw the sizes up to 10,000 on a linear axis."""
    return _draw(tables, tables.small_sizes, page, logarithmic=False)


def describe_accuracy_by_size(tables: StudyTables) -> FigureText:
    """Describe the linear figure."""
    return _describe(tables, tables.sizes, "linear axis")


def describe_accuracy_by_size_log(tables: StudyTables) -> FigureText:
    """Describe the logarithmic figure."""
    return _describe(tables, tables.sizes, "logarithmic axis")


def describe_accuracy_by_size_small(tables: StudyTables) -> FigureText:
    """Describe the figure of small sizes."""
    return _describe(tables, tables.small_sizes, f"at most {LARGEST_SMALL_SIZE:,} images, linear axis")


@publication_style()
def _draw(tables: StudyTables, sizes: Sequence[int], page: Page, logarithmic: bool) -> Figure:
    handles = [series_handle(series_look(tables.study.methods, method)) for method in tables.methods_present()]
    figure = new_figure(page.width, (4.2 if page == WIDE else 3.6) + height_beyond(handles, page.width))
    if tables.metrics[tables.metrics["size"].isin(list(sizes))].empty:
        return write_nothing_yet(figure, "No finished run at these sizes yet.")
    axes = figure.subplots()
    spread = method_spread(tables, sizes) if logarithmic else 1.0
    distance = 0.0 if logarithmic else method_distance(tables, sizes)
    draw_seeds_by_size(axes, tables, tables.declared_metric, sizes, spread, distance)
    published = draw_published(axes, tables, sizes, spread, distance)
    if logarithmic:
        size_axis_log(axes, sizes, label_share=0.075 * WIDE.width / page.width)
    else:
        size_axis_linear(axes, sizes)
    percent_axis(axes)
    within_percent(axes)
    if published:
        handles.append(
            Line2D([], [], linestyle="none", marker="o", markersize=8.5, markerfacecolor="none", color=MUTED,
                   label="published (hollow)")
        )  # fmt: skip
    legend_above(figure, handles)
    return figure


def _describe(tables: StudyTables, sizes: Sequence[int], axis: str) -> FigureText:
    methods, metric = tables.methods_present(), tables.declared_metric
    sentences = [
        f"With {size:,} images: "
        + ", ".join(f"{method} {accuracy_text(tables.mean_of(metric, size, method))}" for method in methods)
        + "."
        for size in sizes
    ]
    description = f"Test accuracy against the number of training images, {axis}. " + (
        " ".join(sentences) if methods else "No run is finished yet."
    )
    caption = f"{_selected(tables)} {seeds_sentence(tables, metric, sizes)}"
    if any((size, method) in tables.published_accuracy for size in sizes for method in tables.study.methods):
        caption += " Hollow markers are the published values, of networks that were trained as the source says."
    if _reaches_beyond(tables, sizes):
        caption += " Bars that reach the frame are longer: no accuracy lies below 0 or above 100\N{NO-BREAK SPACE}%."
    return FigureText(
        title=f"Test accuracy by number of training images ({axis})",
        description=description,
        caption=caption,
        table=accuracy_table(tables, metric, sizes),
    )


def _reaches_beyond(tables: StudyTables, sizes: Sequence[int]) -> bool:
    """Return whether a drawn interval leaves 0 to 100 %."""
    means = [tables.mean_of(tables.declared_metric, size, method) for size in sizes for method in tables.study.methods]
    return any(mean.has_interval and (mean.low < 0 or mean.high > 1) for mean in means)


def _selected(tables: StudyTables) -> str:
    rule = "the article's rule: chosen" if tables.published else "chosen"
    best = f"Best test accuracy of each run ({rule} on the test set, hence a little too high)."
    return SELECTED.get(tables.study.selection, best)
