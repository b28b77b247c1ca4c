"""Finds the files that an image list names, and keeps them inside the list's folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from smallmix.datasets.image_list_table import ListRow
from smallmix.datasets.list_faults import ListFaults


def find_listed_files(rows: Sequence[ListRow], list_name: str, folder: Path, faults: ListFaults) -> list[Path]:
    """The files of a list's rows, in order; faults are added for those that are missing, no files, or elsewhere.

    A symbolic link is followed as long as it stays within the folder.
    """
    inside = _Inside(folder)
    found: list[Path] = []
    for row in rows:
        path = os.path.join(inside.root, row.path)
        fault = inside.fault_of(path)
        if fault:
            hint = "; folders are separated by /" if "\\" in row.path else ""
            faults.add(f"{list_name} line {row.line}: {row.path!r} {fault}{hint}")
        found.append(Path(path))
    return found


class _Inside:
    """Judges paths below a folder; a folder of many images is resolved once, so that long lists are quick."""

    def __init__(self, folder: Path) -> None:
        self.root = os.path.realpath(folder)
        self._parents: dict[str, bool] = {}

    def fault_of(self, path: str) -> str | None:
        parent = os.path.dirname(path)
        if parent not in self._parents:
            self._parents[parent] = self._holds(os.path.realpath(parent))
        if not self._parents[parent]:
            return "leads out of the list's folder by a symbolic link"
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

    def _holds(self, resolved: str) -> bool:
        return resolved == self.root or resolved.startswith(os.path.join(self.root, ""))
