"""A study's results, read back from its tables: runs, histories, subsets and the data set's description."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from smallmix.datasets.description import DatasetDescription, find_description
from smallmix.study.cell import Mix
from smallmix.study.layout import Layout
from smallmix.study.published import Protocol, article_protocol, method_as_published
from smallmix.study.study import Study
from smallmix.tables.cell_status import Collection
from smallmix.tables.columns import CELL_HISTORY, CELL_NUMBERS, HISTORY, METRICS, SELECTIONS, VALIDATION_NUMBERS
from smallmix.tables.subset_table import SubsetRow, count_classes, read_subset_table
from smallmix.tables.table_files import Columns, read_columns


@dataclass(frozen=True)
class Result:
    """One current cell's numbers by column of metrics.csv (accuracies are fractions; NaN where a field is empty)."""

    size: int
    method: str
    seed: int
    numbers: dict[str, float]

    def number(self, column: str) -> float:
        """Return a column's number, or NaN where the run has none."""
        return self.numbers.get(column, math.nan)


@dataclass(frozen=True)
class History:
    """One current cell's evaluations by column of history.csv."""

    size: int
    method: str
    seed: int
    columns: dict[str, list[float]]


def read_results(path: Path) -> tuple[Result, ...]:
    """Read the rows of a metrics.csv, in its order. Raises TableError where it is missing or damaged."""
    columns = read_columns(path, METRICS)
    numbers = {column.name: columns[column.name].tolist() for column in METRICS.columns if column.dtype != "text"}
    return tuple(
        Result(size, method, seed, {name: float(values[row]) for name, values in numbers.items()})
        for row, (size, method, seed) in enumerate(_cells(columns))
    )


def results_of(collection: Collection) -> tuple[Result, ...]:
    """Return the numbers of the current cells of a collection, as `read_results` would once they are written."""
    return tuple(
        Result(
            record.cell.size,
            record.cell.method,
            record.cell.seed,
            {
                **{column.name: _as_number(record.metrics[column.name]) for column in CELL_NUMBERS},
                **{column.name: _as_number(record.metrics.get(column.name)) for column in VALIDATION_NUMBERS},
            },
        )
        for record in collection.current
        if record.metrics is not None
    )


def _as_number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def read_histories(path: Path, largest_size: int | None = None) -> tuple[History, ...]:
    """Read the histories of a history.csv by cell, in its order; of sizes up to `largest_size` if that is given.

    Raises TableError where the file is missing or damaged.
    """
    keep = None if largest_size is None else (lambda part: part["size"] <= largest_size)
    columns = read_columns(path, HISTORY, keep)
    names = CELL_HISTORY.names
    numbers = zip(*(columns[name].tolist() for name in names), strict=True)
    found: dict[tuple[int, str, int], History] = {}
    for cell, row in zip(_cells(columns), numbers, strict=True):
        history = found.setdefault(cell, History(*cell, columns={name: [] for name in names}))
        for name, value in zip(names, row, strict=True):
            history.columns[name].append(float(value))
    return tuple(found.values())


def _cells(columns: Columns) -> Iterator[tuple[int, str, int]]:
    """Return size, method and seed of every row."""
    return zip(columns["size"].tolist(), columns["method"].tolist(), columns["seed"].tolist(), strict=True)


def by_seed(results: Iterable[Result], size: int, method: str, column: str) -> dict[int, float]:
    """Return a column's numbers of one size and method, by ascending seed; empty fields are left out."""
    chosen = (one for one in results if one.size == size and one.method == method)
    values = {one.seed: one.numbers[column] for one in chosen}
    return {seed: values[seed] for seed in sorted(values) if not math.isnan(values[seed])}


# The sizes that the article calls small data are far below; loss curves of larger ones are not judged.
SMALL_DATA_LIMIT = 1000


@dataclass(frozen=True)
class StudyResults:
    """A study with its results; classes are names, if known. `protocol` is what it is compared with.

    Histories, and the images of every class by size and seed, are those of sizes up to SMALL_DATA_LIMIT.
    label_checksums are the sha256 of the training and of the test labels as stored; empty where they are not known.
    """

    study: Study
    runs: tuple[Result, ...]
    histories: tuple[History, ...] = ()
    subset_rows: tuple[SubsetRow, ...] = ()
    classes: tuple[str, ...] = ()
    class_counts: Mapping[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    label_checksums: tuple[str, ...] = ()
    protocol: Protocol = field(default_factory=article_protocol)

    def accuracies(self, size: int, method: str, selection: str = "best") -> dict[int, float]:
        """Return test accuracies (fractions) by seed. By default those that published claims are judged by."""
        return by_seed(self.runs, size, method, SELECTIONS[selection])

    def method_that_mixes(self, mix: Mix) -> str | None:
        """Return the study's method that stands for the published one of this mix, or None."""
        return method_as_published(self.study, mix, self.protocol)

    @property
    def mixing_methods(self) -> list[str]:
        """Return the methods that stand for the published ways of mixing, as far as the study has them."""
        mixes: tuple[Mix, ...] = ("images", "images-and-labels")
        return [name for mix in mixes if (name := self.method_that_mixes(mix)) is not None]

    def histories_of(self, method: str, size: int | None = None) -> list[History]:
        """Return the histories of a method, of one size or of all small ones."""
        return [one for one in self.histories if one.method == method and size in (None, one.size)]


def load_study_results(study: Study, root: Path, tables: Path | None = None) -> StudyResults:
    """Read a study's tables, from `tables` or else from results/<study>.

    subset_table.csv, the subsets and the dataset's description may be absent (a partial report); raises SmallmixError
    where metrics.csv or history.csv is, or where any of them is damaged.
    """
    layout = Layout(study, root)
    folder = tables or layout.results
    subset_table = folder / "subset_table.csv"
    description = find_description(layout.dataset)
    classes = () if description is None else description.classes
    return StudyResults(
        study=study,
        runs=read_results(folder / "metrics.csv"),
        histories=read_histories(folder / "history.csv", SMALL_DATA_LIMIT),
        subset_rows=tuple(read_subset_table(subset_table)) if subset_table.exists() else (),
        classes=classes,
        class_counts=_class_counts(layout, len(classes)),
        label_checksums=label_checksums(description),
    )


def _class_counts(layout: Layout, classes: int) -> dict[tuple[int, int], tuple[int, ...]]:
    """Count the images of every class in the small subsets that are there, by size and seed."""
    study = layout.study
    places = {
        (size, seed): layout.subset_of(size, seed)
        for size in study.sizes
        for seed in study.seeds
        if classes and size <= SMALL_DATA_LIMIT
    }
    counts = {path: tuple(count_classes(path, classes, size)) for (size, _), path in places.items() if path.exists()}
    return {place: counts[path] for place, path in places.items() if path in counts}


def label_checksums(description: DatasetDescription | None) -> tuple[str, ...]:
    """Return the sha256 of the training and of the test labels; empty where they are not known."""
    return labels_among({} if description is None else description.checksums)


def labels_among(checksums: Mapping[str, str]) -> tuple[str, ...]:
    """Return the sha256 of the training and of the test labels among those of a data set; empty where they lack."""
    if not {"train_labels.npy", "test_labels.npy"} <= checksums.keys():
        return ()
    return checksums["train_labels.npy"], checksums["test_labels.npy"]
