"""The tables of a study: metrics.csv, history.csv and cells.csv. Numbers are copied, never computed anew.

But for one: calibration_error_by_chance, which the predictions give and no cell's file states.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from smallmix.atomic_files import atomic_writer, write_text
from smallmix.study.study import StudyCell
from smallmix.tables.cell_files import HISTORY_COLUMNS, NUMBERS
from smallmix.tables.collect import Collection

METRICS_COLUMNS = ("study", "dataset", "size", "method", "seed", *NUMBERS, "calibration_error_by_chance")
CELLS_COLUMNS = ("size", "method", "seed", "status", "reason")
ALL_HISTORY_COLUMNS = ("study", "size", "method", "seed", *HISTORY_COLUMNS)


def write_tables(collection: Collection, folder: Path) -> None:
    """Write metrics.csv and history.csv (current cells) and cells.csv (all cells) into `folder`, each atomically."""
    write_metrics(collection, folder / "metrics.csv")
    write_history(collection, folder / "history.csv")
    write_cells(collection, folder / "cells.csv")


def write_metrics(collection: Collection, path: Path) -> None:
    """One row a current cell, in the study's order; accuracies are fractions, losses in nats."""
    study = collection.study
    rows = (
        [
            study.name,
            study.dataset,
            *_place(record.cell),
            *(_text(record.metrics[key]) for key in NUMBERS),
            _text(record.calibration_error_by_chance),
        ]
        for record in collection.current
        if record.metrics is not None
    )
    write_text(path, csv_text(METRICS_COLUMNS, rows))


def write_history(collection: Collection, path: Path) -> None:
    """All current cells' histories below each other, every number in the very digits of the cell's own file."""
    with atomic_writer(path) as stream:
        stream.write((",".join(ALL_HISTORY_COLUMNS) + "\n").encode())
        for record in collection.current:
            front = csv_text((collection.study.name, *_place(record.cell)), ()).rstrip("\n")
            stream.write("".join(f"{front},{row}\n" for row in record.history_rows).encode())


def write_cells(collection: Collection, path: Path) -> None:
    """One row a cell of the study, with its status and the reason for it (empty for current cells)."""
    rows = ([*_place(record.cell), record.status, " ".join(record.reason.split())] for record in collection.records)
    write_text(path, csv_text(CELLS_COLUMNS, rows))


def csv_text(header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """A CSV text with line feeds, fields quoted where they must be."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


def _place(cell: StudyCell) -> tuple[int, str, int]:
    return cell.size, cell.method, cell.seed


def _text(value: float | None) -> str:
    """The shortest text that reads back as the same number, which is also how JSON writes it; empty for None."""
    return "" if value is None else repr(value)
