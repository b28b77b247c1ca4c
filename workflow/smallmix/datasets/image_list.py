"""Read a list of images (train.csv, test.csv) as spreadsheets and scripts write it, and find the files it names.

Needs the standard library alone. Everything that is wrong with a list is collected, so that one message names it all.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import stat
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from smallmix.datasets.look_alikes import difference, look
from smallmix.errors import DatasetError

TRAIN_LIST, TEST_LIST = "train.csv", "test.csv"
SEPARATORS = (",", ";", "\t")
FORBIDDEN_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")  # control characters, lone surrogates, line and paragraph separators
DRIVE = re.compile(r"[A-Za-z]:[\\/]")
PROBLEMS_SHOWN = 20
ABSENT = "does not exist"


class Problems:
    """The problems found so far, in the order found; only the first twenty are kept as text."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._count = 0

    def add(self, problem: str) -> None:
        """Add a problem, given as one line that names file and line number."""
        self._count += 1
        if len(self._lines) < PROBLEMS_SHOWN:
            self._lines.append(problem)

    def __len__(self) -> int:
        return self._count

    def raise_if_any(self, what: str, mend: str = "the list or the images") -> None:
        """Raise DatasetError with the problems of `what`: the first twenty as text, the others as a number."""
        if not self._count:
            return
        count = "1 error" if self._count == 1 else f"{self._count:,} errors"
        more = f"\n  and {self._count - len(self._lines):,} more" if self._count > len(self._lines) else ""
        lines = "".join(f"\n  {line}" for line in self._lines)
        raise DatasetError(f"{what} has {count}:{lines}{more}\nMend {mend}, then run again.")


class ListRow(NamedTuple):
    """One image: the line of the list it stands on (from 1; 0 without a list), its path in the folder, its label."""

    line: int
    path: str
    label: str


class ImagePart(NamedTuple):
    """The training or the test images, and how messages call them: train.csv, or train/."""

    name: str
    rows: Sequence[ListRow]

    def place(self, row: ListRow) -> str:
        """Return where an image stands, for messages: line and path, or the path alone."""
        return f"{self.name} line {row.line}: {row.path!r}" if row.line else repr(row.path)


def read_image_list(path: Path, problems: Problems | None = None) -> list[ListRow]:
    """Return the rows of the list at `path`, in order. Rows that cannot be used are left out and added to `problems`.

    The first line names the columns; path and label are needed, in any order, others are ignored. The separator is a
    comma, a semicolon or a tab. The text is UTF-8, with or without a byte-order mark. Spaces around cells do not count,
    nor do rows whose cells are all empty. Paths are relative to the list's folder, with / between folders.
    """
    problems = Problems() if problems is None else problems
    text = _decoded(path, problems)
    if text is None:
        return []
    separator = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    rows: list[ListRow] = []
    begun_on = 1
    try:
        columns = _columns(next(reader, []), path.name, problems)
        if columns is None:
            return []
        for cells in reader:
            begun_on, line = reader.line_num + 1, reader.line_num
            row = _row(cells, columns, line)
            if isinstance(row, ListRow):
                rows.append(row)
            elif row:
                problems.add(f"{path.name} line {line}: {row}")
    except csv.Error as error:
        problems.add(
            f"{path.name} line {begun_on}: cannot be read as CSV ({error}). A quotation mark that is opened must be "
            'closed before the next separator; inside quotes it is written twice ("")'
        )
    return rows


def find_listed_files(rows: Sequence[ListRow], list_name: str, folder: Path, problems: Problems) -> list[str]:
    """Return the paths of a list's rows, in order, as strings (a million Path objects take their time).

    Paths that do not exist or are no regular files are added to `problems`. Symbolic links are followed.
    """
    listed = _ListedFolder(folder)
    found: list[str] = []
    for row in rows:
        path = listed.prefix + row.path
        problem = listed.problem_of(path)
        if problem:
            hint = "; folders are separated by /" if "\\" in row.path else ""
            if problem == ABSENT and not hint and len(problems) < PROBLEMS_SHOWN:
                hint = listed.look_alike(row.path)
            problems.add(f"{list_name} line {row.line}: {row.path!r} {problem}{hint}")
        found.append(path)
    return found


class _Columns(NamedTuple):
    path: int
    label: int
    named: int


def _decoded(path: Path, problems: Problems) -> str | None:
    try:
        content = path.read_bytes()
    except OSError as error:
        problems.add(f"{path.name}: cannot be read in {path.parent} ({error.strerror})")
        return None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        problems.add(f"{path.name}: is UTF-16; save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')")
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The decoder of utf-8-sig counts from behind the byte-order mark.
        start = error.start + len(content) - len(error.object)
        line = content.count(b"\n", 0, start) + 1
        column = start - (content.rfind(b"\n", 0, start) + 1) + 1
        problems.add(
            f"{path.name} line {line}: byte {column} of the line (0x{content[start]:02x}) is not UTF-8; the list was "
            "probably saved as Latin-1 or Windows-1252. Save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')"
        )
        return None


def _separator(text: str) -> str:
    """Return the separator that splits the first line into path and label, or else the comma."""
    header = text.splitlines()[0] if text else ""
    for separator in SEPARATORS:
        if {"path", "label"} <= {cell.strip().strip('"').strip().casefold() for cell in header.split(separator)}:
            return separator
    return ","


def _columns(header: list[str], file: str, problems: Problems) -> _Columns | None:
    names = [cell.strip().casefold() for cell in header]
    if names.count("path") == 1 and names.count("label") == 1:
        return _Columns(names.index("path"), names.index("label"), len(names))
    if not any(names):
        problems.add(f"{file} line 1: is empty; the first line must name the columns: path,label")
    elif "path" in names or "label" in names:
        problems.add(
            f"{file} line 1: the columns path and label must both be named, each once; found {', '.join(header)!r}"
        )
    else:
        problems.add(
            f"{file} line 1: the header is missing: the first line must name the columns (path,label), it reads "
            f"{', '.join(header)[:80]!r}"
        )
    return None


def _row(cells: list[str], columns: _Columns, line: int) -> ListRow | str | None:
    """Return the row, or what is wrong with it, or None for a row without content."""
    if len(cells) <= max(columns.path, columns.label):
        if not any(cell.strip() for cell in cells):
            return None
        return f"has {len(cells)} of the {columns.named} columns that line 1 names: {', '.join(cells)[:80]!r}"
    if len(cells) > columns.named and any(cell.strip() for cell in cells[columns.named :]):
        return (
            f"has {len(cells)} cells, line 1 names {columns.named} columns; a path or label that holds the separator "
            'must stand in quotes ("...")'
        )
    path, label = cells[columns.path].strip(), cells[columns.label].strip()
    if not path and not label and not any(cell.strip() for cell in cells):
        return None
    problem = text_problem("path", path) or text_problem("label", label) or _path_problem(path)
    return problem or ListRow(line, path, label)


def text_problem(column: str, text: str) -> str | None:
    """Return what is wrong with a text that stands for a path or a label: empty, or with control characters."""
    if not text:
        return f"the {column} is empty"
    if not text.isprintable():
        for character in text:
            if unicodedata.category(character) in FORBIDDEN_CATEGORIES:
                return f"the {column} {text[:80]!r} holds the control character U+{ord(character):04X}"
    return None


def _path_problem(path: str) -> str | None:
    if path[0] in "/\\" or DRIVE.match(path):
        return f"the path {path!r} is absolute; paths start at the list's own folder"
    if ".." in path and ".." in path.replace("\\", "/").split("/"):
        return f"the path {path!r} holds '..'; paths name what is in the list's folder or below it"
    return None


class _ListedFolder:
    """The files below a list's folder. Each folder is read once, so that lists of a million images are quick."""

    def __init__(self, folder: Path) -> None:
        self.prefix = os.path.join(os.path.realpath(folder), "")
        self._regular_files: dict[str, frozenset[str]] = {}
        self._looks: dict[str, dict[str, str]] = {}

    def problem_of(self, path: str) -> str | None:
        """Return why there is no image file at `path`, or None."""
        parent, _, name = path.rpartition("/")
        if parent not in self._regular_files:
            self._regular_files[parent] = _regular_files_in(parent)
        if name in self._regular_files[parent]:
            return None
        try:
            mode = os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return ABSENT
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        if stat.S_ISDIR(mode):
            return "is a folder, not an image"
        return None if stat.S_ISREG(mode) else "is not a regular file"

    def look_alike(self, path: str) -> str:
        """Return a hint on an existing file or folder whose name looks like the missing one of `path`, or nothing."""
        folder = self.prefix
        for part in path.split("/"):
            if os.path.lexists(os.path.join(folder, part)):
                folder = os.path.join(folder, part)
                continue
            similar = self._looks_in(folder).get(look(part))
            if similar is None:
                return ""
            where = os.path.relpath(folder, self.prefix)
            holder = "the folder" if where == "." else f"the folder {where!r}"
            return f"; {holder} holds {similar!r}, which differs only {difference(part, similar)}"
        return ""

    def _looks_in(self, folder: str) -> dict[str, str]:
        """Return the names in a folder by how they look; the folder is read once."""
        if folder not in self._looks:
            names: list[str] = []
            with contextlib.suppress(OSError):
                names = sorted(os.listdir(folder))
            self._looks[folder] = {look(name): name for name in names}
        return self._looks[folder]


def _regular_files_in(folder: str) -> frozenset[str]:
    """Return the names of a folder's regular files, without links; no names where the folder cannot be read."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return frozenset(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    return frozenset()
