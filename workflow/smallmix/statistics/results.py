"""The results of a study's cells, read back from metrics.csv and history.csv."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from smallmix.errors import SmallmixError

# How an accuracy is chosen from a training: by the best reading (the article's rule, chosen on the test images), by
# the last one, or by the median of the last tenth.
SELECTIONS = {
    "best": "best_test_accuracy",
    "last": "final_test_accuracy",
    "last_tenth": "last_tenth_test_accuracy",
}
_NAMES = frozenset({"study", "dataset", "method"})


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


HISTORY_FRONT = ("study", "size", "method", "seed")


@dataclass(frozen=True)
class History:
    """One current cell's evaluations by column of history.csv."""

    size: int
    method: str
    seed: int
    columns: dict[str, list[float]]


def read_results(path: Path) -> tuple[Result, ...]:
    """The rows of a metrics.csv, in its order. Raises SmallmixError where it is missing or damaged."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return tuple(
                Result(
                    size=int(row["size"]),
                    method=row["method"],
                    seed=int(row["seed"]),
                    numbers={key: _number(text) for key, text in row.items() if key not in _NAMES},
                )
                for row in csv.DictReader(stream, strict=True)
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as fault:
        raise SmallmixError(_explain(path, fault)) from fault


def read_histories(path: Path, largest_size: int | None = None) -> tuple[History, ...]:
    """The histories of a history.csv by cell, in its order; of sizes up to `largest_size` where that is given.

    Raises SmallmixError where the file is missing or damaged.
    """
    found: dict[tuple[int, str, int], History] = {}
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream, strict=True)
            header = next(rows)
            if header[: len(HISTORY_FRONT)] != list(HISTORY_FRONT):
                raise ValueError(f"it does not begin with the columns {','.join(HISTORY_FRONT)}")
            front, names = len(HISTORY_FRONT), header[len(HISTORY_FRONT) :]
            for row in rows:
                _, size_text, method, seed, *_ = row
                size = int(size_text)
                if largest_size is not None and size > largest_size:
                    continue
                place = (size, method, int(seed))
                if place not in found:
                    found[place] = History(*place, columns={name: [] for name in names})
                for name, text in zip(names, row[front:], strict=True):
                    found[place].columns[name].append(_number(text))
    except (OSError, ValueError, IndexError, StopIteration, csv.Error) as fault:
        raise SmallmixError(_explain(path, fault)) from fault
    return tuple(found.values())


def by_seed(results: Iterable[Result], size: int, method: str, column: str) -> dict[int, float]:
    """A column's numbers of one size and method, by seed in ascending order; empty fields are left out."""
    chosen = (one for one in results if one.size == size and one.method == method)
    values = {one.seed: one.numbers[column] for one in chosen}
    return {seed: values[seed] for seed in sorted(values) if not math.isnan(values[seed])}


def _number(text: str) -> float:
    return float(text) if text else math.nan


def _explain(path: Path, fault: Exception) -> str:
    return f"cannot read {path}: {fault}. Write it again with `python -m smallmix collect-metrics`."
