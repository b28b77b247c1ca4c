"""train.csv: the training images as a table that people may open, one row an image, in the order of the arrays."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from smallmix.datasets.description import load_description, remedy
from smallmix.errors import DatasetError

TABLE_FILE = "train.csv"
HEADER = ("row", "label", "class")
# What spreadsheets take for the start of a formula, with the full-width forms that some of them accept as well.
FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001


class TrainRow(NamedTuple):
    """One training image: its index in train_images.npy, its class as an integer, and the class's name."""

    row: int
    label: int
    class_name: str


def guarded_cell(text: str) -> str:
    """`text` as a CSV cell that no spreadsheet runs as a formula: a single quote goes before = + - and @.

    The quote is only for tables; dataset.json holds the name as it is.
    """
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def train_table_bytes(labels: Iterable[int], classes: Sequence[str]) -> bytes:
    """The content of train.csv (UTF-8) for the labels of the training images, in their order."""
    guarded = [guarded_cell(name) for name in classes]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows((row, label, guarded[label]) for row, label in enumerate(labels))
    return stream.getvalue().encode("utf-8")


def read_train_table(folder: Path) -> list[TrainRow]:
    """The rows of a dataset folder's train.csv, with the classes' own names (unguarded, as in dataset.json).

    Raises DatasetError where the table is missing or does not agree with dataset.json.
    """
    description = load_description(folder)
    path = Path(folder) / TABLE_FILE
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            lines = list(csv.reader(stream, strict=True))
    except FileNotFoundError as fault:
        raise DatasetError(f"{path} is missing. {remedy(folder)}") from fault
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise DatasetError(f"{path} cannot be read: {fault}. {remedy(folder)}") from fault
    if len(lines) != description.train_count + 1 or tuple(lines[0]) != HEADER:
        raise DatasetError(
            f"{path} should hold the columns {','.join(HEADER)} and {description.train_count} rows. {remedy(folder)}"
        )
    expected = {(str(label), guarded_cell(name)): label for label, name in enumerate(description.classes)}
    rows: list[TrainRow] = []
    for row, cells in enumerate(lines[1:]):
        label = expected.get((cells[1], cells[2])) if len(cells) == len(HEADER) and cells[0] == str(row) else None
        if label is None:
            raise DatasetError(f"{path}: row {row} does not agree with dataset.json: {cells}. {remedy(folder)}")
        rows.append(TrainRow(row, label, description.classes[label]))
    return rows
