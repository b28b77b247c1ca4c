"""Protects what a running training says of itself: truly, seldom, and never at the training's cost."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from smallmix.errors import Interrupted
from smallmix.training.progress import Progress, ProgressFile, read_progress
from smallmix.training.store import StoreEntry

from tests.tiny_cell import StopAtCheck, TinyData, tiny_cell


@dataclass
class Clock:
    """A clock that a test moves."""

    time: float = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "progress.json"


def test_it_is_written_at_most_every_two_seconds(path: Path, clock: Clock) -> None:
    progress = ProgressFile(path, 300, clock)
    progress.begin(0)
    assert read_progress(path) == Progress(0, 300)
    asked: list[int] = []

    def accuracy() -> float:
        asked.append(1)
        return 0.25

    for iteration in range(1, 17):
        clock.time += 0.25
        progress.note(iteration, accuracy)
    assert len(asked) == 2
    assert read_progress(path) == Progress(16, 300, accuracy=0.25, rate=4.0, seconds_left=71.0)


def test_a_run_that_goes_on_counts_its_own_steps(path: Path, clock: Clock) -> None:
    progress = ProgressFile(path, 300, clock)
    progress.begin(200, 0.5)
    assert read_progress(path) == Progress(200, 300, accuracy=0.5, saved=200)
    progress.note_saved(210)
    clock.time += 4
    progress.note(220, lambda: 0.6)
    assert read_progress(path) == Progress(220, 300, accuracy=0.6, rate=5.0, seconds_left=16.0, saved=210)


def test_a_clock_that_goes_backwards_is_no_error(path: Path, clock: Clock) -> None:
    progress = ProgressFile(path, 300, clock)
    progress.begin(0)
    clock.time -= 50
    progress.note(7, lambda: None)
    assert read_progress(path) == Progress(7, 300)


def test_what_cannot_be_written_is_let_pass(tmp_path: Path, clock: Clock) -> None:
    progress = ProgressFile(tmp_path / "missing" / "progress.json", 300, clock)
    progress.begin(0)
    clock.time += 3
    progress.note(1, lambda: float("nan"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\x00", b"null", b'{"iteration": 3}', b'{"iteration": 9, "iterations": 3}',
     b'{"iteration": -1, "iterations": 3}', b'{"iteration": true, "iterations": 3}', b"[" * 5000],
)  # fmt: skip
def test_a_damaged_file_says_nothing(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert read_progress(path) is None


def test_what_cannot_be_is_left_out(path: Path) -> None:
    path.write_text('{"iteration": 1, "iterations": 3, "accuracy": 7, "rate": "x", "seconds_left": NaN, "saved": 9}')
    assert read_progress(path) == Progress(1, 3)


def test_no_file_says_nothing(path: Path) -> None:
    assert read_progress(path) is None


def test_a_training_leaves_no_progress_behind_and_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the file can be written or not: history and predictions are the same."""
    data, cell = TinyData.write(tmp_path), tiny_cell()
    monkeypatch.setattr("smallmix.training.progress.SECONDS_BETWEEN", 0.0)
    written: list[Progress | None] = []
    real = os.replace

    def replace(source: str | Path, target: str | Path) -> None:
        real(source, target)
        if Path(target).name == "progress.json":
            written.append(read_progress(Path(target)))

    monkeypatch.setattr(os, "replace", replace)
    first, _ = data.train(cell, tmp_path / "a")
    assert [one.iteration for one in written if one is not None] == [0, 1, 2, 3, 4, 5, 6]
    assert written[-1] is not None
    assert written[-1].iterations == 6
    assert written[-1].accuracy is not None
    assert not list((tmp_path / "a" / "store").rglob("progress.json"))

    def refuse(source: str | Path, target: str | Path) -> None:
        if Path(target).name == "progress.json":
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    second, _ = data.train(cell, tmp_path / "b")
    for name in ("history.csv", "predictions.npz"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_new_attempt_forgets_the_progress_of_the_last(tmp_path: Path) -> None:
    data, cell = TinyData.write(tmp_path), tiny_cell(iterations=50, every=50)
    with pytest.raises(Interrupted):
        data.train(cell, tmp_path / "a", StopAtCheck(8))
    (folder,) = (tmp_path / "a" / "store").iterdir()
    stale = {"iteration": 49, "iterations": 50, "saved": 49}
    StoreEntry(folder).progress_file.write_text(json.dumps(stale))
    with pytest.raises(Interrupted):
        data.train(cell, tmp_path / "a", StopAtCheck(1))
    assert read_progress(folder / "progress.json") != Progress(49, 50, saved=49)


def test_a_full_disk_leaves_no_part_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("smallmix.training.progress.os.replace", full)
    ProgressFile(tmp_path / "progress.json", iterations=10).begin(3)
    assert list(tmp_path.iterdir()) == []
