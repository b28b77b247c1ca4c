"""Finds the files that an image list names, and keeps them inside the list's folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from smallmix.datasets.image_list_table import ListRow
from smallmix.datasets.list_faults import ListFaults


def find_listed_files(rows: Sequence[ListRow], list_name: str, folder: Path, faults: ListFaults) -> list[str]:
    """The paths of a list's rows, in order, as strings (a million Path objects take their time).

    Faults are added for paths that do not exist, are no regular files, or lie elsewhere.
    A symbolic link is followed as long as it stays within the folder.
    """
    inside = _Inside(folder)
    found: list[str] = []
    for row in rows:
        path = inside.prefix + row.path
        fault = inside.fault_of(path)
        if fault:
            hint = "; folders are separated by /" if "\\" in row.path else ""
            faults.add(f"{list_name} line {row.line}: {row.path!r} {fault}{hint}")
        found.append(path)
    return found


class _Inside:
    """Judges paths below a folder; a folder of many images is read once, so that long lists are quick."""

    def __init__(self, folder: Path) -> None:
        self.root = os.path.realpath(folder)
        self.prefix = os.path.join(self.root, "")
        self._regular_files: dict[str, frozenset[str] | None] = {}

    def fault_of(self, path: str) -> str | None:
        parent, _, name = path.rpartition("/")
        if parent not in self._regular_files:
            self._regular_files[parent] = self._list(parent)
        regular_files = self._regular_files[parent]
        if regular_files is None:
            return "leads out of the list's folder by a symbolic link"
        if name in regular_files:
            return None
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                if not self._holds(os.path.realpath(path)):
                    return "leads out of the list's folder by a symbolic link"
                mode = os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return "does not exist"
        except OSError as fault:
            return f"cannot be read ({fault.strerror})"
        if stat.S_ISDIR(mode):
            return "is a folder, not an image"
        return None if stat.S_ISREG(mode) else "is not a regular file"

    def _list(self, parent: str) -> frozenset[str] | None:
        """The names of a folder's regular files, without links; None where the folder lies elsewhere."""
        if not self._holds(os.path.realpath(parent)):
            return None
        try:
            with os.scandir(parent) as entries:
                return frozenset(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
        except OSError:
            return frozenset()  # each of its files then tells why

    def _holds(self, resolved: str) -> bool:
        return resolved == self.root or resolved.startswith(self.prefix)
