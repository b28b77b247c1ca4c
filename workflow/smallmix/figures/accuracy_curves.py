"""Accuracy over training, one panel a size: on the test images, and on the unmixed training images."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from smallmix.figures.figure_files import FigureTable, FigureText
from smallmix.figures.learning_curves import curve_seeds_sentence, draw_mean_curve, draw_seed_curves
from smallmix.figures.style import (
    MUTED,
    PAGE_WIDTH,
    PAPER,
    iteration_axis,
    legend_above,
    new_figure,
    percent_axis,
    publication_style,
    series_handle,
    series_look,
    write_nothing_yet,
)
from smallmix.tables.study_tables import StudyTables
from smallmix.tables.thinning import points_per_line
from smallmix.wording import percent

COLUMNS = 3


@publication_style()
def draw_accuracy_curves(tables: StudyTables) -> Figure:
    """Draw small panels, largest size first; all share the percent axis."""
    sizes = tables.sizes_with_history[::-1]
    if not sizes:
        return write_nothing_yet(new_figure(PAGE_WIDTH, 2.4), "No learning curve yet.")
    columns = min(COLUMNS, len(sizes))
    rows = -(-len(sizes) // columns)
    figure = new_figure(PAGE_WIDTH, 0.9 + 2.0 * rows)
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
            end = mean["test_accuracy"]
            axes.plot(
                [float(end.index[-1])], [100 * float(end.iloc[-1])], marker=look.marker, color=look.color,
                markeredgecolor=PAPER, markeredgewidth=0.8, gid=look.tag("end"), zorder=5, clip_on=False,
            )  # fmt: skip
        axes.set_title(f"{sizes[position]:,} images")
        percent_axis(axes, "Accuracy (%)" if position % columns == 0 else "")
        below = position + columns >= len(sizes)
        iteration_axis(axes, "Iteration" if below else None)
    methods = [method for method in tables.study.methods if method in set(tables.history["method"])]
    handles = []
    for method in methods:
        handle = series_handle(series_look(tables.study.methods, method))
        handle.set_linestyle("solid")
        handles.append(handle)
    legend_above(
        figure,
        [
            *handles,
            Line2D([], [], color=MUTED, linewidth=1.5, label="test"),
            Line2D([], [], color=MUTED, linewidth=1.4, linestyle=(0, (1, 1.3)), label="training, clean images"),
        ],
    )
    return figure


def describe_accuracy_curves(tables: StudyTables) -> FigureText:
    """Describe where the accuracies ended."""
    rows, sentences = [], []
    for size in tables.sizes_with_history[::-1]:
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
