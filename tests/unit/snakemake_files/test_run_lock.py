"""A killed Snakemake locks nobody out, and two at once on one study do not happen."""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from smallmix import file_locks
from smallmix.commands.clean import COMMANDS
from smallmix.errors import SmallmixError
from smallmix.snakemake_files import run_lock
from smallmix.snakemake_files.run_lock import clear_stale_locks, find_holders, hold_run_lock

PACKAGE = Path(__file__).resolve().parents[3] / "workflow"


@contextmanager
def another_run(study: str, folder: Path) -> Iterator[int]:
    """Start a process that runs `study` until the block ends, when it is killed."""
    ready = folder / "ready"
    child = os.fork()
    if child == 0:
        hold_run_lock(study, folder)
        ready.touch()
        time.sleep(60)
        os._exit(0)
    while not ready.exists():
        time.sleep(0.01)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project's .snakemake with the marks that a killed Snakemake leaves."""
    monkeypatch.setattr(run_lock, "PATIENCE_SECONDS", 0.2)
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "0.input.lock").touch()
    return tmp_path


def test_what_a_killed_one_left_is_cleared(folder: Path) -> None:
    with another_run("article", folder):
        pass
    assert clear_stale_locks("article", folder) is None
    assert not (folder / "locks").exists()
    hold_run_lock("article", folder)
    run_lock._held.pop().release()


def test_a_run_of_the_same_study_is_refused_by_name(folder: Path) -> None:
    with another_run("article", folder) as child:
        with pytest.raises(SmallmixError, match=rf"study article is being run here already.*process {child} on "):
            hold_run_lock("article", folder)
        assert f"process {child}" in str(clear_stale_locks("article", folder))
        assert (folder / "locks" / "0.input.lock").exists()


def test_another_study_may_run_beside_it_and_clears_nothing(folder: Path) -> None:
    with another_run("article", folder):
        warning = str(clear_stale_locks("demo", folder))
        assert "study article is being run in this folder too" in warning
        assert "Do not use --unlock" in warning
        assert (folder / "locks" / "0.input.lock").exists()
        hold_run_lock("demo", folder)
        run_lock._held.pop().release()


def test_who_is_at_work_is_found_and_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / ".snakemake"
    folder.mkdir()
    cell = tmp_path / "results" / "store" / "0123abcd"
    cell.mkdir(parents=True)
    (cell / "lock").write_text("process 7 on there", encoding="utf-8")
    (folder / "smallmix-runs").mkdir()
    (folder / "smallmix-runs" / "ended.lock").write_text("process 8 on there", encoding="utf-8")
    assert find_holders(tmp_path) == []
    with another_run("tiny", folder) as process, open(cell / "lock", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert find_holders(tmp_path) == [
            f"study tiny, by process {process} on {socket.gethostname()}",
            "cell 0123abcd, by process 7 on there",
        ]


def test_cleaning_up_waits_for_whoever_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "results" / "tiny" / "metrics.csv"
    made.parent.mkdir(parents=True)
    made.touch()
    folder = tmp_path / ".snakemake"
    folder.mkdir()
    clean, options = COMMANDS["clean"], argparse.Namespace(root=tmp_path, dry_run=False)
    with another_run("tiny", folder), pytest.raises(SmallmixError, match=r"nothing was removed.*study tiny"):
        clean.run(options)
    assert made.exists()
    assert clean.run(options) == 0
    assert not made.exists()


def leave_lock(folder: Path, name: str, holder: str, *, seconds_older: float) -> Path:
    """Leave a lock file that nobody holds, as old as given against Snakemake's marks."""
    path = folder / "smallmix-runs" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(holder)
    marked = (folder / "locks" / "0.input.lock").stat().st_mtime
    os.utime(path, (marked - seconds_older, marked - seconds_older))
    return path


@pytest.mark.parametrize("study", ["article", "demo"])
def test_locks_of_another_machine_are_left_alone(folder: Path, study: str) -> None:
    """A file system may keep locks to one machine: what is free here may be held there."""
    leave_lock(folder, f"{study}.lock", "process 1 on another-machine, kernel 1-2-3", seconds_older=-1)
    assert clear_stale_locks("article", folder) is None
    assert (folder / "locks" / "0.input.lock").exists()


@pytest.mark.parametrize("holder", ["process 7 on old-container", "process 7 on laptop.home, kernel 1-2-3"])
@pytest.mark.parametrize("study", ["article", "demo"])
def test_marks_younger_than_another_machines_run_are_not_its_own(folder: Path, study: str, holder: str) -> None:
    leave_lock(folder, f"{study}.lock", holder, seconds_older=60)
    assert clear_stale_locks("article", folder) is None
    assert not (folder / "locks").exists()


def test_another_host_name_on_this_very_machine_is_known(folder: Path) -> None:
    """Containers have host names of their own, and laptops change theirs; the running kernel is the same."""
    kernel = run_lock.BOOT_ID.read_text().strip()
    leave_lock(folder, "article.lock", f"process 7 on a1b2c3, kernel {kernel}", seconds_older=-1)
    assert clear_stale_locks("article", folder) is None
    assert not (folder / "locks").exists()


def test_a_run_that_ended_well_leaves_no_name(folder: Path) -> None:
    """So the next host name finds nothing to be careful about."""
    program = (
        "import sys; from pathlib import Path; from smallmix.snakemake_files.run_lock import hold_run_lock; "
        "folder = Path(sys.argv[1]); hold_run_lock('article', folder); "
        "print((folder / 'smallmix-runs' / 'article.lock').read_text())"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("process ")
    assert (folder / "smallmix-runs" / "article.lock").read_text() == ""


@pytest.mark.parametrize("kind", ["folder", "pipe", "leftover", "binary", "dangling link", "another user's"])
def test_strange_files_among_the_locks_stop_nobody(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    locks = folder / "smallmix-runs"
    locks.mkdir()
    strange = locks / ("demo.lock" if kind != "leftover" else ".nfs00000001234")
    if kind == "folder":
        strange.mkdir()
    elif kind == "pipe":
        os.mkfifo(strange)
    elif kind == "dangling link":
        strange.symlink_to(locks / "nowhere")
    elif kind == "another user's":
        leave_lock(folder, strange.name, "process 3 on here", seconds_older=60)
        monkeypatch.setattr(file_locks, "_open", lambda path, create: only_for_others(path, strange))
    else:
        strange.write_bytes(b"\xff\xfe\x00 on \x80")
        os.utime(strange, (0, 0))
    assert clear_stale_locks("article", folder) is None
    assert not (folder / "locks").exists()
    monkeypatch.undo()
    hold_run_lock("article", folder)
    run_lock._held.pop().release()


def only_for_others(path: Path, strange: Path) -> int:
    if path == strange:
        raise PermissionError(13, "Permission denied")
    return os.open(path, os.O_RDWR)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_something_strange_in_the_locks_own_place_stops_nobody(folder: Path, kind: str) -> None:
    place = folder / "smallmix-runs" / "article.lock"
    place.parent.mkdir()
    place.mkdir() if kind == "folder" else os.mkfifo(place)
    hold_run_lock("article", folder)
    assert clear_stale_locks("article", folder) is None


def test_leftovers_among_snakemakes_marks_stay_and_stop_nobody(folder: Path) -> None:
    (folder / "locks" / "odd").mkdir()
    assert clear_stale_locks("article", folder) is None
    assert [path.name for path in (folder / "locks").iterdir()] == ["odd"]


def test_looking_does_not_keep_a_run_from_starting(folder: Path) -> None:
    clear_stale_locks("article", folder)
    hold_run_lock("article", folder)
    run_lock._held.pop().release()
