"""The files of the user's folder, or of a zip file of such a folder: their names, and their bytes when asked.

A zip file is read where it lies, and nothing of it is unpacked to the disk. Only stored and deflated members are read:
of other methods, Python cannot bound what comes out. Needs the standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

from smallmix.datasets.image_list import DRIVE, Problems
from smallmix.errors import DatasetError

LARGEST_FILE = 512 << 20
MOST_MEMBERS = 1_000_000
LARGEST_TOTAL = 256 << 30
READ_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1  # a flag of a member
# What systems and programs lay beside images. Names that begin with a point or with ~$ are left out as well.
CLUTTER = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "icon\r"})
UNPACK = "unpack it, and name the folder"


class ImageError(Exception):
    """An image that cannot be used. The message says why, and is shown behind its name."""


class ImageFiles(Protocol):
    """Where images come from. Names are relative, with / between folders."""

    def scan(self, problems: Problems) -> tuple[list[str], list[str]]:
        """Return the names of all files and of all folders, both sorted, without clutter."""

    def read(self, name: str) -> bytes:
        """Return a file's content. Raises ImageError, also where it is empty or too large."""

    def start(self, name: str, length: int) -> bytes:
        """Return a file's first bytes; nothing where it cannot be read."""

    def size(self, name: str) -> int:
        """Return a file's size in bytes; 0 where it is unknown."""


def open_images(path: Path) -> ImageFiles:
    """Return the files of a folder or of a zip file. Raises DatasetError where there is neither, or a damaged one."""
    if path.is_dir():
        return FolderFiles(path)
    if not path.is_file():
        raise DatasetError(
            f"there is neither a folder nor a zip file {path}. Correct the path, or bring the images there."
        )
    return ZipFiles(path)


class FolderFiles:
    """The files of a folder on the disk. Links are followed, also out of the folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def scan(self, problems: Problems) -> tuple[list[str], list[str]]:
        """Return the names of files and folders. Add folders that cannot be read, and odd files, to `problems`."""
        files: list[str] = []
        folders: list[str] = []
        # A folder, its name, and the folders around it, of which a link may lead back to one.
        pending: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
        while pending:
            name, around = pending.pop()
            try:
                here = os.stat(self._root / name)
                if (here.st_dev, here.st_ino) in around:
                    problems.add(f"{name!r} is a link that leads back to a folder around it; remove the link")
                    continue
                with os.scandir(self._root / name) as opened:
                    entries = list(opened)
            except OSError as error:
                problems.add(f"{name or '.'!r} cannot be read ({error.strerror})")
                continue
            for entry in entries:
                inner = f"{name}/{entry.name}" if name else entry.name
                if is_clutter(entry.name):
                    continue
                if entry.is_dir():
                    folders.append(inner)
                    pending.append((inner, around | {(here.st_dev, here.st_ino)}))
                elif entry.is_file():
                    files.append(inner)
                else:
                    problems.add(f"{inner!r} is a link to nothing, or no regular file; remove it")
        return sorted(files), sorted(folders)

    def read(self, name: str) -> bytes:
        """Return a file's content. Raises ImageError."""
        try:
            with open(os.path.join(self._root, name), "rb") as stream:
                if os.fstat(stream.fileno()).st_size > LARGEST_FILE:
                    raise ImageError(_too_long())
                content = stream.read()
        except OSError as error:
            raise ImageError(f"cannot be read ({error.strerror})") from error
        return _not_empty(content)

    def start(self, name: str, length: int) -> bytes:
        """Return a file's first bytes; nothing where it cannot be read."""
        with contextlib.suppress(OSError), open(os.path.join(self._root, name), "rb") as stream:
            return stream.read(length)
        return b""

    def size(self, name: str) -> int:
        """Return a file's size in bytes; 0 where it is not there."""
        with contextlib.suppress(OSError):
            return os.path.getsize(os.path.join(self._root, name))
        return 0


class ZipFiles:
    """The members of a zip file. Several threads may read at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, struct.error) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            raise DatasetError(
                f"{path} is neither a folder nor a whole zip file ({reason}). Fetch or pack it again, or name a folder."
            ) from error
        members = [member for member in self._archive.infolist() if not member.is_dir()]
        total = sum(member.file_size for member in members)
        if len(members) > MOST_MEMBERS or total > LARGEST_TOTAL:
            raise DatasetError(
                f"{path} holds {len(members):,} files of {total >> 20:,} MiB in all; allowed: at most {MOST_MEMBERS:,} "
                f"files and {LARGEST_TOTAL >> 20:,} MiB. If that is meant, {UNPACK}."
            )
        self._members: dict[str, zipfile.ZipInfo] = {}

    def scan(self, problems: Problems) -> tuple[list[str], list[str]]:
        """Return the names of files and folders. Add members that lead out or cannot be read to `problems`."""
        folders: set[str] = set()
        self._members = {}
        for member in self._archive.infolist():
            written = member.filename.replace("\\", "/")  # as some programs of Windows pack
            parts = [part for part in written.split("/") if part not in ("", ".")]
            if any(is_clutter(part) for part in parts if part != ".."):
                continue
            if ".." in parts or written.startswith("/") or DRIVE.match(written):
                problems.add(f"{member.filename!r} leads out of the zip file; pack it again without such names")
                continue
            name = "/".join(parts)
            folders.update("/".join(parts[:length]) for length in range(1, len(parts)))
            if member.is_dir() or written.endswith("/"):
                folders.add(name)
            elif name in self._members:
                problems.add(f"{name!r} is in the zip file twice; pack it again")
            elif problem := _problem_of(member):
                problems.add(f"{name!r} {problem}")
            else:
                self._members[name] = member
        return sorted(self._members), sorted(folders - {""})

    def read(self, name: str) -> bytes:
        """Return a member's content, checked against its checksum. Raises ImageError."""
        member = self._members[name]
        if member.file_size > LARGEST_FILE:
            raise ImageError(_too_long())
        try:
            with self._archive.open(member) as stream:
                content = stream.read()
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, struct.error) as error:
            raise ImageError(f"is damaged in the zip file ({error}); pack or fetch it again") from error
        return _not_empty(content)

    def start(self, name: str, length: int) -> bytes:
        """Return a member's first bytes; nothing where it cannot be read."""
        try:
            with self._archive.open(self._members[name]) as stream:
                return stream.read(length)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, struct.error):
            return b""

    def size(self, name: str) -> int:
        """Return a member's unpacked size in bytes."""
        return self._members[name].file_size


def is_clutter(name: str) -> bool:
    """Return whether a file or folder of this name is left out without a word: hidden, or laid there by a system."""
    return name.startswith((".", "~$")) or name.casefold() in CLUTTER


def _problem_of(member: zipfile.ZipInfo) -> str:
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link in the zip file; pack the image itself"
    if member.flag_bits & ENCRYPTED:
        return f"is encrypted in the zip file; {UNPACK}"
    if member.compress_type not in READ_METHODS:
        return f"is packed by a method that is not read (number {member.compress_type}); {UNPACK}"
    return ""


def _too_long() -> str:
    return f"is a file of more than {LARGEST_FILE >> 20} MiB"


def _not_empty(content: bytes) -> bytes:
    if not content:
        raise ImageError("is an empty file")
    return content
