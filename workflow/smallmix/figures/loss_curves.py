"""Loss over training, a grid of sizes by methods: as optimised, on clean training images, and on test images.

The article shows training and test loss for 500, 250 and 100 images. The third line is what makes the first readable:
the loss of mixed images has a floor above zero. It can be compared only between methods with the same expected loss
(see `statistics.loss_sentences`). The clean loss can be compared between all.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from smallmix.figures.figure_files import FigureTable, FigureText
from smallmix.figures.learning_curves import curve_seeds_sentence, draw_mean_curve, draw_seed_curves
from smallmix.figures.style import (
    INK,
    MUTED,
    iteration_axis,
    legend_above,
    new_figure,
    publication_style,
    series_look,
    write_nothing_yet,
)
from smallmix.statistics.loss_sentences import comparison_sentences
from smallmix.tables.study_tables import StudyTables
from smallmix.tables.thinning import points_per_line
from smallmix.wording import number, visible_text

ARTICLE_SIZES = (500, 250, 100)
ROWS = 3
SETTLED_AFTER = 0.2  # of the budget
LONGEST_TITLE = 20  # letters above a panel


def grid_sizes(tables: StudyTables) -> list[int]:
    """Return the sizes of the rows: the article's where the study has them all, else the three smallest with curves."""
    present = tables.sizes_with_history
    if set(ARTICLE_SIZES) <= set(present):
        return list(ARTICLE_SIZES)
    return sorted(present[:ROWS], reverse=True)


@publication_style()
def draw_loss_curves(tables: StudyTables) -> Figure:
    """Draw a row of panels a size, a column a method; rows share their axes."""
    sizes, methods = grid_sizes(tables), list(tables.study.methods)
    if not sizes:
        return write_nothing_yet(new_figure(7.2, 2.4), "No learning curve yet.")
    figure = new_figure(max(5.0, 0.6 + 2.2 * len(methods)), 0.7 + 1.75 * len(sizes))
    seeds = max(1, tables.history["seed"].nunique())
    limit = points_per_line(len(sizes) * len(methods) * (3 + (seeds if seeds > 1 else 0)))
    grid = figure.subplots(len(sizes), len(methods), squeeze=False, sharex="row", sharey="row")
    for row, size in enumerate(sizes):
        for column, method in enumerate(methods):
            axes = grid[row][column]
            look = series_look(tables.study.methods, method)
            _draw_panel(axes, tables, size, method, limit)
            if row == 0:
                axes.set_title(visible_text(look.label, LONGEST_TITLE), color=look.color)
            if column == 0:
                axes.set_ylabel(f"{size:,} images\nloss")
            iteration_axis(axes, "Iteration" if row == len(sizes) - 1 else None)
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


def _common_loss_axis(axes: Axes, tables: StudyTables, size: int) -> None:
    """Set the row's limits: from zero to its highest losses, single spikes and the early test loss aside.

    Before batch normalisation's running statistics have settled, an evaluation can be off by a factor of
    a hundred; on its scale all that follows would lie on the axis.
    """
    history = tables.history[tables.history["size"] == size]
    settled = history[history["iteration"] > SETTLED_AFTER * history["iteration"].max()]
    losses = np.concatenate(
        [
            history["train_loss"].to_numpy(dtype=float),
            settled[["test_loss", "clean_train_loss"]].to_numpy(dtype=float).ravel(),
        ]
    )
    losses = losses[np.isfinite(losses)]
    if len(losses):
        axes.set_ylim(0, 1.12 * float(np.quantile(losses, 0.998)) or 1.0)


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
        description="Training and test loss over the iterations, one panel a size and method. "
        + (" ".join(sentences) or "No learning curve yet."),
        caption="Loss over the iterations; rows share their axes. The solid coloured line is the loss that was "
        "optimised, of mixed images (and, for methods that mix labels, of mixed labels). With mixing it has a floor "
        f"above zero. {' '.join(comparison_sentences(tables.study))} The dotted line is the loss of the same network "
        "on the unmixed training images: that one can be compared between all. "
        f"{curve_seeds_sentence(tables)} The panels are as high as the losses after the first fifth of "
        "the budget: before that, the clean and test loss may leave at the top. "
        "Thinned so that every peak remains.",
        table=FigureTable(
            ("Training images", "Method", "Training, as optimised", "Training, clean", "Test, end", "Test, lowest"),
            tuple(rows),
        ),
    )
