"""Figures of many methods stay legible: bands of panels, places beside each other, and looks that differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from smallmix.figures.accuracy_by_size import draw_accuracy_by_size
from smallmix.figures.catalogue import TABLE_FIGURES
from smallmix.figures.learning_curves import draw_loss_curves
from smallmix.figures.seeds_by_size import method_distance
from smallmix.figures.style import PAGE_WIDTH, height_beyond, series_look
from smallmix.tables.study_tables import StudyTables

from tests.synthetic_configuration import METHODS
from tests.unit.figures.study_with_tables import build_study_with_tables, tables_of

SIZES = [200, 50, 20]


def tables_with(folder: Path, count: int) -> StudyTables:
    """Return the tables of a study with so many methods."""
    further = {f"further-{place}": {"mix": "images", "beta": [1.0 + place, 1.0]} for place in range(count - 3)}
    return tables_of(build_study_with_tables(folder, sizes=SIZES, seeds=[0, 1], methods={**METHODS, **further}))


def row_of(axes: Axes) -> int:
    """Return the row of a panel in its figure."""
    place = axes.get_subplotspec()
    assert place is not None
    return int(place.rowspan.start)


@pytest.mark.parametrize(("count", "beside", "bands"), [(3, 3, 1), (4, 4, 1), (5, 3, 2), (8, 4, 2)])
def test_panels_of_loss_stand_at_most_four_beside_each_other(
    tmp_path: Path, count: int, beside: int, bands: int
) -> None:
    tables = tables_with(tmp_path, count)
    figure = draw_loss_curves(tables)
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == count * len(SIZES)
    assert figure.get_figwidth() == pytest.approx(max(5.0, 0.6 + 2.2 * beside))
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert titles == list(tables.study.methods), "every method has a title, in the study's order"
    of_first_size = [axes for axes in shown if row_of(axes) % len(SIZES) == 0]
    assert len(of_first_size) == count
    assert len({axes.get_ylim() for axes in of_first_size}) == 1, "bands can be compared"
    assert len({row_of(axes) for axes in of_first_size}) == bands


def test_many_methods_stand_beside_each_other_on_a_linear_axis(tmp_path: Path) -> None:
    tables = tables_with(tmp_path, 8)
    axes = draw_accuracy_by_size(tables).axes[0]
    places = np.array(sorted(places_of(line) for line in means_of(axes.lines)))
    assert places.shape == (8, 3)
    steps = np.diff(places, axis=0)
    # 0.45 times the 20 images from 0 to the smallest size, over seven steps between eight methods.
    assert np.allclose(steps, 0.45 * 20 / 7)
    assert np.allclose(places.mean(axis=0), sorted(SIZES)), "around the size itself"


def places_of(line: Line2D) -> tuple[float, ...]:
    """Return where on the axis of sizes a line has its points."""
    return tuple(np.asarray(line.get_xdata(), dtype=float).tolist())


def means_of(lines: Iterable[Line2D]) -> list[Line2D]:
    """Return the lines through the means; caps of bars have no line."""
    return [line for line in lines if str(line.get_gid()).endswith("-mean") and line.get_linestyle() != "None"]


def test_few_methods_stand_at_the_size_itself(tmp_path: Path) -> None:
    tables = tables_with(tmp_path, 3)
    assert method_distance(tables, SIZES) == 0
    axes = draw_accuracy_by_size(tables).axes[0]
    assert {places_of(line) for line in means_of(axes.lines)} == {(20.0, 50.0, 200.0)}


def test_looks_differ_beyond_the_eight_colours() -> None:
    methods = [f"method-{place}" for place in range(20)]
    looks = [series_look(methods, method) for method in methods]
    for one, other in itertools.combinations(looks, 2):
        assert (one.color, one.marker) != (other.color, other.marker), (one.label, other.label)


def test_a_long_legend_does_not_take_the_room_of_the_panels(tmp_path: Path) -> None:
    heights = []
    for count in (3, 8):
        figure = TABLE_FIGURES["accuracy_curves"].draw(tables_with(tmp_path / str(count), count))
        figure.draw_without_rendering()
        heights.append(figure.axes[0].get_window_extent().height)
    assert heights[1] > 0.85 * heights[0]
    handles = [Line2D([], [], label="label-smoothing") for _ in range(8)]
    assert height_beyond(handles[:3], PAGE_WIDTH) == 0
    assert height_beyond(handles, PAGE_WIDTH) > 0
