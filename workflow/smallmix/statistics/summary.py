"""summary.csv: what every size and method came to over its seeds. Figures and the report draw these numbers.

One row a size, method and metric: mean, 95 % t interval, standard deviation, least and greatest value. An accuracy has
one metric for each selection. Accuracies, calibration errors and gaps are fractions; losses are in nats.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from smallmix.atomic_files import write_text
from smallmix.collection.tables import csv_text
from smallmix.errors import SmallmixError
from smallmix.statistics.intervals import MeanInterval, mean_interval, number_text
from smallmix.statistics.study_results import Result
from smallmix.study.study import Study

COLUMNS = (
    "size",
    "method",
    "metric",
    "seeds",
    "mean",
    "low",
    "high",
    "standard_deviation",
    "minimum",
    "maximum",
)
# The columns of metrics.csv that are summed up as they are.
MEASURED = (
    "best_test_accuracy",
    "final_test_accuracy",
    "last_tenth_test_accuracy",
    "final_test_loss",
    "final_train_loss",
    "final_clean_train_loss",
    "final_clean_train_accuracy",
    "expected_calibration_error",
    "calibration_gap",
    "calibration_error_by_chance",
    "brier_score",
    "negative_log_likelihood",
    "best_iteration",
    "largest_early_loss",
)
# Metrics computed from several columns of one run: best minus last accuracy, and how far into the budget the best was.
DERIVED: dict[str, Callable[[Result], float]] = {
    "selection_gap": lambda run: run.number("best_test_accuracy") - run.number("final_test_accuracy"),
    "best_iteration_share": lambda run: run.number("best_iteration") / run.number("iterations"),
}
METRICS = (*MEASURED, *DERIVED)
# No method can have this name. Its rows average a seed's methods first, so that they have one value a seed as well.
ALL_METHODS = "*"
OVER_ALL_METHODS = ("calibration_error_by_chance",)


@dataclass(frozen=True)
class SummaryRow:
    """One metric of a size and method over its seeds. low, high and standard_deviation are None for one seed."""

    size: int
    method: str
    metric: str
    seeds: int
    mean: float
    low: float | None
    high: float | None
    standard_deviation: float | None
    minimum: float
    maximum: float

    @property
    def interval(self) -> MeanInterval:
        """Return the mean with its interval, as the other modules of statistics use it."""
        error = None if self.standard_deviation is None else self.standard_deviation / math.sqrt(self.seeds)
        return MeanInterval(self.seeds, self.mean, self.low, self.high, error)


@dataclass(frozen=True)
class Summary:
    """All rows of a summary.csv, in its order; empty by default, as for a study without any result."""

    rows: tuple[SummaryRow, ...] = ()

    def find(self, size: int, method: str, metric: str) -> SummaryRow | None:
        """Return the row of a metric, or None where no run of this size and method has it."""
        return self._by_key.get((size, method, metric))

    def mean(self, size: int, method: str, metric: str) -> float:
        """Return the mean over seeds, or NaN where there is none."""
        row = self.find(size, method, metric)
        return math.nan if row is None else row.mean

    def series(self, method: str, metric: str) -> list[SummaryRow]:
        """Return a metric's rows of one method, by ascending size: the points of a line."""
        chosen = (row for row in self.rows if (row.method, row.metric) == (method, metric))
        return sorted(chosen, key=lambda row: row.size)

    @cached_property
    def _by_key(self) -> dict[tuple[int, str, str], SummaryRow]:
        return {(row.size, row.method, row.metric): row for row in self.rows}


def summarize(study: Study, results: Sequence[Result]) -> Summary:
    """Summarize the runs by size, method and metric, in the study's order. A metric that no run has gets no row."""
    rows: list[SummaryRow] = []
    for size in study.sizes:
        of_size = [run for run in results if run.size == size]
        for method in study.methods:
            runs = [run for run in of_size if run.method == method]
            rows += _summarize(size, method, {metric: _values(runs, metric) for metric in METRICS})
        rows += _summarize(
            size, ALL_METHODS, {metric: _average_methods(of_size, metric) for metric in OVER_ALL_METHODS}
        )
    return Summary(tuple(rows))


def write_summary(summary: Summary, path: Path) -> None:
    """Write summary.csv, atomically; numbers have nine digits, unknown ones are empty."""
    write_text(path, csv_text(COLUMNS, map(_fields, summary.rows)))


def read_summary(path: Path) -> Summary:
    """Read a summary.csv. Raises SmallmixError where it is missing or damaged."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return Summary(tuple(map(_parse, csv.DictReader(stream, strict=True))))
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise SmallmixError(
            f"cannot read {path}: {error}. Write it again with `python -m smallmix summarize-cells`."
        ) from error


def _values(runs: Iterable[Result], metric: str) -> list[float]:
    """Return a metric's numbers by ascending seed; runs without it are left out."""
    ordered = sorted(runs, key=lambda run: run.seed)
    compute = DERIVED.get(metric)
    values = [run.number(metric) if compute is None else compute(run) for run in ordered]
    return [value for value in values if not math.isnan(value)]


def _average_methods(runs: Sequence[Result], metric: str) -> list[float]:
    """Return the mean over methods for each seed that has any."""
    by_seed = (
        _values([run for run in runs if run.seed == seed], metric) for seed in sorted({run.seed for run in runs})
    )
    return [math.fsum(values) / len(values) for values in by_seed if values]


def _summarize(size: int, method: str, values: dict[str, list[float]]) -> list[SummaryRow]:
    return [_summary_row(size, method, metric, numbers) for metric, numbers in values.items() if numbers]


def _summary_row(size: int, method: str, metric: str, values: list[float]) -> SummaryRow:
    interval = mean_interval(values)
    error = interval.standard_error
    return SummaryRow(
        size=size,
        method=method,
        metric=metric,
        seeds=interval.count,
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        standard_deviation=None if error is None else error * math.sqrt(interval.count),
        minimum=min(values),
        maximum=max(values),
    )


def _fields(row: SummaryRow) -> list[str]:
    numbers = (row.mean, row.low, row.high, row.standard_deviation, row.minimum, row.maximum)
    return [str(row.size), row.method, row.metric, str(row.seeds), *map(number_text, numbers)]


def _parse(row: dict[str, str]) -> SummaryRow:
    return SummaryRow(
        size=int(row["size"]),
        method=row["method"],
        metric=row["metric"],
        seeds=int(row["seeds"]),
        mean=float(row["mean"]),
        low=_number(row["low"]),
        high=_number(row["high"]),
        standard_deviation=_number(row["standard_deviation"]),
        minimum=float(row["minimum"]),
        maximum=float(row["maximum"]),
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
