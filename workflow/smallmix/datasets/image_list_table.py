"""Reads the user's list of images: a CSV file with the columns path and label, as spreadsheets and scripts write it."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from smallmix.datasets.list_faults import ListFaults

SEPARATORS = (",", ";", "\t")
FORBIDDEN_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")  # control characters, lone surrogates, line and paragraph separators
DRIVE = re.compile(r"[A-Za-z]:[\\/]")


class ListRow(NamedTuple):
    """One image of a list: the line of the file it stands on (from 1), its path in the folder, and its label."""

    line: int
    path: str
    label: str


def read_image_list(path: Path, faults: ListFaults) -> list[ListRow]:
    """The rows of the list at `path`, in order; what is wrong with it is added to `faults`, and such rows left out.

    The first line names the columns; path and label are needed, in any order, others are ignored. The separator is a
    comma, a semicolon or a tab. The text is UTF-8, with or without a byte-order mark. Spaces around cells do not count,
    nor do rows whose cells are all empty. Paths are relative to the list's folder, with / between folders.
    """
    text = _decoded(path, faults)
    if text is None:
        return []
    separator = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    rows: list[ListRow] = []
    begun_on = 1
    try:
        columns = _columns(next(reader, []), path.name, faults)
        if columns is None:
            return []
        for cells in reader:
            begun_on, line = reader.line_num + 1, reader.line_num
            row = _row(cells, columns, line)
            if isinstance(row, ListRow):
                rows.append(row)
            elif row:
                faults.add(f"{path.name} line {line}: {row}")
    except csv.Error as fault:
        faults.add(
            f"{path.name} line {begun_on}: cannot be read as CSV ({fault}). A quotation mark that is opened must be "
            'closed before the next separator; inside quotes it is written twice ("")'
        )
    return rows


class _Columns(NamedTuple):
    path: int
    label: int
    named: int


def _decoded(path: Path, faults: ListFaults) -> str | None:
    try:
        content = path.read_bytes()
    except OSError as fault:
        faults.add(f"{path.name}: cannot be read in {path.parent} ({fault.strerror})")
        return None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        faults.add(f"{path.name}: is UTF-16; save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')")
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        # The decoder of utf-8-sig counts from behind the byte-order mark.
        start = fault.start + len(content) - len(fault.object)
        line = content.count(b"\n", 0, start) + 1
        column = start - (content.rfind(b"\n", 0, start) + 1) + 1
        faults.add(
            f"{path.name} line {line}: byte {column} of the line (0x{content[start]:02x}) is not UTF-8; the list was "
            "probably saved as Latin-1 or Windows-1252. Save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')"
        )
        return None


def _separator(text: str) -> str:
    """The separator that splits the first line into path and label, or else the comma."""
    header = text.splitlines()[0] if text else ""
    for separator in SEPARATORS:
        if {"path", "label"} <= {cell.strip().strip('"').strip().casefold() for cell in header.split(separator)}:
            return separator
    return ","


def _columns(header: list[str], file: str, faults: ListFaults) -> _Columns | None:
    names = [cell.strip().casefold() for cell in header]
    if names.count("path") == 1 and names.count("label") == 1:
        return _Columns(names.index("path"), names.index("label"), len(names))
    if not any(names):
        faults.add(f"{file} line 1: is empty; the first line must name the columns: path,label")
    elif "path" in names or "label" in names:
        faults.add(
            f"{file} line 1: the columns path and label must both be named, each once; found {', '.join(header)!r}"
        )
    else:
        faults.add(
            f"{file} line 1: the header is missing: the first line must name the columns (path,label), it reads "
            f"{', '.join(header)[:80]!r}"
        )
    return None


def _row(cells: list[str], columns: _Columns, line: int) -> ListRow | str | None:
    """The row, or its fault in words, or None for a row without content."""
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
    return _text_fault("path", path) or _text_fault("label", label) or _path_fault(path) or ListRow(line, path, label)


def _text_fault(column: str, text: str) -> str | None:
    if not text:
        return f"the {column} is empty"
    if not text.isprintable():
        for character in text:
            if unicodedata.category(character) in FORBIDDEN_CATEGORIES:
                return f"the {column} {text[:80]!r} holds the control character U+{ord(character):04X}"
    return None


def _path_fault(path: str) -> str | None:
    if path[0] in "/\\" or DRIVE.match(path):
        return f"the path {path!r} is absolute; paths start at the list's own folder"
    if ".." in path and ".." in path.replace("\\", "/").split("/"):
        return f"the path {path!r} holds '..'; images must lie in the list's folder or below it"
    return None
