"""Files that are written whole or not at all.

A reader sees the old content or the new one, never a mixture, whatever is killed and whenever: the content goes to a
uniquely named temporary file in the same folder, is flushed to the disk, and replaces the target in one step; then the
folder itself is flushed, so that the replacement outlives a power cut.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from smallmix.errors import SmallmixError

TEMPORARY_PREFIX = ".partial-"
STALE_AFTER_SECONDS = 24 * 3600
# Open streams. One may lead to a file that others write as well, so that it cannot be replaced.
_OPEN_STREAM = re.compile(r"/dev/(stdin|stdout|stderr|fd/\d+)|/proc/(self|thread-self|\d+)/fd/\d+")


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that becomes `path` when the block ends without an exception.

    Raises SmallmixError where the disk is full or the folder cannot be written, naming the folder and its free bytes.
    The previous file, if any, is left untouched in every failing case. Temporary files that killed writers left in the
    folder long ago are removed.
    """
    path = Path(path)
    temporary: str | None = None
    remove_stale_temporaries(path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f"{TEMPORARY_PREFIX}{path.name}-", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), 0o666 & ~_umask())
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        temporary = None
        flush_folder(path.parent)
    except OSError as error:
        raise SmallmixError(_explain(error, path)) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


@contextlib.contextmanager
def output_writer(path: Path) -> Iterator[IO[bytes]]:
    """Open the binary file that a person named as an output: a pipe or device as it is, else as `atomic_writer`.

    Where `path` is a link, the file that it leads to is replaced, and the link stays. Raises as `atomic_writer`.
    """
    try:
        given = os.stat(path)
        is_stream = not stat.S_ISREG(given.st_mode) or _OPEN_STREAM.fullmatch(os.fspath(path)) is not None
    except OSError:
        is_stream = False  # not there yet
    if not is_stream:
        with atomic_writer(Path(os.path.realpath(path))) as stream:
            yield stream
        return
    try:
        with open(path, "ab" if stat.S_ISREG(given.st_mode) else "wb") as stream:
            yield stream
    except BrokenPipeError:
        raise  # the reader has seen enough
    except OSError as error:
        raise SmallmixError(f"cannot write to {path}: {error.strerror or error}. Give it another output.") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with atomic_writer(path) as stream:
        stream.write(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8 with the line ends it has, whole or not at all."""
    write_bytes(path, content.encode("utf-8"))


def copy_file(source: Path, target: Path) -> None:
    """Copy the content of `source` to `target`, whole or not at all. Raises SmallmixError as `atomic_writer` does."""
    try:
        origin = open(source, "rb")  # noqa: SIM115 - apart, so that its errors are not taken for the target's
    except OSError as error:
        raise SmallmixError(f"cannot read {source}: {error.strerror}.") from error
    with origin, atomic_writer(target) as stream:
        shutil.copyfileobj(origin, stream, 1 << 20)


def remove_stale_temporaries(folder: Path, older_than_seconds: float = STALE_AFTER_SECONDS) -> list[Path]:
    """Delete the temporary files that killed writers left in `folder`; return what was deleted.

    Younger files are kept: another process may be writing them. The holder of a folder's lock passes 0, which removes
    all, also those that a clock set back has put into the future.
    """
    removed: list[Path] = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.startswith(TEMPORARY_PREFIX) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if older_than_seconds <= 0 or time.time() - entry.stat().st_mtime >= older_than_seconds:
                        os.unlink(entry.path)
                        removed.append(Path(entry.path))
    return removed


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system can (not every network file system does)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _explain(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = "unknown"
        with contextlib.suppress(OSError):
            free = f"{shutil.disk_usage(path.parent).free:,}"
        return (
            f"cannot write {path}: no space left for it (bytes free in {path.parent}: {free}; {error.strerror}). "
            "A previous file of this name is untouched. Free some space, then run the same command again."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"cannot write {path}: {error.strerror}. Make the folder {path.parent} writable for this user, "
            "then run the same command again."
        )
    return f"cannot write {path}: {error.strerror or error}"
