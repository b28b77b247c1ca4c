"""Write and read the CSV files that the modules of columns declare."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from numpy.typing import NDArray

from smallmix.atomic_files import atomic_writer
from smallmix.errors import SmallmixError
from smallmix.tables.table_form import Column, Table

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_ONCE = 50_000
NUMPY_TYPES: dict[str, type] = {"int": np.int64, "float": np.float64, "text": object}

Columns = dict[str, NDArray[Any]]


class TableError(SmallmixError):
    """A table that cannot be read. `problem` names line and column; the message adds the file and the remedy."""

    def __init__(self, path: Path, table: Table, problem: str) -> None:
        super().__init__(f"{path}: {problem}. Write it again with `smallmix {table.command}`.")
        self.problem = problem


def write_table(path: Path, table: Table, rows: Iterable[Sequence[Any]]) -> None:
    """Write the rows, atomically; equal rows give equal bytes.

    Each row has one value per column, in the order of the declaration: None is written as an empty field, a float with
    the table's digits, a text as it is. Raises ValueError where a row has another number of values, SmallmixError where
    the file cannot be written.
    """
    with atomic_writer(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        _write_rows(text, table, rows)
        text.flush()
        text.detach()


def table_text(table: Table, rows: Iterable[Sequence[Any]]) -> str:
    """Return what `write_table` writes, as text."""
    text = io.StringIO(newline="")
    _write_rows(text, table, rows)
    return text.getvalue()


def _write_rows(text: TextIO, table: Table, rows: Iterable[Sequence[Any]]) -> None:
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.names)
    for row in rows:
        if len(row) != len(table.columns):
            raise ValueError(f"{table.file}: a row of {len(row)} values for {len(table.columns)} columns")
        writer.writerow([_text(value, table.digits) for value in row])


def read_columns(path: Path, table: Table, keep: Callable[[Columns], NDArray[np.bool_]] | None = None) -> Columns:
    """Return the declared columns by name: int64 [N], float64 [N], or texts as objects [N].

    Integers that may be empty are float64, with NaN where they are. Columns that are not declared are left out. `keep`
    says which rows to keep of a part of the file, so that a large file need not fit into memory.

    Raises TableError where the file is missing or damaged, lacks a column, has a field that does not fit its column, or
    has two rows of one key.
    """
    parts: list[Columns] = []
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            positions = _find_columns(path, table, header)
            fields: list[list[str]] = [[] for _ in header]
            lines: list[int] = []
            for row in reader:
                if len(row) != len(header):
                    problem = f"line {reader.line_num}: {len(row)} fields instead of {len(header)}"
                    raise TableError(path, table, problem)
                for values, field in zip(fields, row, strict=True):
                    values.append(field)
                lines.append(reader.line_num)
                if len(lines) == ROWS_AT_ONCE:
                    parts.append(_convert(path, table, positions, fields, lines, keep))
                    fields, lines = [[] for _ in header], []
            parts.append(_convert(path, table, positions, fields, lines, keep))
    except FileNotFoundError as error:
        raise TableError(path, table, "the file is missing") from error
    except OSError as error:
        raise TableError(path, table, f"it cannot be read ({error.strerror})") from error
    except (ValueError, csv.Error) as error:
        raise TableError(path, table, f"it is no CSV file in UTF-8 ({error})") from error
    columns = {name: np.concatenate([part[name] for part in parts]) for name in table.names}
    _require_different_rows(path, table, columns)
    return columns


def read_table(path: Path, table: Table, keep: Callable[[Columns], NDArray[np.bool_]] | None = None) -> pd.DataFrame:
    """Return the table as a data frame; see `read_columns`. Text columns have the type str."""
    return _as_frame(read_columns(path, table, keep), table)


def read_kept_columns(path: Path, table: Table) -> Columns:
    """Return the declared columns of a kept table, which an older version may have written: see `read_columns`.

    Columns that the file lacks are empty: NaN, or an empty text. Raises SmallmixError as `read_columns`, with another
    remedy.
    """
    try:
        return read_columns(path, table.as_written_before(read_header(path)))
    except TableError as error:
        raise SmallmixError(
            f"{path}: {error.problem}. Restore the file from version control, or keep the study again with "
            "`smallmix keep`."
        ) from error


def read_kept_table(path: Path, table: Table) -> pd.DataFrame:
    """Return `read_kept_columns` as a data frame. Text columns have the type str."""
    return _as_frame(read_kept_columns(path, table), table)


def read_header(path: Path) -> list[str]:
    """Return the first row of a CSV file; nothing where it cannot be read, which the reader says."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return next(csv.reader(stream, strict=True), [])
    except (OSError, ValueError, csv.Error):
        return []


def _as_frame(columns: Columns, table: Table) -> pd.DataFrame:
    import pandas as pd

    text = {column.name: str for column in table.columns if column.dtype == "text"}
    return pd.DataFrame(columns).astype(text)


def table_of(table: Table, rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Return the rows as `read_table` would give them back after `write_table`, digits included; no file is written."""
    written = [[str(_text(value, table.digits)) for value in row] for row in rows]
    fields = [list(values) for values in zip(*written, strict=True)] or [[] for _ in table.columns]
    positions = {name: position for position, name in enumerate(table.names)}
    lines = list(range(2, len(written) + 2))
    return _as_frame(_convert(Path(table.file), table, positions, fields, lines, None), table)


def empty_table(table: Table) -> pd.DataFrame:
    """Return a table without rows, with the declared columns and their types."""
    import pandas as pd

    types = {column.name: str if column.dtype == "text" else _numpy_type(column) for column in table.columns}
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in types.items()})


def _find_columns(path: Path, table: Table, header: Sequence[str]) -> dict[str, int]:
    required = [column.name for column in table.columns if column.if_absent is None]
    missing = [name for name in required if name not in header]
    if missing:
        which = "s " + ", ".join(missing) + " are" if len(missing) > 1 else f" {missing[0]} is"
        raise TableError(path, table, f"line 1: the column{which} missing")
    twice = [name for name in table.names if header.count(name) > 1]
    if twice:
        raise TableError(path, table, f"line 1: the column {twice[0]} is there twice")
    return {name: header.index(name) for name in table.names if name in header}


def _require_different_rows(path: Path, table: Table, columns: Columns) -> None:
    if not table.key:
        return
    seen: set[tuple[Any, ...]] = set()
    for row in zip(*(columns[name].tolist() for name in table.key), strict=True):
        if row in seen:
            which = ", ".join(f"{name} {value}" for name, value in zip(table.key, row, strict=True))
            raise TableError(path, table, f"two rows of {which}")
        seen.add(row)


def _convert(
    path: Path,
    table: Table,
    positions: dict[str, int],
    fields: Sequence[Sequence[str]],
    lines: Sequence[int],
    keep: Callable[[Columns], NDArray[np.bool_]] | None,
) -> Columns:
    columns: Columns = {}
    for column in table.columns:
        kind = _numpy_type(column)
        position = positions.get(column.name)
        if position is None:
            columns[column.name] = np.full(len(lines), column.if_absent, kind)
            continue
        values = [_value(field, column) for field in fields[position]]
        if None in values:
            row = values.index(None)
            wanted = {"int": "a whole number", "float": "a finite number"}[column.dtype]
            wanted = "a number from 0 to 1" if column.is_share else wanted
            problem = f"line {lines[row]}: {column.name} is {fields[position][row]!r}, not {wanted}"
            raise TableError(path, table, problem)
        columns[column.name] = np.array(values, kind)
    if keep is not None:
        kept = keep(columns)
        columns = {name: values[kept] for name, values in columns.items()}
    return columns


def _numpy_type(column: Column) -> type:
    return np.float64 if column.dtype == "int" and column.may_be_empty else NUMPY_TYPES[column.dtype]


def _value(field: str, column: Column) -> int | float | str | None:
    """Return the value of a field; None where it does not fit its column."""
    if column.dtype == "text":
        return field
    if not field:
        return math.nan if column.may_be_empty else None
    try:
        value = int(field) if column.dtype == "int" else float(field)
    except ValueError:
        return None
    fits = -(2**63) <= value < 2**63 if isinstance(value, int) else math.isfinite(value)
    if column.is_share and not 0 <= value <= 1:
        return None
    return value if fits else None


def _text(value: Any, digits: int | None) -> Any:
    if isinstance(value, float):
        return repr(float(value)) if digits is None else f"{value:.{digits}g}"
    return "" if value is None else value
