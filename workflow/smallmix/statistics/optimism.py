"""How much better a training looks when its best test accuracy is reported instead of its last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smallmix.statistics.intervals import MeanInterval, mean_interval
from smallmix.statistics.results import SELECTIONS, Result, by_seed
from smallmix.study.study import Study


@dataclass(frozen=True)
class Optimism:
    """The mean over seeds of (best minus last test accuracy), a fraction, never negative."""

    size: int
    method: str
    gap: MeanInterval


def measure_optimism(study: Study, results: Sequence[Result]) -> list[Optimism]:
    """One row a size and method that has a current cell, in the study's order."""
    rows: list[Optimism] = []
    for size in study.sizes:
        for method in study.methods:
            best = by_seed(results, size, method, SELECTIONS["best"])
            last = by_seed(results, size, method, SELECTIONS["last"])
            if best:
                rows.append(Optimism(size, method, mean_interval([best[seed] - last[seed] for seed in best])))
    return rows
