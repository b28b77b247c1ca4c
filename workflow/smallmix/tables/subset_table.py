"""subset_table.csv: how uneven the classes of every subset are (the article's Table 1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from smallmix.datasets.description import load_description
from smallmix.errors import DatasetError
from smallmix.study.layout import Layout
from smallmix.tables.columns import SUBSET, SUBSET_TABLE
from smallmix.tables.table_files import TableError, read_columns, write_table

EXTRACT_AGAIN = "Delete the file and extract the subsets again (`snakemake --cores 1 subsets`)."


@dataclass(frozen=True)
class SubsetRow:
    """A training-set size with the images of its smallest and its largest class (over all draws, where redrawn).

    `missing_classes` is the number of classes without an image, the largest of all draws. Nobody publishes it, so
    rows are equal without it.
    """

    size: int
    smallest_class: int
    largest_class: int
    missing_classes: int = field(default=0, compare=False)


def tabulate_subsets(layout: Layout) -> list[SubsetRow]:
    """Count the classes of every subset of the study, in the study's order of sizes.

    A class without an image counts as 0. Raises DatasetError where a subset's table or the dataset's description
    is missing or damaged.
    """
    study = layout.study
    classes = len(load_description(layout.dataset).classes)
    rows: list[SubsetRow] = []
    for size in study.sizes:
        tables = dict.fromkeys(layout.subset_of(size, seed) for seed in study.seeds)
        counts = [count_classes(path, classes, size) for path in tables]
        missing = max(of_draw.count(0) for of_draw in counts)
        rows.append(SubsetRow(size, min(map(min, counts)), max(map(max, counts)), missing))
    return rows


def count_classes(path: Path, classes: int, size: int) -> list[int]:
    """Return the number of images of every class in a subset's table.

    Raises DatasetError unless the table has `size` rows and labels from 0 to classes - 1.
    """
    try:
        labels = read_columns(path, SUBSET)["label"]
    except TableError as error:
        raise DatasetError(f"the subset {path}: {error.problem}. {EXTRACT_AGAIN}") from error
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(outside):
        row = int(outside[0])
        raise DatasetError(
            f"the subset {path}, row {row + 1}: the label is {labels[row]}, not a class from 0 to {classes - 1}. "
            f"{EXTRACT_AGAIN}"
        )
    if len(labels) != size:
        raise DatasetError(f"the subset {path} holds {len(labels):,} rows instead of {size:,}. {EXTRACT_AGAIN}")
    return [int(count) for count in np.bincount(labels, minlength=classes)]


def write_subset_table(rows: Iterable[SubsetRow], path: Path) -> None:
    """Write subset_table.csv, atomically."""
    write_table(path, SUBSET_TABLE, (dataclasses.astuple(row) for row in rows))


def read_subset_table(path: Path) -> list[SubsetRow]:
    """Return the rows of a subset_table.csv. Raises TableError where it is missing or damaged."""
    columns = read_columns(path, SUBSET_TABLE)
    return [SubsetRow(*map(int, row)) for row in zip(*columns.values(), strict=True)]
