"""Means over seeds, with t intervals, of any column of metrics.csv: accuracies, losses, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smallmix.statistics.intervals import MeanInterval, mean_interval
from smallmix.statistics.results import Result, by_seed
from smallmix.study.study import Study


@dataclass(frozen=True)
class Summary:
    """One column's mean over the seeds of a size and method."""

    size: int
    method: str
    column: str
    interval: MeanInterval


def summarize(study: Study, results: Sequence[Result], columns: Sequence[str]) -> list[Summary]:
    """One row a size, method and column that has a number, in the study's order."""
    rows: list[Summary] = []
    for size in study.sizes:
        for method in study.methods:
            for column in columns:
                values = list(by_seed(results, size, method, column).values())
                if values:
                    rows.append(Summary(size, method, column, mean_interval(values)))
    return rows
