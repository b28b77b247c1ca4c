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
from smallmix.file_locks import FileLock, HeldLocks, LockTakenError, locked

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


def test_looking_sees_a_lock_and_does_not_take_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert HeldLocks().look(path) == "free"
    lock = FileLock(path)
    assert lock.acquire()
    assert HeldLocks().look(path) == "held"
    lock.release()
    assert HeldLocks().look(path) == "free"
    before = HeldLocks()
    assert before.look(path) == "free"
    assert lock.acquire()
    lock.release()


def test_looking_at_another_processs_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    child = os.fork()
    if child == 0:
        FileLock(path).acquire()
        time.sleep(60)
        os._exit(0)
    try:
        deadline = time.monotonic() + 20
        while HeldLocks().look(path) != "held":
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert HeldLocks().look(path) == "free"


def test_a_lock_is_known_by_its_process_where_devices_have_other_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    path.touch()
    listed = tmp_path / "locks"
    inode = path.stat().st_ino
    listed.write_text(f"1: FLOCK  ADVISORY  WRITE 77 00:99:{inode} 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 78 x\nrubbish\n")
    monkeypatch.setattr("smallmix.file_locks.KERNEL_LIST", listed)
    assert HeldLocks().look(path) == "free"
    assert HeldLocks().look(path, process=77) == "held"
    assert HeldLocks().look(path, process=78) == "free"


def test_a_lock_on_a_network_file_system_is_seen(tmp_path: Path) -> None:
    """Those turn our locks into POSIX ones, which are no lines of this kernel's list where others hold them."""
    path = tmp_path / "lock"
    path.touch()
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        stream = open(path, "r+b")  # noqa: SIM115 - held until the kill
        fcntl.lockf(stream, fcntl.LOCK_EX)
        os.write(told, b"x")
        time.sleep(60)
        os._exit(0)
    try:
        os.read(ready, 1)
        assert HeldLocks().look(path) == "held"
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert HeldLocks().look(path) == "free"


def test_without_a_list_and_an_answer_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    path.touch()
    monkeypatch.setattr("smallmix.file_locks.KERNEL_LIST", tmp_path / "none")
    assert HeldLocks().look(path) == "unknown"
    assert HeldLocks().look(tmp_path / "no lock") == "free"
