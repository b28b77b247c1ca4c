"""per_class.csv and confusion.csv: how well each class is recognised, and what it is taken for.

Both are counted from the predictions of the network at the end of the budget. Logits are stored as float16. Where two
of them became equal by that, the first class counts, so that an accuracy may differ from that of the training by an
image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallmix.datasets.array_writing import FORMULA_STARTS
from smallmix.errors import SmallmixError
from smallmix.study.layout import Layout
from smallmix.study.study import StudyCell
from smallmix.tables.columns import CONFUSION, PER_CLASS
from smallmix.tables.predictions import PREDICTIONS_FILE, load_predictions, predicted_classes
from smallmix.tables.table_files import write_table


@dataclass(frozen=True)
class CellCounts:
    """The test images of one cell: `counts` is int64 [classes, classes], by class (rows) and predicted class."""

    size: int
    method: str
    seed: int
    counts: NDArray[np.int64]

    @property
    def accuracies(self) -> NDArray[np.float64]:
        """Return the accuracy of each class, float64 [classes]; NaN for a class without test images."""
        images = self.counts.sum(axis=1)
        unknown: NDArray[np.float64] = np.full(len(images), np.nan)
        np.divide(np.diag(self.counts), images, out=unknown, where=images > 0)
        return unknown


def count_predictions(logits: NDArray[np.float16], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many images of each class (rows) were predicted as each class (columns), int64 [classes, classes].

    `logits` are [N, classes], `labels` int64 [N].
    """
    classes = logits.shape[1]
    pairs = labels * classes + predicted_classes(logits)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def count_cells(layout: Layout, cells: Iterable[StudyCell], classes: Sequence[str]) -> list[CellCounts]:
    """Count the predictions of trained cells. `classes` are the names of the data set's classes.

    Raises SmallmixError where predictions are missing, damaged, or of another number of classes.
    """
    found = []
    for cell in cells:
        path = layout.cell(cell) / PREDICTIONS_FILE
        logits, labels = load_predictions(path)
        if logits.shape[1] != len(classes):
            raise SmallmixError(
                f"{path} has logits of {logits.shape[1]} classes, and the data set {layout.dataset} has "
                f"{len(classes)}. Train the cell again."
            )
        found.append(CellCounts(cell.size, cell.method, cell.seed, count_predictions(logits, labels)))
    return found


def write_class_tables(counted: Sequence[CellCounts], classes: Sequence[str], folder: Path) -> None:
    """Write per_class.csv and confusion.csv into `folder`, each atomically, in the order of the cells."""
    names = table_names(classes)
    write_table(folder / PER_CLASS.file, PER_CLASS, (row for cell in counted for row in _per_class_rows(cell, names)))
    write_table(folder / CONFUSION.file, CONFUSION, _confusion_rows(counted, names))


def table_names(classes: Sequence[str]) -> list[str]:
    """Return the classes' names for a table: a quote stands before what a spreadsheet would run as a formula."""
    return [f"'{name}" if name.startswith(FORMULA_STARTS) else name for name in classes]


def _per_class_rows(cell: CellCounts, names: Sequence[str]) -> Iterable[list[Any]]:
    for label, (name, accuracy) in enumerate(zip(names, cell.accuracies.tolist(), strict=True)):
        images, correct = int(cell.counts[label].sum()), int(cell.counts[label, label])
        yield [cell.size, cell.method, cell.seed, label, name, images, correct, accuracy if images else None]


def _confusion_rows(counted: Sequence[CellCounts], names: Sequence[str]) -> Iterable[list[Any]]:
    """Sum the counts over the seeds of a size and method, and leave out pairs that never occurred."""
    for size, method in dict.fromkeys((cell.size, cell.method) for cell in counted):
        total = sum(
            (cell.counts for cell in counted if (cell.size, cell.method) == (size, method)),
            np.zeros((len(names), len(names)), np.int64),
        )
        for label, predicted in np.argwhere(total).tolist():
            count = int(total[label, predicted])
            share = count / int(total[label].sum())
            yield [size, method, label, names[label], predicted, names[predicted], count, share]
