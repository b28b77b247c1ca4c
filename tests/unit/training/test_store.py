"""One process a training, whole records only, and nothing published that was damaged, foreign or half copied."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from smallmix import atomic_files
from smallmix.errors import CellBusyError, SmallmixError
from smallmix.training.store import RECORD_FILES, StoreEntry, store_key

from tests.tiny_cell import TinyData, forked, tiny_cell

RECORD = {"history.csv": b"iteration\n", "metrics.json": b"{}\n", "predictions.npz": b"PK"}
NEW_RECORD = {name: content + b"new" for name, content in RECORD.items()}
FILE_OPERATIONS = ("replace", "fsync", "fchmod", "unlink")


def finished_entry(folder: Path) -> StoreEntry:
    entry = StoreEntry(folder / ("e" * 32))
    entry.acquire()
    entry.finish(RECORD)
    entry.release()
    return entry


def kill_at(operation: int) -> None:
    """Let this process die at the n-th file operation from now on, as SIGKILL does: nothing is tidied up."""
    left = operation

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return call

    for name in FILE_OPERATIONS:
        setattr(os, name, counted(getattr(os, name)))


def was_killed(status: int) -> bool:
    assert status == 0 or os.WIFSIGNALED(status), "the forked process failed by itself"
    return status != 0


def test_the_key_covers_cell_data_and_code() -> None:
    cell = tiny_cell()
    keys = {
        store_key(cell, "d", "c"),
        store_key(tiny_cell("images"), "d", "c"),
        store_key(cell, "other", "c"),
        store_key(cell, "d", "other"),
    }
    assert len(keys) == 4
    assert store_key(tiny_cell(), "d", "c") in keys


def test_a_second_holder_is_refused_by_name_until_the_first_dies(tmp_path: Path) -> None:
    entry = StoreEntry(tmp_path / "entry")
    ready = tmp_path / "ready"
    child = os.fork()
    if child == 0:
        held = StoreEntry(tmp_path / "entry")
        held.acquire()
        ready.touch()
        time.sleep(60)
        os._exit(0)
    while not ready.exists():
        time.sleep(0.01)
    with pytest.raises(CellBusyError, match=f"trained by process {child} on "):
        entry.acquire()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    entry.acquire()  # the lock file is still there; the kernel has freed the lock
    assert f"process {os.getpid()} on " in (tmp_path / "entry" / "lock").read_text()
    entry.release()


def test_a_lock_on_a_removed_folder_is_no_lock_on_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = fcntl.flock
    removed: list[bool] = []

    def remove_first(stream: Any, flags: int) -> None:
        if not removed:
            removed.append(True)
            shutil.rmtree(tmp_path / "entry")
        lock(stream, flags)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    first = StoreEntry(tmp_path / "entry")
    first.acquire()
    assert (tmp_path / "entry" / "lock").exists()
    with pytest.raises(CellBusyError):
        StoreEntry(tmp_path / "entry").acquire()
    first.release()


def test_the_holder_removes_what_killed_writers_left(tmp_path: Path) -> None:
    entry = finished_entry(tmp_path)
    stale = [folder / f"{atomic_files.TEMPORARY_PREFIX}x" for folder in (entry.folder, entry.finished)]
    for path in stale:
        path.touch()
    os.utime(stale[0], (time.time() + 9e6, time.time() + 9e6))  # a clock was set back
    entry.acquire()
    entry.release()
    assert not any(path.exists() for path in stale)


def test_no_space_for_the_holders_name_does_not_matter(tmp_path: Path) -> None:
    def acquire_without_space() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        StoreEntry(tmp_path / "entry").acquire()
        StoreEntry(tmp_path / "entry").log("nobody can write this")

    assert forked(acquire_without_space) == 0


def test_a_store_that_cannot_be_used_raises_an_error_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SmallmixError, match=r"cannot use the store's folder .*file.*results/store"):
        StoreEntry(tmp_path / "file" / "entry").acquire()

    def no_locks(*_: Any) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(SmallmixError, match=r"this file system has no file locks.*file system with file locks"):
        StoreEntry(tmp_path / "entry").acquire()


def test_finishing_removes_the_checkpoints_last(tmp_path: Path) -> None:
    entry = StoreEntry(tmp_path / "entry")
    entry.acquire()
    (entry.folder / "checkpoint.pt").touch()
    assert not entry.is_finished
    assert entry.find_damage() is None
    entry.finish(RECORD)
    assert entry.is_finished
    assert not entry.has_checkpoint


@pytest.mark.parametrize("before", [None, RECORD], ids=["first record", "over an older one"])
def test_a_kill_anywhere_while_finishing_leaves_no_record_or_a_whole_one(
    tmp_path: Path, before: dict[str, bytes] | None
) -> None:
    for operation in range(1, 100):
        entry = StoreEntry(tmp_path / str(operation))
        entry.acquire()
        if before is not None:
            entry.finish(before)
        (entry.folder / "checkpoint.pt").touch()

        def finish_and_die(entry: StoreEntry = entry, operation: int = operation) -> None:
            kill_at(operation)
            entry.finish(NEW_RECORD)

        killed = was_killed(forked(finish_and_die))
        if entry.is_finished:
            found = {name: (entry.finished / name).read_bytes() for name in RECORD_FILES}
            assert found in (before, NEW_RECORD)
        else:
            assert entry.has_checkpoint, f"killed at operation {operation}: neither record nor checkpoint"
        if not killed:
            assert operation > 12
            assert entry.is_finished
            return
    pytest.fail("the process was killed at every operation: does it ever end?")


def test_a_kill_anywhere_while_publishing_leaves_no_metrics_or_a_whole_cell(tmp_path: Path) -> None:
    entry = finished_entry(tmp_path)
    for operation in range(1, 100):
        output = tmp_path / "cells" / str(operation)
        for name in RECORD_FILES:
            atomic_files.write_bytes(output / name, b"older " + RECORD[name])

        def publish_and_die(output: Path = output, operation: int = operation) -> None:
            kill_at(operation)
            entry.publish(output)

        killed = was_killed(forked(publish_and_die))
        found = {name: (output / name).read_bytes() for name in RECORD_FILES if (output / name).exists()}
        older = {name: b"older " + RECORD[name] for name in RECORD_FILES}
        assert "metrics.json" not in found or found in (older, RECORD)
        if not killed:
            assert operation > 9
            assert found == RECORD
            return
    pytest.fail("the process was killed at every operation: does it ever end?")


def test_publishing_removes_the_note_of_an_earlier_failure(tmp_path: Path) -> None:
    entry = finished_entry(tmp_path)
    output = tmp_path / "cell"
    atomic_files.write_text(output / "failure.json", "{}")
    entry.publish(output)
    assert sorted(path.name for path in output.iterdir()) == sorted(RECORD_FILES)


def test_another_trainings_record_is_not_taken(tmp_path: Path) -> None:
    entry = finished_entry(tmp_path)
    other = StoreEntry(tmp_path / ("f" * 32))
    shutil.copytree(entry.folder, other.folder)
    assert not other.is_finished
    assert other.find_damage() == "it is another training's"


@pytest.mark.parametrize("name", [*RECORD_FILES, "checksums.json"])
@pytest.mark.parametrize("damage", ["flipped", "empty", "missing"])
def test_a_damaged_record_is_trained_again_with_a_line_in_the_log(tmp_path: Path, name: str, damage: str) -> None:
    data, cell = TinyData.write(tmp_path), tiny_cell(iterations=2)
    output, _ = data.train(cell, tmp_path)
    wanted = (output / "history.csv").read_bytes()
    (entry_folder,) = (tmp_path / "store").iterdir()
    path = entry_folder / "finished" / name
    if damage == "missing":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content if damage == "flipped" else b"")
    output, lines = data.train(cell, tmp_path)
    assert (output / "history.csv").read_bytes() == wanted
    assert StoreEntry(entry_folder).is_finished
    reported = [line for line in lines if "is not used" in line]
    if (name, damage) == ("checksums.json", "missing"):
        assert reported == []  # never sealed: a kill does that, too
    else:
        assert len(reported) == 1
        assert reported[0] in (entry_folder / "log.txt").read_text()
    _, lines = data.train(cell, tmp_path)
    assert [line.partition(":")[0] for line in lines] == ["found in the store"]


def test_leftover_checkpoints_of_a_finished_training_go_away(tmp_path: Path) -> None:
    """A kill between the seal of a record and the removal of the checkpoints leaves them."""
    entry = finished_entry(tmp_path)
    (entry.folder / "checkpoint.pt").touch()
    entry.acquire()
    entry.discard_checkpoints()
    entry.release()
    assert not entry.has_checkpoint
