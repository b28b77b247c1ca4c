"""A table as the page shows it: texts, what to sort them by, and how they are marked."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One field. `sort` is the number to sort by (the text itself where None); `mark` a class of the style sheet."""

    text: str
    sort: float | None = None
    mark: str = ""

    @property
    def numeric(self) -> bool:
        """Whether the field is a number, which stands right-aligned."""
        return self.sort is not None


@dataclass(frozen=True)
class TableView:
    """A table with one head row (and, above it, groups of columns: label and span). First fields head their rows."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    groups: tuple[tuple[str, int], ...] = ()
    sortable: bool = False

    def numeric_column(self, position: int) -> bool:
        """Whether any field of a column is a number, so that its head stands right-aligned too."""
        return any(row[position].numeric for row in self.rows)


def number_entry(text: str, value: float, mark: str = "") -> Entry:
    """A field that shows `text` and sorts by `value`; a missing value sorts below all others."""
    return Entry(text, value if math.isfinite(value) else -1e300, mark)


def size_entry(size: int) -> Entry:
    """A training-set size."""
    return Entry(f"{size:,}", float(size))
