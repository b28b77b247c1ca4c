"""subset_table.csv: how uneven the classes of every subset are (the article's Table 1)."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smallmix.atomic_files import write_text
from smallmix.errors import DatasetError
from smallmix.study.layout import Layout
from smallmix.tables.study_tables import csv_text

COLUMNS = ("size", "smallest_class", "largest_class", "missing_classes")


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


@dataclass(frozen=True)
class SubsetComparison:
    """A row beside the published one; equal is None where nothing was published on this size."""

    row: SubsetRow
    published: SubsetRow | None

    @property
    def equal(self) -> bool | None:
        """Whether both counts are the published ones."""
        return None if self.published is None else self.row == self.published


def tabulate_subsets(layout: Layout) -> list[SubsetRow]:
    """Count the classes of every subset of the study, in the study's order of sizes.

    A class without an image counts as 0. Raises DatasetError where a subset's table or the dataset's description
    is missing or damaged.
    """
    study = layout.study
    classes = _number_of_classes(layout.dataset / "dataset.json")
    rows: list[SubsetRow] = []
    for size in study.sizes:
        tables = dict.fromkeys(layout.subset_of(size, seed) for seed in study.seeds)
        counts = [count_classes(path, classes, size) for path in tables]
        missing = max(of_draw.count(0) for of_draw in counts)
        rows.append(SubsetRow(size, min(map(min, counts)), max(map(max, counts)), missing))
    return rows


def count_classes(path: Path, classes: int, size: int) -> list[int]:
    """The number of images of every class in a subset's table. Raises DatasetError unless it has `size` rows."""
    counts = [0] * classes
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            for line, row in enumerate(csv.DictReader(stream), start=2):
                label = _label(row.get("label"), classes)
                if label is None:
                    raise DatasetError(
                        f"{path}, line {line}: the label is {row.get('label')!r}, not a class from 0 to {classes - 1}. "
                        "Delete the file and extract the subsets again (`snakemake --cores 1 subsets`)."
                    )
                counts[label] += 1
    except (OSError, ValueError, csv.Error) as fault:
        raise DatasetError(
            f"cannot read the subset {path}: {fault}. Extract the subsets first (`snakemake --cores 1 subsets`)."
        ) from fault
    if sum(counts) != size:
        raise DatasetError(
            f"{path} holds {sum(counts):,} rows instead of {size:,}. "
            "Delete it and extract the subsets again (`snakemake --cores 1 subsets`)."
        )
    return counts


def write_subset_table(rows: Iterable[SubsetRow], path: Path) -> None:
    """Write size,smallest_class,largest_class,missing_classes, atomically."""
    write_text(path, csv_text(COLUMNS, (dataclasses.astuple(row) for row in rows)))


def read_subset_table(path: Path) -> list[SubsetRow]:
    """The rows of a subset_table.csv. Raises DatasetError where it is missing or damaged.

    Tables of version 0.3 and older have no column missing_classes; it reads as 0 there.
    """
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return [_row(record) for record in csv.DictReader(stream)]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise DatasetError(
            f"cannot read {path}: {fault}. Write it again with `python -m smallmix tabulate-subsets`."
        ) from fault


def _row(record: Mapping[str, str]) -> SubsetRow:
    size, smallest, largest = (int(record[column]) for column in COLUMNS[:3])
    return SubsetRow(size, smallest, largest, int(record.get(COLUMNS[3]) or 0))


def compare_subsets(rows: Iterable[SubsetRow], published: Iterable[SubsetRow]) -> list[SubsetComparison]:
    """Every row beside the published row of the same size, if there is one."""
    by_size = {row.size: row for row in published}
    return [SubsetComparison(row, by_size.get(row.size)) for row in rows]


def _number_of_classes(path: Path) -> int:
    try:
        classes: Any = json.loads(path.read_text(encoding="utf-8"))["classes"]
        if isinstance(classes, list) and classes:
            return len(classes)
        raise ValueError("it lists no classes")
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise DatasetError(
            f"cannot read the dataset's description {path}: {fault}. "
            "Fetch the dataset again (`snakemake --cores 1 subsets`)."
        ) from fault


def _label(text: str | None, classes: int) -> int | None:
    try:
        label = int(text or "")
    except ValueError:
        return None
    return label if 0 <= label < classes else None
