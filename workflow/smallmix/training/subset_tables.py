"""The tables of chosen training images (row,label,class): written by the rule, read back, refused where they differ."""

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
from smallmix.science.subsets import ScarceClasses, TooFewImages, TooManyClasses, choose_rows
from smallmix.study.cell import SubsetValue
from smallmix.training.messages import (
    describe_one_class,
    describe_scarce_classes,
    describe_too_few_images,
    describe_too_many_classes,
)

COLUMNS = ("row", "label", "class")


def extract_subset(rule: SubsetValue, train_table: Path, classes: Sequence[str], target: Path) -> NDArray[np.int64]:
    """Write the chosen lines of train.csv (row,label,class) to `target`; return their labels, int64 [size].

    Raises DatasetError where the data set cannot give such a subset, or the subset would hold one class only.
    """
    lines = read_train_table(train_table)
    labels = np.array([int(line[1]) for line in lines], dtype=np.int64)
    rows = choose_subset(rule, labels, classes)
    if (labels[rows] == labels[rows[0]]).all():
        raise DatasetError(describe_one_class(rule, int(labels[rows[0]]), labels, classes))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(lines[row] for row in rows)
    atomic_files.write_text(target, text.getvalue())
    return labels[rows]


def read_train_table(path: Path) -> list[list[str]]:
    """Return the lines of train.csv below its header: row, label, class. Raises DatasetError where it is another."""
    with open(path, newline="", encoding="utf-8") as stream:
        reader = csv.reader(stream)
        header = next(reader, None)
        if header != list(COLUMNS):
            raise DatasetError(
                f"{path}: its first line is {header}, not {','.join(COLUMNS)}. "
                "Delete the data set's folder and run again to have it written anew."
            )
        return list(reader)


def choose_subset(rule: SubsetValue, labels: NDArray[np.int64], classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the chosen rows, int64 [size], ascending; see `science.subsets`. `labels` int64 [N] index `classes`.

    Raises DatasetError with the key to change where the data set cannot give such a subset.
    """
    try:
        return choose_rows(rule, labels, len(classes))
    except TooFewImages as error:
        raise DatasetError(describe_too_few_images(rule.size, error.total)) from error
    except TooManyClasses as error:
        raise DatasetError(describe_too_many_classes(rule.size, error.classes)) from error
    except ScarceClasses as error:
        raise DatasetError(describe_scarce_classes(rule.size, error.wanted, error.at_hand, classes)) from error


def read_subset(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows and labels of a subset table, both int64 [size]. Raises DatasetError where it is none."""
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            pairs = [(int(line["row"]), int(line["label"])) for line in reader]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"cannot read the subset {path}: {error!r}. Delete the file and run again to have it extracted anew."
        ) from error
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()


def explain_other_subset(rule: SubsetValue, dataset: Path, subset: Path) -> str | None:
    """Say why the table is not what `rule` gives for the dataset; None where it is.

    Raises DatasetError where the dataset is not whole, or cannot give such a subset.
    """
    arrays = load_dataset(dataset, verify=False)
    labels = np.asarray(arrays.train_labels)
    wanted = choose_subset(rule, labels, arrays.description.classes)
    beginning = f"{subset} does not belong to {dataset} and size {rule.size}"
    try:
        rows, written = read_subset(subset)
    except DatasetError as error:
        return f"{beginning}: {error}"
    if not np.array_equal(rows, wanted):
        return f"{beginning}: its rows are not those of the rule {rule.rule}"
    if not np.array_equal(written, labels[wanted]):
        return f"{beginning}: its labels are not those of the data set"
    return None
