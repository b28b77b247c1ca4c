"""Locks on files that the kernel drops when their holder ends, in whatever way.

The locks are `flock`'s, by the standard library alone: `make clean` runs without an environment, Snakemake may run
without PyTorch and what comes with it, and a lock file that another user wrote (a container's root, say) can be locked
although it can only be read. The package filelock offers none of the three.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

LONGEST_HOLDER = 1000  # bytes
KERNEL_LIST = Path("/proc/locks")  # of Linux
MODE = 0o666  # less the umask, so that a group's users can share a folder


class LockTakenError(Exception):
    """Another process holds the lock. `holder` is what it wrote about itself, possibly nothing."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder or "another process")
        self.holder = holder


class NoFileLocksError(OSError):
    """The file system has no file locks."""


class FileLock:
    """An exclusive lock on the file `path`, from `acquire` to `release` or to the end of this process.

    On a file system without locks, a `required` lock raises NoFileLocksError, any other counts as acquired. With
    `create`, the
    file and its folder are made where they are missing.
    """

    def __init__(self, path: Path, *, required: bool = True, create: bool = True) -> None:
        self.path = path
        self._required = required
        self._create = create
        self._descriptor: int | None = None

    def acquire(self, wait_seconds: float = 0.0, poll_seconds: float = 0.05) -> bool:
        """Take the lock, trying for `wait_seconds`; return whether it is held now.

        Raises OSError where the file cannot be opened, or where something that is no file has its name.
        """
        deadline = time.monotonic() + wait_seconds
        while not self._try():
            if time.monotonic() >= deadline:
                return False
            time.sleep(poll_seconds)
        return True

    def release(self) -> None:
        """Give the lock up, if it is held. The file stays: removing it would let two processes hold one name."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def read_holder(self) -> str:
        """Return what the last holder wrote about itself; empty where it wrote nothing or cannot be read."""
        try:
            descriptor = _open(self.path, create=False)
        except OSError:
            return ""
        try:
            return os.pread(descriptor, LONGEST_HOLDER, 0).decode("utf-8", "replace").strip()
        except OSError:
            return ""
        finally:
            os.close(descriptor)

    def write_holder(self, holder: str) -> None:
        """Write who holds the lock, for people to read. A full disk, or a file that cannot be written, is let pass."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, holder.encode(), 0)

    def _try(self) -> bool:
        if self._descriptor is not None:
            return True
        if self._create:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _open(self.path, create=self._create)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError as error:
            if self._required:
                os.close(descriptor)
                raise NoFileLocksError(error.errno, "this file system has no file locks", str(self.path)) from error
        if not _is_the_file_at(descriptor, self.path):
            os.close(descriptor)  # it was removed between opening and locking: the lock guards no name
            return False if not self._create else self._try()
        self._descriptor = descriptor
        return True


@contextlib.contextmanager
def locked(
    path: Path, *, holder: str = "", wait_seconds: float = 0.0, poll_seconds: float = 0.05, required: bool = True
) -> Iterator[FileLock]:
    """Hold the lock on `path` while the block runs; `holder` is written into the file for people to read.

    Raises LockTakenError where another process still holds it after `wait_seconds`, and OSError as `FileLock` does.
    """
    lock = FileLock(path, required=required)
    if not lock.acquire(wait_seconds, poll_seconds):
        raise LockTakenError(lock.read_holder())
    try:
        if holder:
            lock.write_holder(holder)
        yield lock
    finally:
        lock.release()


Held = Literal["held", "free", "unknown"]


class HeldLocks:
    """The locks that were held when this was made. To look takes no lock, so it disturbs nobody who wants one.

    On Linux the kernel lists the locks of this machine's processes. A network file system answers for the locks of
    other machines when it is asked, as macOS does for all.
    """

    def __init__(self) -> None:
        self._listed: set[tuple[int, int, int]] = set()  # major and minor number of the device, inode
        self._processes: set[tuple[int, int]] = set()  # inode, process
        self._is_complete = True
        try:
            lines = KERNEL_LIST.read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            lines, self._is_complete = [], os.uname().sysname != "Linux"
        for line in lines:
            with contextlib.suppress(ValueError, IndexError):
                _, kind, _, _, process, place, *_ = line.split()
                major, minor, inode = place.split(":")
                if kind == "FLOCK":  # a waiting process has an arrow in its second column
                    self._listed.add((int(major, 16), int(minor, 16), int(inode)))
                    self._processes.add((int(inode), int(process)))

    def look(self, path: Path, process: int | None = None) -> Held:
        """Return whether a lock on `path` is held; `process` is who wrote itself into the file, if it runs here.

        "free" says that no process which this machine can see holds it.
        """
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return "free"
        except OSError:
            return "unknown"
        if (os.major(found.st_dev), os.minor(found.st_dev), found.st_ino) in self._listed:
            return "held"
        # Some file systems show programs another device number than the kernel's own.
        if process is not None and (found.st_ino, process) in self._processes:
            return "held"
        asked = _ask_file_system(path)
        return asked if asked != "free" or self._is_complete else "unknown"


def _ask_file_system(path: Path) -> Held:
    """Ask whether a lock of the other kind (POSIX), into which network file systems turn ours, is in the way."""
    question = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    if os.uname().sysname != "Linux":
        question = struct.pack("qqihh", 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)  # the order of BSD and macOS
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return "unknown"
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, question)
    except OSError:
        return "unknown"
    finally:
        os.close(descriptor)
    kind = struct.unpack("hhqqi4x", answer)[0] if os.uname().sysname == "Linux" else struct.unpack("qqihh", answer)[3]
    return "free" if kind == fcntl.F_UNLCK else "held"


def _open(path: Path, create: bool) -> int:
    """Open for writing, or for reading where that is all this user may. Raises OSError for what is no regular file."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "something that is no file takes the place of a lock file", str(path))
    try:
        return os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), MODE)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        try:
            return os.open(path, os.O_RDONLY)
        except OSError:
            raise error from None


def _is_the_file_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False
