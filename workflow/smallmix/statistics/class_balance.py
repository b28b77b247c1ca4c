"""class_balance.csv: do classes with more training images come out better?

Each seed gives one number: over the classes, the rank correlation of accuracy with the number of training images, and
the slope of a least-squares line. The interval is that of the mean over seeds. The classes of one seed are no
independent values, because they share one network, so that they are not pooled.

Classes differ in difficulty, too. Where each seed draws its own subset, it is chance which class has many images, and
the interval covers that. Where all seeds share one subset, the same class has most in each. An easy one with many
images then looks like an effect of their number, and no number of seeds tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallmix.statistics.intervals import MeanInterval, mean_interval
from smallmix.study.layout import Layout
from smallmix.tables.class_tables import CellCounts
from smallmix.tables.statistics_columns import CLASS_BALANCE
from smallmix.tables.subset_table import count_classes
from smallmix.tables.table_files import write_table

EVEN = 1  # images by which the classes of a balanced subset may differ
FEWEST_CLASSES = 3  # two classes have a correlation of 1 or -1, whatever they are


@dataclass(frozen=True)
class BalanceOfRun:
    """Of one run: the rank correlation of accuracy with training images over its classes, and the slope per image."""

    correlation: float
    slope: float


@dataclass(frozen=True)
class ClassBalance:
    """The means over seeds at one size and method; `draws` is how many different subsets these seeds had."""

    size: int
    method: str
    draws: int
    correlation: MeanInterval
    slope: MeanInterval

    def fields(self) -> list[int | float | str | None]:
        """Return the row's values in the order of the columns of class_balance.csv."""
        one, other = self.correlation, self.slope
        low = None if one.low is None else max(-1.0, one.low)
        high = None if one.high is None else min(1.0, one.high)
        return [self.size, self.method, one.count, self.draws, one.mean, low, high, other.mean, other.low, other.high]


def balance_of_run(accuracies: NDArray[np.float64], images: NDArray[np.int64]) -> BalanceOfRun | None:
    """Relate the accuracies on the classes (float64 [classes], NaN where unknown) to their training images (int64).

    Equal numbers share the mean of their ranks. Return None where fewer than three classes are known, where all of them
    have equal accuracies, and where they have equally many images, give or take one, as in balanced subsets.
    """
    known = np.isfinite(accuracies)
    values, counts = accuracies[known], images[known].astype(np.float64)
    if len(values) < FEWEST_CLASSES or not np.ptp(values) or np.ptp(counts) <= EVEN:
        return None
    deviations = counts - counts.mean()
    return BalanceOfRun(
        correlation=float(np.corrcoef(mean_ranks(counts), mean_ranks(values))[0, 1]),
        slope=float(deviations @ values / (deviations @ deviations)),
    )


def mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks, from 1 on, of float64 values in one dimension; equal ones share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def relate_classes(layout: Layout, counted: Sequence[CellCounts]) -> list[ClassBalance]:
    """Relate the accuracies on the classes to the training images of each, by size and method in the study's order.

    A size and method whose runs have no such number, as with balanced subsets, has no row. Raises DatasetError where a
    subset's table is missing or damaged.
    """
    study = layout.study
    images: dict[Path, NDArray[np.int64]] = {}
    rows = []
    for size in study.sizes:
        for method in study.methods:
            found: list[BalanceOfRun] = []
            draws: set[Path] = set()
            chosen = [cell for cell in counted if (cell.size, cell.method) == (size, method)]
            for cell in sorted(chosen, key=lambda cell: cell.seed):
                path = layout.subset_of(size, cell.seed)
                if path not in images:
                    images[path] = np.array(count_classes(path, len(cell.counts), size), dtype=np.int64)
                if (one := balance_of_run(cell.accuracies, images[path])) is not None:
                    found.append(one)
                    draws.add(path)
            if found:
                correlation = mean_interval([one.correlation for one in found])
                slope = mean_interval([one.slope for one in found])
                rows.append(ClassBalance(size, method, len(draws), correlation, slope))
    return rows


def write_class_balance(rows: Sequence[ClassBalance], path: Path) -> None:
    """Write class_balance.csv, atomically."""
    write_table(path, CLASS_BALANCE, (row.fields() for row in rows))
