"""Protects what a watcher is told of a study: by real trainings that run, stop, fail, die and finish."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from smallmix.errors import Interrupted
from smallmix.planning.status import CellWatch, StudyStatus, read_status

from tests.tiny_cell import StopAtCheck
from tests.tiny_study import TinyStudy

FIRST, SECOND = "n20/non/seed0", "n20/label-mix/seed1"


@pytest.fixture
def tiny(tmp_path: Path) -> TinyStudy:
    return TinyStudy.write(tmp_path)


def watched(status: StudyStatus, place: str) -> CellWatch:
    return next(one for one in status.cells if one.id == place)


def test_an_empty_folder_has_cells_that_wait(tiny: TinyStudy) -> None:
    status = read_status(tiny.layout)
    assert status.counts == {"waiting": 6}
    assert (status.seconds_left, status.seconds_of_work, status.report, status.lately) == (None, None, None, ())
    assert not status.is_complete


def test_a_finished_cell_is_current_with_its_accuracy_and_time(tiny: TinyStudy) -> None:
    tiny.train(FIRST)
    status = read_status(tiny.layout)
    found = watched(status, FIRST)
    assert status.counts == {"current": 1, "waiting": 5}
    assert (found.state, found.iteration, found.share) == ("current", 6, 1.0)
    assert found.accuracy is not None
    assert 0 <= found.accuracy <= 1
    assert found.seconds is not None
    assert found.ended is not None
    assert abs(found.ended - time.time()) < 60
    assert status.lately == (found,)


def test_a_stopped_cell_says_where_it_goes_on(tiny: TinyStudy) -> None:
    with pytest.raises(Interrupted) as stopped:
        tiny.train(FIRST, StopAtCheck(8))
    found = watched(read_status(tiny.layout), FIRST)
    assert (found.state, found.has_checkpoint) == ("stopped", True)
    assert f"saved at iteration {found.iteration} of 6" in str(stopped.value)
    assert found.accuracy is not None
