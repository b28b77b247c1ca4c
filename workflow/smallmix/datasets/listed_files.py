"""Finds the files that an image list names, and keeps them inside the list's folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from smallmix.datasets.image_list_table import ListRow
from smallmix.datasets.list_faults import SHOWN, ListFaults
from smallmix.datasets.look_alikes import difference, look

ABSENT = "does not exist"


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
            if fault == ABSENT and not hint and len(faults) < SHOWN:
                hint = inside.look_alike(row.path)
            faults.add(f"{list_name} line {row.line}: {row.path!r} {fault}{hint}")
        found.append(path)
    return found


class _Inside:
    """Judges paths below a folder; a folder of many images is read once, so that long lists are quick."""

    def __init__(self, folder: Path) -> None:
        self.root = os.path.realpath(folder)
        self.prefix = os.path.join(self.root, "")
        self._regular_files: dict[str, frozenset[str] | None] = {}
        self._looks: dict[str, dict[str, str]] = {}

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
            return ABSENT
        except OSError as fault:
            return f"cannot be read ({fault.strerror})"
        if stat.S_ISDIR(mode):
            return "is a folder, not an image"
        return None if stat.S_ISREG(mode) else "is not a regular file"

    def look_alike(self, path: str) -> str:
        """A hint on an existing file or folder whose name looks like the one of `path` that is missing, or nothing."""
        folder = self.root
        for part in path.split("/"):
            if os.path.lexists(os.path.join(folder, part)):
                folder = os.path.join(folder, part)
                continue
            twin = self._looks_in(folder).get(look(part))
            if twin is None:
                return ""
            where = os.path.relpath(folder, self.root)
            place = "the folder" if where == "." else f"the folder {where!r}"
            return f"; {place} holds {twin!r}, which differs only {difference(part, twin)}"
        return ""

    def _looks_in(self, folder: str) -> dict[str, str]:
        """The names in a folder by how they look, read once."""
        if folder not in self._looks:
            try:
                names = sorted(os.listdir(folder)) if self._holds(os.path.realpath(folder)) else []
            except OSError:
                names = []
            self._looks[folder] = {look(name): name for name in names}
        return self._looks[folder]

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
