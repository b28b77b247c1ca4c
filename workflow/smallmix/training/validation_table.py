"""The table of validation images (row,label,class): drawn from what no subset uses, and refused where it is another."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallmix import atomic_files
from smallmix.datasets.arrays import load_dataset
from smallmix.errors import DatasetError
from smallmix.science.validation import TooFewUnusedImages, choose_validation_rows
from smallmix.study.cell import Cell
from smallmix.study.validation_draw import ValidationDraw
from smallmix.training.messages import describe_too_few_unused_images
from smallmix.training.subset_tables import COLUMNS, choose_subset, read_subset, read_train_table

DRAW_AGAIN = "Delete the file and run again to have it drawn anew."


def draw_validation(draw: ValidationDraw, train_table: Path, classes: Sequence[str], target: Path) -> NDArray[np.int64]:
    """Write the chosen lines of train.csv (row,label,class) to `target`; return their labels, int64 [images].

    Raises DatasetError where the subsets leave too few images, or cannot be chosen themselves.
    """
    lines = read_train_table(train_table)
    labels = np.array([int(line[1]) for line in lines], dtype=np.int64)
    rows = choose_validation(draw, labels, classes)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(lines[row] for row in rows)
    atomic_files.write_text(target, text.getvalue())
    return labels[rows]


def choose_validation(draw: ValidationDraw, labels: NDArray[np.int64], classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the rows of the draw, int64 [images], ascending. `labels` int64 [N] index `classes`.

    Raises DatasetError with the key to change where the data set cannot give them.
    """
    used = np.unique(np.concatenate([choose_subset(rule, labels, classes) for rule in draw.subsets]))
    try:
        return choose_validation_rows(draw.images, used, labels, draw.seed)
    except TooFewUnusedImages as error:
        raise DatasetError(describe_too_few_unused_images(draw.images, error.unused, len(labels))) from error


def explain_other_draw(draw: ValidationDraw, dataset: Path, table: Path) -> str | None:
    """Say why the table is not what the draw gives for the dataset; None where it is.

    Raises DatasetError where the dataset is not whole, or cannot give such a set.
    """
    arrays = load_dataset(dataset, verify=False)
    labels = np.asarray(arrays.train_labels)
    wanted = choose_validation(draw, labels, arrays.description.classes)
    try:
        rows, written = read_subset(table)
    except DatasetError as error:
        return str(error)
    if not np.array_equal(rows, wanted) or not np.array_equal(written, labels[wanted]):
        return f"{table}: its rows are not those of the draw. {DRAW_AGAIN}"
    return None


def explain_other_validation(cell: Cell, dataset: Path, subset: Path, table: Path | None) -> str | None:
    """Say why a cell cannot be validated on the images of the table; None where it can, or has none and needs none.

    Raises DatasetError where the dataset or one of the two tables cannot be read.
    """
    images = cell.evaluation.validation_images
    if images == 0:
        return None if table is None else f"the cell has no validation images; leave out the table {table}."
    if table is None:
        return f"the cell has {images:,} validation images; name their table with --validation."
    rows, labels = read_subset(table)
    labels_of_all = np.asarray(load_dataset(dataset, verify=False).train_labels)
    inside = len(rows) > 0 and rows.min() >= 0 and rows.max() < len(labels_of_all)
    different = len(np.unique(rows))
    if not len(rows) == different == images or not inside or (labels_of_all[rows] != labels).any():
        return (
            f"{table} does not belong to {dataset} and {images:,} validation images: it has {different:,} different "
            f"rows, and its labels must be those of the data set. {DRAW_AGAIN}"
        )
    shared = len(np.intersect1d(rows, read_subset(subset)[0]))
    if shared:
        return f"{table} shares {shared:,} images with {subset}, on which the cell is trained. {DRAW_AGAIN}"
    return None
