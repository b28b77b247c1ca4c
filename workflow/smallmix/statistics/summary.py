"""summary.csv: what every size and method came to over its seeds. Figures and the report draw these numbers.

One row per size, method and metric: mean, 95 % t interval, standard deviation, least and greatest value. An accuracy
has one metric for each selection. Accuracies, calibration errors and gaps are fractions; losses are in nats.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from smallmix.statistics.intervals import MeanInterval, mean_interval
from smallmix.statistics.study_results import Result
from smallmix.study.study import Study
from smallmix.tables.statistics_columns import ALL_METHODS, SUMMARY
from smallmix.tables.table_files import read_columns, write_table

# The columns of metrics.csv that are summed up as they are.
MEASURED = (
    "best_test_accuracy",
    "final_test_accuracy",
    "last_tenth_test_accuracy",
    "validation_best_test_accuracy",
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
# Rows of ALL_METHODS average a seed's methods first, so that they have one value per seed as well.
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
    write_table(path, SUMMARY, (dataclasses.astuple(row) for row in summary.rows))


def read_summary(path: Path) -> Summary:
    """Read a summary.csv. Raises TableError where it is missing or damaged."""
    rows = read_columns(path, SUMMARY)
    return Summary(
        tuple(
            SummaryRow(
                size=int(rows["size"][row]),
                method=str(rows["method"][row]),
                metric=str(rows["metric"][row]),
                seeds=int(rows["seeds"][row]),
                mean=float(rows["mean"][row]),
                low=_known(rows["low"][row]),
                high=_known(rows["high"][row]),
                standard_deviation=_known(rows["standard_deviation"][row]),
                minimum=float(rows["minimum"][row]),
                maximum=float(rows["maximum"][row]),
            )
            for row in range(len(rows["size"]))
        )
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


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
