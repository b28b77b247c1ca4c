"""The numbers behind the marks of a figure: a page shows them where the pointer or the keyboard goes.

They lie in the SVG as invisible discs over the marks, each with its number as title. Browsers show titles by
themselves. The report's script shows them at once, and to people who use a keyboard.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smallmix.figures.style import ValueFigure
from smallmix.wording import unbroken, visible_text

RADIUS = 6  # typographic points
POINTS_AN_INCH = 72
LONGEST_VALUE = 200  # letters


@dataclass(frozen=True)
class MarkedValue:
    """A place of an axis, in data units, with its number in words; `group` is the SVG group of its method."""

    axes: Axes
    x: float
    y: float
    text: str
    group: str


def mark_value(axes: Axes, x: Any, y: Any, text: str, group: str) -> None:
    """Remember what a mark stands for. Nothing is drawn; figures of other makers forget it."""
    if isinstance(axes.figure, ValueFigure):
        axes.figure.values.append(MarkedValue(axes, float(x), float(y), text, group))


def with_values(svg: str, figure: Figure) -> str:
    """Return the saved SVG of a figure with its values. Marks outside of their axes have none: they are not seen."""
    if not isinstance(figure, ValueFigure) or not figure.values:
        return svg
    groups = [
        f'<g id="{group}">{"".join(map(_disc, values))}</g>'
        for group, values in groupby(sorted(figure.values, key=_group), key=_group)
    ]
    body, end, after = svg.rpartition("</svg>")
    return f'{body}<g class="values" fill="none" pointer-events="all">{"".join(groups)}</g>\n{end}{after}'


def _group(value: MarkedValue) -> str:
    return value.group


def _disc(value: MarkedValue) -> str:
    axes = value.axes
    figure = axes.figure
    assert isinstance(figure, Figure)
    x, y = axes.transData.transform((value.x, value.y))
    left, low, right, high = axes.bbox.extents
    if not (left - 1 <= x <= right + 1 and low - 1 <= y <= high + 1):
        return ""
    scale = POINTS_AN_INCH / figure.dpi
    across, down = x * scale, figure.get_figheight() * POINTS_AN_INCH - y * scale
    title = escape(unbroken(visible_text(value.text, LONGEST_VALUE)))
    return f'<circle cx="{across:.1f}" cy="{down:.1f}" r="{RADIUS}"><title>{title}</title></circle>'
