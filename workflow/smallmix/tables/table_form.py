"""What a table and a column of it are: what the writer, the reader and the column reference go by.

This module needs the standard library alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Dtype = Literal["int", "float", "text"]
SHARE = "fraction, 0 to 1"  # the unit of columns whose numbers cannot lie outside


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `unit` is for people, and empty where there is none. Fields of a column that `may_be_empty` read back as NaN (an
    empty text in a text column). `if_absent` is the value of a column that tables of older versions lack; a column
    without it must be there. A column `of_validation` is there in studies with validation images alone.
    A column with the unit SHARE has numbers from 0 to 1, as accuracies have and their differences have not. Others are
    refused.
    """

    name: str
    dtype: Dtype
    unit: str
    meaning: str
    may_be_empty: bool = False
    if_absent: int | float | str | None = None
    of_validation: bool = False

    @property
    def is_share(self) -> bool:
        """Return whether the numbers lie between 0 and 1."""
        return self.unit == SHARE


@dataclass(frozen=True)
class Table:
    """One kind of CSV file.

    `file` is its name, with {size} and the like where it varies. `rows` says what a row is, `command` which command
    writes the file. `digits` are the significant digits of a float; None stands for the shortest text that reads back
    as the same number. No two rows have the same values in the columns `key`, where there are such.
    """

    file: str
    rows: str
    command: str
    columns: tuple[Column, ...]
    digits: int | None = None
    key: tuple[str, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns, in the order of the file."""
        return tuple(column.name for column in self.columns)

    def of_study(self, validation_images: int) -> Table:
        """Return the table as a study with so many validation images has it: without their columns where it has none.

        A reader takes the whole table: what is not there reads as empty.
        """
        kept = tuple(column for column in self.columns if validation_images or not column.of_validation)
        return dataclasses.replace(self, columns=kept)

    def as_written_before(self, present: Collection[str]) -> Table:
        """Return the table as an older version wrote it, with the columns `present`: the others read as empty.

        Size, method and seed, and the columns that have a value for this case, stay as they are.
        """
        return dataclasses.replace(self, columns=tuple(_or_empty(column, present) for column in self.columns))


_ALWAYS_THERE = ("size", "method", "seed")


def _or_empty(column: Column, present: Collection[str]) -> Column:
    if column.name in present or column.name in _ALWAYS_THERE or column.if_absent is not None:
        return column
    return dataclasses.replace(column, may_be_empty=True, if_absent="" if column.dtype == "text" else math.nan)
