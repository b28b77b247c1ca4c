"""How well each class is recognised, with and without mixing: one panel per size, one row per class."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from smallmix.figures.figure_files import FigureTable, FigureText
from smallmix.figures.marked_values import mark_value
from smallmix.figures.seeds_by_size import accuracy_text, points_text
from smallmix.figures.style import (
    WIDE,
    Page,
    height_beyond,
    legend_above,
    new_figure,
    publication_style,
    series_handle,
    series_look,
    write_nothing_yet,
)
from smallmix.study.study import asked_method, reference_method
from smallmix.tables.class_means import EACH_WAY, ClassMeans
from smallmix.tables.study_tables import FEWEST_FOR_AN_INTERVAL, StudyTables
from smallmix.wording import count_of, percent, points, spelt_out, visible_text

MOST_PANELS, PANELS_A_ROW = 6, 3
MOST_METHODS = 3  # in one row of a class
LONGEST_NAME = 16  # letters beside a row


@publication_style()
def draw_accuracy_by_class(tables: StudyTables, page: Page = WIDE) -> Figure:
    """Draw one panel per size: a dot per class and method, with a bar where there are three seeds or more."""
    means = ClassMeans(tables)
    sizes = drawn_sizes(means.sizes)
    if not sizes:
        return write_nothing_yet(new_figure(page.width, 2.4), "No finished run yet.")
    methods, labels = drawn_methods(tables, MOST_METHODS), means.shown()
    columns = 2 if len(sizes) == 4 else min(PANELS_A_ROW, len(sizes))
    columns = min(columns, page.panels)
    handles = [series_handle(series_look(tables.study.methods, method)) for method in methods]
    rows = -(-len(sizes) // columns)
    height = 0.7 + rows * (0.5 + (0.08 + 0.09 * len(methods)) * len(labels))
    figure = new_figure(page.width, height + height_beyond(handles, page.width))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for position, axes in enumerate(grid.ravel()):
        if position >= len(sizes):
            axes.set_axis_off()
            continue
        _draw_panel(axes, tables, means, sizes[position], methods, labels)
        if position + columns >= len(sizes):
            axes.set_xlabel("Accuracy (%)")
            axes.tick_params(labelbottom=True)
    low, high = grid[0][0].get_xlim()
    grid[0][0].set_xlim(max(0.0, low), min(100.0, high))  # all panels share it
    legend_above(figure, handles)
    return figure


def drawn_sizes(sizes: Sequence[int]) -> list[int]:
    """Return at most as many sizes as there is room for: the smallest, the largest, and some evenly between them."""
    if len(sizes) <= MOST_PANELS:
        return list(sizes)
    return [sizes[round(place * (len(sizes) - 1) / (MOST_PANELS - 1))] for place in range(MOST_PANELS)]


def drawn_methods(tables: StudyTables, most: int) -> list[str]:
    """Return at most so many finished methods, in the study's order: before others the reference and the asked one."""
    present = tables.methods_present()
    first = [method for method in (reference_method(tables.study), asked_method(tables.study)) if method in present]
    chosen = list(dict.fromkeys([*first, *present]))[:most]
    return [method for method in present if method in chosen]


def class_name(tables: StudyTables, label: int, limit: int = LONGEST_NAME) -> str:
    """Return the name of a class, or its number where the data set is not there."""
    return visible_text(tables.classes[label], limit) if label < len(tables.classes) else str(label)


def _draw_panel(
    axes: Axes, tables: StudyTables, means: ClassMeans, size: int, methods: Sequence[str], labels: Sequence[int]
) -> None:
    for position, method in enumerate(methods):
        look = series_look(tables.study.methods, method)
        shift = 0.26 * (position - (len(methods) - 1) / 2)
        found = [(row + shift, means.find(size, method, label).mean) for row, label in enumerate(labels)]
        for (height, mean), label in zip(found, labels, strict=True):
            if mean.seeds:
                text = f"{method}, {class_name(tables, label)}, {count_of(size, 'image')}: {accuracy_text(mean)}"
                mark_value(axes, 100 * mean.mean, height, text, look.tag("values"))
            if mean.has_interval:
                ends = [min(max(100 * end, 0.0), 100.0) for end in (mean.low, mean.high)]
                axes.plot(ends, [height, height], color=look.color, linewidth=1.1, gid=look.tag("interval"), zorder=2)
        known = [(100 * mean.mean, height) for height, mean in found if mean.seeds]
        axes.plot(
            [x for x, _ in known], [y for _, y in known], linestyle="none", marker=look.marker, markersize=4,
            color=look.color, gid=look.tag("class-means"), zorder=3, clip_on=False,
        )  # fmt: skip
    axes.set_title(count_of(size, "image"))
    axes.set_yticks(range(len(labels)), [class_name(tables, label) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))


def describe_accuracy_by_class(tables: StudyTables) -> FigureText:
    """Describe the worst and the best class of each method, and where the asked method gains most and least."""
    means, study = ClassMeans(tables), tables.study
    labels, methods = means.shown(), drawn_methods(tables, MOST_METHODS)
    asked, reference = asked_method(study), reference_method(study)
    rows = []
    for size in means.sizes:
        for label in labels:
            found = [means.find(size, method, label) for method in methods]
            gain = [] if asked is None else [points_text(means.find(size, asked, label).gain)]
            rows.append((f"{size:,}", class_name(tables, label), *(accuracy_text(one.mean) for one in found), *gain))
    sentences = [_sentence(tables, means, size, methods) for size in means.sizes]
    gained = () if asked is None else (f"{asked} against {reference}, points",)
    return FigureText(
        title="Accuracy by class",
        description="Accuracy on each class of the test images, means over seeds. "
        + (" ".join(sentences) or "No run is finished yet."),
        caption="Accuracy on each class of the test images, by the network at the end of the budget. "
        + _order_sentence(asked, reference, means)
        + _left_out_sentence(tables, means, methods)
        + f"Bars are 95 % t intervals of the mean over seeds, where there are {spelt_out(FEWEST_FOR_AN_INTERVAL)} "
        "seeds or more, cut at 0 and 100 %.",
        table=FigureTable(("Training images", "Class", *methods, *gained), tuple(rows)),
    )


def _sentence(tables: StudyTables, means: ClassMeans, size: int, methods: Sequence[str]) -> str:
    """Return from which to which class the accuracies of a size reach, and the gains of the asked method."""
    asked, labels = asked_method(tables.study), means.shown()
    parts = []
    for method in methods:
        known = [(means.find(size, method, label).mean.mean, label) for label in labels]
        ends = [f"{percent(mean)} ({class_name(tables, label)})" for mean, label in _ends(known)]
        parts += [f"{method} {' to '.join(ends)}"] if ends else []
    if asked is not None:
        gains = [(means.find(size, asked, label).gain.mean, label) for label in labels]
        ends = [f"{points(gain)} ({class_name(tables, label)})" for gain, label in _ends(gains)]
        parts += [f"{asked} against {reference_method(tables.study)} {' to '.join(ends)} points"] if ends else []
    return f"{size:,} images: {'; '.join(parts)}."


def _ends(numbers: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Return the least and the largest of the known numbers."""
    known = sorted(one for one in numbers if math.isfinite(one[0]))
    return [known[0], known[-1]] if known else []


def _order_sentence(asked: str | None, reference: str, means: ClassMeans) -> str:
    if asked is None:
        return ""
    order = f"Classes stand in the order of what {asked} gains over {reference} on the mean of all sizes"
    if not means.many:
        return f"{order}, the largest gain first. "
    return (
        f"{order}: of {len(means.labels):,} the {EACH_WAY} with the largest gains, then the {EACH_WAY} with the "
        "largest losses or smallest gains; class_summary.csv has all. "
    )


def _left_out_sentence(tables: StudyTables, means: ClassMeans, methods: Sequence[str]) -> str:
    """Say what the picture leaves out of a study of many sizes or methods."""
    left = []
    if len(drawn_sizes(means.sizes)) < len(means.sizes):
        left.append(f"{len(drawn_sizes(means.sizes))} of {len(means.sizes)} sizes")
    if len(methods) < len(tables.methods_present()):
        left.append(f"{len(methods)} of {len(tables.methods_present())} methods")
    return f"Drawn are {' and '.join(left)}. " if left else ""
