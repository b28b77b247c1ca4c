"""Protects the study's time left: by hand-computed numbers of cells that were measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from smallmix.planning import time_left
from smallmix.planning.time_left import START_SECONDS, Measured, Unfinished, cells_seconds_left, side_by_side
from smallmix.study.layout import Layout
from smallmix.study.study import Study

from tests.synthetic_configuration import build_configuration


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A study whose plan says: a cell of 500 images costs three times one of 100."""
    monkeypatch.setattr(
        time_left, "_relations", lambda layout, cells: {cell.id: {100: 2.0, 500: 6.0}[cell.size] for cell in cells}
    )
    return Layout(Study.from_configuration(build_configuration(sizes=(100, 500))), tmp_path)


def test_without_a_measurement_nothing_is_said(layout: Layout) -> None:
    assert cells_seconds_left(layout, [], [Unfinished(layout.study.cells[0])]) is None


def test_other_sizes_follow_the_plans_relation(layout: Layout) -> None:
    cell = layout.study.cell
    measured = [Measured(cell("n100/non/seed0"), 10.0), Measured(cell("n100/non/seed1"), 14.0)]
    left = cells_seconds_left(
        layout,
        measured,
        [Unfinished(cell("n100/data-mix/seed0")), Unfinished(cell("n500/non/seed0"), done=0.5)],
    )
    assert left == {"n100/data-mix/seed0": START_SECONDS + 12.0, "n500/non/seed0": START_SECONDS + 18.0}


def test_a_size_that_was_measured_goes_by_its_own(layout: Layout) -> None:
    cell = layout.study.cell
    measured = [Measured(cell("n100/non/seed0"), 10.0), Measured(cell("n500/non/seed1"), 60.0)]
    left = cells_seconds_left(layout, measured, [Unfinished(cell("n500/non/seed0"))])
    assert left == {"n500/non/seed0": START_SECONDS + 60.0}


def test_a_running_cell_knows_best(layout: Layout) -> None:
    cell = layout.study.cell
    running = Unfinished(cell("n500/non/seed0"), done=0.9, seconds_left=3.0)
    assert cells_seconds_left(layout, [Measured(cell("n100/non/seed0"), 10.0)], [running]) == {"n500/non/seed0": 3.0}


def test_the_plan_relates_sizes_and_methods_by_their_work(tmp_path: Path) -> None:
    layout = Layout(Study.from_configuration(build_configuration(sizes=(100, 500))), tmp_path)
    relations = time_left._relations(layout, layout.study.cells)
    assert relations["n100/non/seed0"] == relations["n100/non/seed2"]
    assert 1.0 < relations["n500/non/seed0"] / relations["n100/non/seed0"] < 5.0  # evaluations cost both the same


def test_between_two_cells_as_many_train_as_before() -> None:
    spans = [(0.0, 95.0), (10.0, 96.0), (1.0, 9.0)]
    assert side_by_side(1, spans, 100.0) == 2
    assert side_by_side(0, spans, 100.0) == 2
    assert side_by_side(0, spans, 150.0) == 0  # nothing was begun for a while: nothing runs
    assert side_by_side(4, spans, 100.0) == 4
    assert side_by_side(1, spans, 1000.0) == 1
    assert side_by_side(1, spans, 90.0) == 2  # a clock that was set back: ends of the future do not count
    assert side_by_side(0, [], 0.0) == 0
