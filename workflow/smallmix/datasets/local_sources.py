"""Sources that are files of this machine or of a file system it has mounted: file:///full/path."""

from __future__ import annotations

import os
import stat
from typing import IO
from urllib.parse import unquote

SCHEME = "file://"


def is_local(source: str) -> bool:
    """Whether an address names a file."""
    return source[: len(SCHEME)].lower() == SCHEME


def open_local(source: str) -> IO[bytes]:
    """The file at a file:// address, opened for reading; it is a regular file, so that it ends and does not block.

    Raises ValueError where the address names another machine, no full path, or something that is no file; OSError
    where the file cannot be opened.
    """
    host, slash, rest = source[len(SCHEME) :].partition("/")
    if not slash or not rest:
        raise ValueError("names no file; write file:///full/path")
    if host.lower() not in ("", "localhost"):
        raise ValueError(f"names the machine {host!r}; a file needs its full path behind three slashes: file:///…")
    path = slash + unquote(rest)
    if "\0" in path:
        raise ValueError("names no file")
    stream = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115 (handed on)
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise ValueError("is not a regular file")
    return stream


def _open_without_waiting(path: str, flags: int) -> int:
    """A pipe without a writer would keep a plain open waiting."""
    return os.open(path, flags | os.O_NONBLOCK)
