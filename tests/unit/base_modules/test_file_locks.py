"""Protects what every lock rests on: one holder, no lock that outlives it, a rule for file systems without locks."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from smallmix import file_locks
from smallmix.file_locks import FileLock, LockTakenError, locked

PACKAGE = Path(file_locks.__file__).resolve().parents[1]
HOLD = """
import os, sys, time
from pathlib import Path
from smallmix.file_locks import locked
with locked(Path(sys.argv[1]), holder="process %d" % os.getpid()):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def another_holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that holds the lock until the block ends, when it is killed."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_lock_has_one_holder_who_is_named_and_leaves_it_when_killed(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "lock"
    with another_holder(path) as process:
        assert not FileLock(path).acquire()
        with pytest.raises(LockTakenError) as refusal, locked(path):
            pass
        assert refusal.value.holder == f"process {process.pid}"
    with locked(path, holder="me"):
        assert FileLock(path).read_holder() == "me"
        assert not FileLock(path).acquire()
    assert FileLock(path).acquire()


def test_waiting_ends_with_the_holder(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire()
    assert not second.acquire(wait_seconds=0.1, poll_seconds=0.01)
    threading.Timer(0.1, first.release).start()
    assert second.acquire(wait_seconds=30, poll_seconds=0.01)


def test_acquiring_twice_keeps_the_lock(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    assert lock.acquire()
    lock.release()
    lock.release()
    assert FileLock(tmp_path / "lock").acquire()


def test_looking_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "lock", create=False).acquire()
    assert FileLock(tmp_path / "lock").read_holder() == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_named_and_never_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lock"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(OSError, match=r"something that is no file.*lock"):
        FileLock(path).acquire()
    assert FileLock(path).read_holder() == ""


def test_without_file_locks_a_required_lock_is_refused_and_any_other_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch)
    with pytest.raises(OSError, match=r"this file system has no file locks.*lock"):
        FileLock(tmp_path / "lock").acquire()
    assert FileLock(tmp_path / "lock", required=False).acquire()


def test_another_users_file_is_locked_though_it_can_only_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    path.write_text("process 7 on there")
    opened = os.open

    def for_reading_alone(name: Path, flags: int, *more: int) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied", str(name))
        return opened(name, flags, *more)

    monkeypatch.setattr(os, "open", for_reading_alone)
    lock = FileLock(path)
    assert lock.acquire()
    lock.write_holder("me")
    assert lock.read_holder() == "process 7 on there"
    assert not FileLock(path).acquire()


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    flock = fcntl.flock
    removed: list[int] = []

    def remove_first(descriptor: int, how: int) -> None:
        if not removed:
            removed.append(os.fstat(descriptor).st_ino)
            path.rename(tmp_path / "elsewhere")
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    lock = FileLock(path)
    assert lock.acquire()
    assert path.stat().st_ino != removed[0]
    assert not FileLock(path).acquire()


def test_a_full_disk_keeps_nobody_from_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with locked(tmp_path / "lock", holder="me"):
        assert not FileLock(tmp_path / "lock").acquire()


def test_what_a_holder_starts_does_not_keep_its_lock(tmp_path: Path) -> None:
    """A trainer's child that outlives it must not look like the trainer."""
    with locked(tmp_path / "lock"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
        time.sleep(0.1)
    try:
        assert FileLock(tmp_path / "lock").acquire()
    finally:
        child.kill()
        child.wait()
