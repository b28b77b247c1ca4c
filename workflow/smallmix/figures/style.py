"""The look of all figures: ink, colours, markers, dashes, and axes that read alike.

The colours are plain, so that a saved SVG can be read by any program on its own white paper. Each stands for a role:
a page exchanges them for its own colours (`smallmix.figures.inline`), which follow the scheme.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from smallmix.wording import visible_text

INK = "#20262e"
MUTED = "#5f6b7a"
RULE = "#d9dee5"
PAPER = "#ffffff"
# After Okabe and Ito's palette, darkened where it is too pale on white; told apart with any colour vision, and by
# marker and dash without colour.
SERIES_COLORS = ("#5b6470", "#0072b2", "#d55e00", "#008f69", "#aa4499", "#a67c00", "#3f9bd1", "#882255")
SERIES_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
SERIES_DASHES: tuple[Any, ...] = (
    "solid",
    (0, (5, 1.6)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (8, 2)),
    (0, (3, 1.2)),
    (0, (3, 1.2, 1.2, 1.2, 1.2, 1.2)),
    (0, (1.2, 2.4)),
)
TEXT_SIZE = 9.5
PAGE_WIDTH = 7.2  # inches: the report's column
LEGEND_ROW = 0.2  # inches


@dataclass(frozen=True)
class Page:
    """The page that a figure is drawn for: its width in inches, and the most panels side by side."""

    width: float
    panels: int
    small_panels: int


WIDE = Page(PAGE_WIDTH, panels=3, small_panels=4)
# A phone shows it at nearly this size. Small panels are those without names beside their rows.
NARROW = Page(4.0, panels=1, small_panels=2)


@dataclass(frozen=True)
class SeriesLook:
    """How one method looks in every figure; `index` is its position in the study."""

    index: int
    label: str
    color: str
    marker: str
    dash: Any

    def tag(self, part: str) -> str:
        """Return the SVG group name by which the page finds everything of this method."""
        return f"series-{self.index}-{part}"


def series_look(methods: Sequence[str], method: str) -> SeriesLook:
    """Return the look of a method, given the study's methods in order."""
    index = list(methods).index(method)
    turns, turn = divmod(index, len(SERIES_COLORS))
    # A colour that comes again has another marker and dash.
    other = (index + turns) % len(SERIES_MARKERS)
    return SeriesLook(
        index=index,
        label=visible_text(method, limit=40),
        color=SERIES_COLORS[turn],
        marker=SERIES_MARKERS[other],
        dash=SERIES_DASHES[other],
    )


@contextlib.contextmanager
def publication_style() -> Iterator[None]:
    """Draw inside this block (or a function decorated with it): one look, and names with dollar signs stay names."""
    settings: dict[str, Any] = {
        "axes.edgecolor": MUTED,
        "axes.facecolor": "none",
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "axes.labelcolor": INK,
        "axes.labelsize": TEXT_SIZE,
        "axes.linewidth": 0.8,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": TEXT_SIZE + 0.5,
        "axes.titleweight": "bold",
        "axes.titlecolor": INK,
        "figure.facecolor": PAPER,
        "font.family": ["DejaVu Sans"],
        "font.size": TEXT_SIZE,
        "grid.color": RULE,
        "grid.linewidth": 0.7,
        "legend.fontsize": TEXT_SIZE,
        "legend.frameon": False,
        "legend.labelcolor": INK,
        "lines.linewidth": 1.6,
        "lines.markersize": 5.5,
        "lines.solid_capstyle": "round",
        "text.color": INK,
        "text.parse_math": False,
        "xtick.color": MUTED,
        "xtick.labelcolor": INK,
        "xtick.labelsize": TEXT_SIZE - 0.5,
        "ytick.color": MUTED,
        "ytick.labelcolor": INK,
        "ytick.labelsize": TEXT_SIZE - 0.5,
        "ytick.major.size": 0,
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever a matplotlibrc of this machine says, the bytes are the same
        for key, value in settings.items():
            matplotlib.rcParams[key] = value  # type: ignore[index]
        yield


class ValueFigure(Figure):
    """A figure that knows what its marks stand for (`marked_values.MarkedValue`)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.values: list[Any] = []


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure (inches) whose parts keep out of each other's way."""
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06, hspace=0.04, wspace=0.04)
    return ValueFigure(figsize=(width, height), layout=layout)


def series_handle(look: SeriesLook) -> Line2D:
    """Return a method's entry in a legend."""
    return Line2D(
        [], [], color=look.color, marker=look.marker, linestyle=look.dash, label=look.label, gid=look.tag("legend")
    )


def legend_above(figure: Figure, handles: Sequence[Any]) -> None:
    """Draw a legend over the figure, outside all axes, so that it covers no data, in as few rows as fit."""
    if handles:
        figure.legend(
            handles=list(handles),
            loc="outside upper left",
            ncols=_legend_columns([str(handle.get_label()) for handle in handles], figure.get_figwidth()),
            handlelength=2.6,
            columnspacing=1.6,
            borderaxespad=0.2,
        )


def height_beyond(handles: Sequence[Any], width: float) -> float:
    """Return the inches that a legend takes beyond two rows, which every figure has room for."""
    columns = _legend_columns([str(handle.get_label()) for handle in handles], width)
    return LEGEND_ROW * max(0, -(-len(handles) // columns) - 2)


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """Return how many columns fit into `width` inches, in even rows; matplotlib splits labels as numpy.array_split."""
    for rows in range(1, len(labels)):
        columns = -(-len(labels) // rows)
        widest = [max(map(len, column)) for column in np.array_split(np.array(labels, dtype=object), columns)]
        if sum(0.74 + 0.08 * letters for letters in widest) <= width:
            return columns
    return 1


def percent_axis(axes: Axes, label: str = "Test accuracy (%)") -> None:
    """Write the y axis in percent, of fractions that were multiplied by 100 already."""
    axes.set_ylabel(label)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "\N{MINUS SIGN}")))


def within_percent(axes: Axes) -> bool:
    """Keep the y axis within 0 and 100: an accuracy lies nowhere else. Return whether something drawn is cut.

    Intervals can reach beyond. Marks at the frame are drawn whole.
    """
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low), min(100.0, high))
    return bool(low < 0.0 or high > 100.0)


def size_axis_log(
    axes: Axes, sizes: Sequence[int], label: str = "Training images (logarithmic axis)", label_share: float = 0.075
) -> None:
    """Draw a logarithmic x axis whose ticks are the study's own sizes.

    A label that would come nearer to its neighbour than `label_share` of the axis is left out.
    """
    axes.set_xscale("log")
    axes.set_xlabel(label)
    if not sizes:
        return
    ordered = sorted(set(sizes))
    low, high = ordered[0] / 1.35, ordered[-1] * 1.35
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([float(size) for size in ordered]))
    axes.xaxis.set_minor_locator(NullLocator())
    room = (high / low) ** label_share
    shown = [ordered[-1]]
    for size in reversed(ordered[:-1]):
        if shown[-1] / size >= room and (size == ordered[0] or size / ordered[0] >= room):
            shown.append(size)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(value):,}" if round(value) in shown else ""))


def size_axis_linear(axes: Axes, sizes: Sequence[int], label: str = "Training images") -> None:
    """Draw a linear x axis from 0 to a little beyond the largest size."""
    axes.set_xlabel(label)
    largest = max(sizes, default=1)
    axes.set_xlim(-0.03 * largest, 1.05 * largest)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 0 else ""))


def iteration_axis(axes: Axes, label: str | None = "Iteration") -> None:
    """Draw an x axis of optimiser steps, thousands written as 20k."""
    if label:
        axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))


def thousands(value: float) -> str:
    """Write 1500 as 1.5k, 117000 as 117k, 300 as 300."""
    return f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:g}"


def write_nothing_yet(figure: Figure, message: str) -> Figure:
    """Write into the figure that there is nothing to draw yet, and return it."""
    figure.set_figheight(1.2)
    figure.text(0.5, 0.5, message, ha="center", va="center", color=MUTED, fontsize=TEXT_SIZE + 1)
    return figure
