"""What the test images of each class are taken for: a matrix per method, at the smallest and the largest size.

A field is the page's blue, as opaque as the share is large. So it fades into white paper and into a dark page alike,
and its number can be read on either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from smallmix.figures.accuracy_by_class import class_name, drawn_methods
from smallmix.figures.figure_files import FigureTable, FigureText
from smallmix.figures.style import (
    INK,
    MUTED,
    PAGE_WIDTH,
    SERIES_COLORS,
    WIDE,
    Page,
    legend_above,
    new_figure,
    publication_style,
    write_nothing_yet,
)
from smallmix.tables.class_means import ClassMeans
from smallmix.tables.study_tables import StudyTables
from smallmix.wording import count_of, percent, visible_text

MOST_METHODS, PANELS_A_ROW = 6, 3
MOST_WITH_VALUES = 12  # classes; the fields of more are smaller than their numbers
LEAST_SHOWN = 0.005  # a share; a smaller one would be written as 0
MOST_OPAQUE = 0.6  # ink on a field of this opacity has a contrast above 4.5 to 1 on white, above 4 to 1 on dark
LEGEND_SHARES = (0.1, 0.5, 1.0)
COLOR = SERIES_COLORS[1]
LONGEST_NAME = 12  # letters beside a row and below a column
MISTAKES_NAMED = 3

# By label, then by predicted class: the share of the class's test images.
Shares = Mapping[int, Mapping[int, float]]


@publication_style()
def draw_confusion_matrices(tables: StudyTables, page: Page = WIDE) -> Figure:
    """Draw a matrix per size and method: rows are classes, columns what their images were predicted as.

    The matrices need their width: on a narrow `page` they would be no smaller.
    """
    del page
    sizes, methods, labels = _drawn(tables)
    if not sizes:
        return write_nothing_yet(new_figure(PAGE_WIDTH, 2.4), "No finished run yet.")
    columns = min(PANELS_A_ROW, len(methods))
    rows_a_size = -(-len(methods) // columns)
    side = (PAGE_WIDTH - 0.9) / PANELS_A_ROW
    figure = new_figure(PAGE_WIDTH if columns > 1 else side + 2, 0.9 + len(sizes) * rows_a_size * (side + 0.35))
    grid = figure.subplots(len(sizes) * rows_a_size, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.ravel():
        axes.set_axis_off()
    for row, size in enumerate(sizes):
        for position, method in enumerate(methods):
            below = position + columns >= len(methods) and row == len(sizes) - 1
            axes = grid[row * rows_a_size + position // columns][position % columns]
            axes.set_axis_on()
            _draw_matrix(axes, _shares(tables, size, method), labels)
            axes.set_title(f"{visible_text(method, 20)}, {size:,}")
            axes.set_yticks(range(len(labels)), [class_name(tables, label, LONGEST_NAME) for label in labels])
            axes.set_xticks(range(len(labels)), [class_name(tables, label, LONGEST_NAME) for label in labels])
            axes.tick_params(axis="x", labelrotation=90, length=0, labelbottom=below, labelsize=7.5)
            axes.tick_params(axis="y", length=0, labelsize=7.5)
    if len(labels) > MOST_WITH_VALUES:
        legend_above(figure, [_legend_entry(share) for share in LEGEND_SHARES])
    return figure


def _legend_entry(share: float) -> Patch:
    color = (*to_rgb(COLOR), MOST_OPAQUE * share)
    return Patch(facecolor=color, edgecolor=INK, linewidth=0.4, label=percent(share, 0))


def _drawn(tables: StudyTables) -> tuple[list[int], list[str], list[int]]:
    """Return the sizes, methods and classes that are drawn: of many classes those of the figure of accuracies."""
    present = sorted(set(tables.confusion["size"].astype(int)))
    means = ClassMeans(tables)
    return [*present[:1], *present[1:][-1:]], drawn_methods(tables, MOST_METHODS), sorted(means.shown())


def _shares(tables: StudyTables, size: int, method: str) -> Shares:
    chosen = tables.confusion[(tables.confusion["size"] == size) & (tables.confusion["method"] == method)]
    shares: dict[int, dict[int, float]] = {}
    for label, predicted, share in zip(chosen["label"], chosen["predicted"], chosen["share"], strict=True):
        shares.setdefault(int(label), {})[int(predicted)] = float(share)
    return shares


def _draw_matrix(axes: Axes, shares: Shares, labels: Sequence[int]) -> None:
    fields = [
        (row, column, share)
        for row, label in enumerate(labels)
        for column, predicted in enumerate(labels)
        if (share := shares.get(label, {}).get(predicted, 0.0)) >= LEAST_SHOWN
    ]
    axes.add_collection(
        PatchCollection(
            [Rectangle((column - 0.5, row - 0.5), 1, 1) for row, column, _ in fields],
            # Two decimals: no eye tells more apart, and a page with many matrices stays small.
            facecolors=[(*to_rgb(COLOR), round(MOST_OPAQUE * share, 2)) for _, _, share in fields],
            edgecolors="none",
            linewidths=0,
            clip_on=False,
            gid="shares",
        )
    )
    right = [Rectangle((place - 0.5, place - 0.5), 1, 1) for place in range(len(labels))]
    axes.add_collection(
        PatchCollection(right, facecolors="none", edgecolors=MUTED, linewidths=0.5, clip_on=False, gid="right")
    )
    if len(labels) <= MOST_WITH_VALUES:
        for row, column, share in fields:
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=6.5, color=INK)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.grid(visible=False)


def describe_confusion_matrices(tables: StudyTables) -> FigureText:
    """Describe the commonest mistakes of every matrix; the table has those of every class."""
    sizes, methods, labels = _drawn(tables)
    rows, sentences = [], []
    for size in sizes:
        for method in methods:
            shares = _shares(tables, size, method)
            mistakes = sorted(
                ((share, label, predicted) for label in labels for predicted, share in shares.get(label, {}).items()
                 if predicted != label),
                key=lambda one: -one[0],
            )  # fmt: skip
            if shares:
                named = [
                    f"{class_name(tables, label)} for {class_name(tables, predicted)} ({percent(share)})"
                    for share, label, predicted in mistakes[:MISTAKES_NAMED]
                ]
                found = f"takes most often {', '.join(named)}" if named else "makes no mistake"
                sentences.append(f"{method} with {size:,} images {found}.")
            for label in labels:
                if label in shares:
                    rows.append(_row(tables, size, method, label, shares[label]))
    many = ClassMeans(tables).many
    return FigureText(
        title="What the classes are taken for",
        description="Shares of the test images of each class by the predicted class. "
        + (" ".join(sentences) or "No run is finished yet."),
        caption="Confusion matrices of the networks at the end of the budget, at the smallest and the largest size. A "
        "row is a class of the test images, a column what they were predicted as; what is right stands in the framed "
        "fields. Numbers are percent of the class, over all seeds: the more, the stronger the colour. "
        + ("Only the classes of the figure before are shown, so that a row need not add up to 100. " if many else "")
        + ("" if len(methods) == len(tables.methods_present()) else f"Drawn are {count_of(len(methods), 'method')}. ")
        + "confusion.csv has all sizes, methods and classes.",
        table=FigureTable(("Training images", "Method", "Class", "Right", "Most often taken for"), tuple(rows)),
    )


def _row(
    tables: StudyTables, size: int, method: str, label: int, shares: Mapping[int, float]
) -> tuple[str, str, str, str, str]:
    others = sorted(((share, predicted) for predicted, share in shares.items() if predicted != label), reverse=True)
    named = [f"{class_name(tables, predicted)} {percent(share)}" for share, predicted in others[:MISTAKES_NAMED]]
    right = percent(shares.get(label, 0.0))
    return f"{size:,}", method, class_name(tables, label), right, ", ".join(named) or "nothing else"
