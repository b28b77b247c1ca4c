"""Learning curves: loss and accuracy over the iterations of training, the mean over seeds as a line.

The losses are a grid of sizes by methods: as optimised, on clean training images, and on test images. The article shows
training and test loss for 500, 250 and 100 images. The third line is what makes the first readable: the loss of mixed
images has a floor above zero. It can be compared only between methods with the same expected loss (see
`statistics.loss_floor`). The clean loss can be compared between all. The accuracies have one panel per size.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from smallmix.figures.figure_files import FigureTable, FigureText
from smallmix.figures.marked_values import mark_value
from smallmix.figures.style import (
    INK,
    MUTED,
    PAPER,
    WIDE,
    Page,
    SeriesLook,
    height_beyond,
    iteration_axis,
    legend_above,
    new_figure,
    percent_axis,
    publication_style,
    series_handle,
    series_look,
    within_percent,
    write_nothing_yet,
)
from smallmix.statistics.loss_floor import comparison_sentences
from smallmix.tables.study_tables import StudyTables
from smallmix.tables.thinning import points_per_line, thin_curve
from smallmix.wording import count_of, number, percent, visible_text

ARTICLE_SIZES = (100, 250, 500)
ROWS = 3
SETTLED_AFTER = 0.2  # of the budget
HIGHEST_SHARE = 0.98  # of the settled losses, which the panels are made for: a spike is rarer
ROOM_ABOVE = 1.12
MOMENTS_WITH_VALUES = 8  # of each curve, the last one among them
DEFAULT_CLASSES = 10  # where no data set is at hand to count them
LONGEST_TITLE = 20  # letters above a panel
COLUMNS = 3  # panels of accuracy side by side


def grid_sizes(tables: StudyTables) -> list[int]:
    """Return the sizes of the rows: the article's where the study has them all, else the three smallest with curves."""
    present = tables.sizes_with_history
    if set(ARTICLE_SIZES) <= set(present):
        return list(ARTICLE_SIZES)
    return present[:ROWS]


@publication_style()
def draw_loss_curves(tables: StudyTables, page: Page = WIDE) -> Figure:
    """Draw one row of panels per size and one column per method; the panels of a row share their axes.

    Many methods stand in several bands of such rows, one below the other.
    """
    sizes, methods = grid_sizes(tables), list(tables.study.methods)
    if not sizes:
        return write_nothing_yet(new_figure(page.width, 2.4), "No learning curve yet.")
    bands = -(-len(methods) // page.small_panels)
    columns = -(-len(methods) // bands)
    rows = bands * len(sizes)
    # Five panels beside each other would be wider than a page is on most screens.
    width = page.width if page != WIDE else max(5.0, 0.6 + 2.2 * columns)
    figure = new_figure(width, 0.7 + 1.75 * rows + (0.2 if page != WIDE else 0.0))
    seeds = max(1, tables.history["seed"].nunique())
    limit = points_per_line(len(sizes) * len(methods) * (3 + (seeds if seeds > 1 else 0)))
    grid = figure.subplots(rows, columns, squeeze=False, sharex="row", sharey="row")
    for row, column in itertools.product(range(rows), range(columns)):
        axes, (band, of_size) = grid[row][column], divmod(row, len(sizes))
        size, position = sizes[of_size], band * columns + column
        if position >= len(methods):
            axes.set_axis_off()
            continue
        look = series_look(methods, methods[position])
        _draw_panel(axes, tables, size, methods[position], limit)
        if of_size == 0:
            axes.set_title(visible_text(look.label, LONGEST_TITLE), color=look.color)
        if column == 0:
            axes.set_ylabel(f"{size:,} images\nloss")
        iteration_axis(axes, "Iteration" if of_size == len(sizes) - 1 else None)
        if column == columns - 1 or position == len(methods) - 1:  # the row is drawn
            _common_loss_axis(grid[row][0], tables, size)
    legend_above(
        figure,
        [
            Line2D([], [], color=INK, linewidth=1.5, label="test"),
            Line2D([], [], color=MUTED, linewidth=1.4, label="training, as optimised"),
            Line2D([], [], color=MUTED, linewidth=1.4, linestyle=(0, (1, 1.3)), label="training, clean images"),
        ],
    )
    return figure


def _draw_panel(axes: Axes, tables: StudyTables, size: int, method: str, limit: int) -> None:
    mean, look = tables.mean_curve(size, method), series_look(tables.study.methods, method)
    if mean.empty:
        axes.text(0.5, 0.5, "no run yet", transform=axes.transAxes, ha="center", va="center", color=MUTED)
        return
    draw_seed_curves(axes, tables.curves_of(size, method), "test_loss", look, limit, color=INK)
    draw_mean_curve(axes, mean, "train_loss", look, "training", limit, linewidth=1.3)
    draw_mean_curve(axes, mean, "clean_train_loss", look, "clean", limit, linewidth=1.5, linestyle=(0, (1, 1.3)))
    draw_mean_curve(axes, mean, "test_loss", look, "test", limit, linewidth=1.4, color=INK)
    _mark_moments(axes, mean, "test_loss", f"{method}, {size:,} images, test loss", look, number)


def _mark_moments(
    axes: Axes,
    mean: pd.DataFrame,
    column: str,
    what: str,
    look: SeriesLook,
    say: Callable[[float], str],
    scale: float = 1.0,
) -> None:
    """Say the values of a mean curve at a few moments, the last one among them."""
    curve = mean[column].dropna()
    places = np.unique(np.linspace(0, len(curve) - 1, MOMENTS_WITH_VALUES + 1).round().astype(int)[1:])
    for place in places if len(curve) else ():
        iteration, value = int(curve.index[place]), float(curve.iloc[place])
        mark_value(axes, iteration, scale * value, f"{what}, iteration {iteration:,}: {say(value)}", look.tag("values"))


def _common_loss_axis(axes: Axes, tables: StudyTables, size: int) -> None:
    """Set the row's limits: from zero to `highest_loss`."""
    limit = highest_loss(tables, size)
    if limit is not None:
        axes.set_ylim(0, limit)


def highest_loss(tables: StudyTables, size: int) -> float | None:
    """Return up to where the panels of a size reach, in nats; None where there is no loss.

    They are made for the losses after the first fifth of the budget, single spikes aside, and show the loss of guessing
    if a curve begins there. Before batch normalisation's running statistics have settled, an evaluation can be off by a
    factor of a hundred, and the first steps of a training can be as bad. On that scale all that follows would lie on
    the axis.
    """
    history = tables.history[tables.history["size"] == size]
    columns = ["train_loss", "clean_train_loss", "test_loss"]
    settled = _finite(history[history["iteration"] > SETTLED_AFTER * history["iteration"].max()][columns])
    every = _finite(history[columns])
    if not len(every):
        return None
    guessing = math.log(max(2, len(tables.classes) or DEFAULT_CLASSES))
    usual = float(np.quantile(settled, HIGHEST_SHARE)) if len(settled) else 0.0
    return ROOM_ABOVE * max(usual, min(float(every.max()), guessing)) or 1.0


def _finite(losses: pd.DataFrame) -> NDArray[np.float64]:
    """Return the known losses in one row."""
    values: NDArray[np.float64] = losses.to_numpy(dtype=float).ravel()
    return np.asarray(values[np.isfinite(values)])


def _cut_sentence(tables: StudyTables) -> str:
    """Say how many mean curves leave the panels at the top, and how high the highest is; empty where none does."""
    highest: list[tuple[float, str, int]] = []
    for size in grid_sizes(tables):
        limit = highest_loss(tables, size)
        for method in tables.study.methods:
            mean = tables.mean_curve(size, method)
            for column in ("train_loss", "clean_train_loss", "test_loss"):
                values = _finite(mean[[column]])
                if limit is not None and len(values) and max(values) > limit:
                    highest.append((float(max(values)), method, size))
    if not highest:
        return "No mean curve leaves its panel."
    value, method, size = max(highest)
    curves = "One curve leaves its panel" if len(highest) == 1 else f"{len(highest)} curves leave their panels"
    what = "loss" if len(tables.study.seeds) == 1 else "mean over seeds"
    return f"{curves} at the top: the highest {what} is {value:,.3g}, of {method} with {count_of(size, 'image')}."


def describe_loss_curves(tables: StudyTables) -> FigureText:
    """Describe where each loss ended."""
    rows, sentences = [], []
    for size in grid_sizes(tables):
        for method in tables.study.methods:
            mean = tables.mean_curve(size, method)
            if mean.empty:
                sentences.append(f"{method} with {size:,} images: no run yet.")
                continue
            lowest = float(mean["test_loss"].min())
            ends = [float(mean[column].iloc[-1]) for column in ("train_loss", "clean_train_loss", "test_loss")]
            rows.append((f"{size:,}", method, *(number(end) for end in ends), number(lowest)))
            sentences.append(
                f"{method} with {size:,} images ends at training loss {number(ends[0])} as optimised, "
                f"{number(ends[1])} on clean training images and {number(ends[2])} on test images "
                f"(lowest {number(lowest)})."
            )
    return FigureText(
        title="Loss over training",
        description="Training and test loss over the iterations, one panel per size and method. "
        + (" ".join(sentences) or "No learning curve yet."),
        caption="Loss over the iterations; rows share their axes. The solid coloured line is the loss that was "
        "optimised, of mixed images (and, for methods that mix labels, of mixed labels). With mixing it has a floor "
        f"above zero. {' '.join(comparison_sentences(tables.study))} The dotted line is the loss of the same network "
        "on the unmixed training images: that one can be compared between all. "
        f"{curve_seeds_sentence(tables)} The panels are as high as the losses after the first fifth of "
        f"the budget, single spikes aside. {_cut_sentence(tables)} "
        "Thinned so that every peak remains.",
        table=FigureTable(
            ("Training images", "Method", "Training, as optimised", "Training, clean", "Test, end", "Test, lowest"),
            tuple(rows),
        ),
    )


@publication_style()
def draw_accuracy_curves(tables: StudyTables, page: Page = WIDE) -> Figure:
    """Draw small panels, smallest size first; all share the percent axis."""
    sizes = tables.sizes_with_history
    if not sizes:
        return write_nothing_yet(new_figure(page.width, 2.4), "No learning curve yet.")
    columns = min(COLUMNS, page.panels, len(sizes))
    rows = -(-len(sizes) // columns)
    marks = _curve_marks(tables)
    figure = new_figure(page.width, 0.9 + 2.0 * rows + height_beyond(marks, page.width))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    seeds = max(1, tables.history["seed"].nunique())
    limit = points_per_line(len(sizes) * len(tables.study.methods) * (2 + (seeds if seeds > 1 else 0)))
    for position, axes in enumerate(grid.ravel()):
        if position >= len(sizes):
            axes.set_axis_off()
            continue
        for method in tables.study.methods:
            mean, look = tables.mean_curve(sizes[position], method), series_look(tables.study.methods, method)
            if mean.empty:
                continue
            draw_seed_curves(axes, tables.curves_of(sizes[position], method), "test_accuracy", look, limit, 100)
            dotted = {"linewidth": 1.2, "linestyle": (0, (1, 1.3))}
            draw_mean_curve(axes, mean, "clean_train_accuracy", look, "clean", limit, 100, **dotted)
            draw_mean_curve(axes, mean, "test_accuracy", look, "test", limit, 100, linewidth=1.5)
            _mark_moments(
                axes, mean, "test_accuracy", f"{method}, {sizes[position]:,} images, test", look, percent, 100
            )
            end = mean["test_accuracy"]
            axes.plot(
                [float(end.index[-1])], [100 * float(end.iloc[-1])], marker=look.marker, color=look.color,
                markeredgecolor=PAPER, markeredgewidth=0.8, gid=look.tag("end"), zorder=5, clip_on=False,
            )  # fmt: skip
        axes.set_title(f"{sizes[position]:,} images")
        percent_axis(axes, "Accuracy (%)" if position % columns == 0 else "")
        below = position + columns >= len(sizes)
        iteration_axis(axes, "Iteration" if below else None)
    within_percent(grid[0][0])
    legend_above(figure, marks)
    return figure


def _curve_marks(tables: StudyTables) -> list[Line2D]:
    """Return the legend of the accuracy's curves: the methods, then the kinds of lines."""
    handles = []
    for method in tables.study.methods:
        if method in set(tables.history["method"]):
            handle = series_handle(series_look(tables.study.methods, method))
            handle.set_linestyle("solid")
            handles.append(handle)
    return [
        *handles,
        Line2D([], [], color=MUTED, linewidth=1.5, label="test"),
        Line2D([], [], color=MUTED, linewidth=1.4, linestyle=(0, (1, 1.3)), label="training, clean images"),
    ]


def describe_accuracy_curves(tables: StudyTables) -> FigureText:
    """Describe where the accuracies ended."""
    rows, sentences = [], []
    for size in tables.sizes_with_history:
        parts = []
        for method in tables.study.methods:
            mean = tables.mean_curve(size, method)
            if mean.empty:
                continue
            test, train = (float(mean[column].iloc[-1]) for column in ("test_accuracy", "clean_train_accuracy"))
            rows.append((f"{size:,}", method, percent(test), percent(train)))
            parts.append(f"{method} {percent(test)} on test and {percent(train)} on clean training images")
        sentences.append(f"{size:,} images end at: {', '.join(parts)}.")
    return FigureText(
        title="Accuracy over training",
        description="Accuracy over the iterations on test images and on unmixed training images. "
        + (" ".join(sentences) or "No learning curve yet."),
        caption="Accuracy over the iterations. Solid: test images. Dotted: the unmixed, unaugmented training images, "
        f"evaluated with the same network at the same moments. {curve_seeds_sentence(tables)}",
        table=FigureTable(("Training images", "Method", "Test, end", "Training, clean, end"), tuple(rows)),
    )


def draw_mean_curve(
    axes: Axes,
    mean: pd.DataFrame,
    column: str,
    look: SeriesLook,
    part: str,
    limit: int,
    scale: float = 1.0,
    **line: Any,
) -> None:
    """Draw `column` of a mean curve (see `StudyTables.mean_curve`), thinned to `limit` points."""
    x, y = thin_curve(mean.index.to_numpy(dtype=float), mean[column].to_numpy(dtype=float) * scale, limit)
    axes.plot(x, y, gid=look.tag(part), **{"color": look.color, **line})


def draw_seed_curves(
    axes: Axes, curves: pd.DataFrame, column: str, look: SeriesLook, limit: int, scale: float = 1.0, **line: Any
) -> None:
    """Draw `column` of every seed faintly; nothing where there is one seed, whose curve is the mean already."""
    if curves["seed"].nunique() < 2:
        return
    for _, one in curves.groupby("seed"):
        x, y = thin_curve(one["iteration"].to_numpy(dtype=float), one[column].to_numpy(dtype=float) * scale, limit)
        axes.plot(
            x, y, gid=look.tag("seeds"), **{"color": look.color, "linewidth": 0.5, "alpha": 0.3, "zorder": 1, **line}
        )


def curve_seeds_sentence(tables: StudyTables) -> str:
    """Return what a line stands for, given the seeds that have histories."""
    most = int(tables.history["seed"].nunique()) if len(tables.history) else 0
    if most < 2:
        return "One seed." if most else ""
    return f"Lines are means over up to {most} seeds; the test curves of single seeds stand faintly behind."
