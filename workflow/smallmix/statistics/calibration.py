"""How well the methods' confidence can be trusted, summed up over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smallmix.statistics.intervals import MeanInterval
from smallmix.statistics.results import Result
from smallmix.statistics.summaries import summarize
from smallmix.study.study import Study

COLUMNS = ("expected_calibration_error", "calibration_gap", "brier_score", "negative_log_likelihood")
NEGLIGIBLE_GAP = 0.01


@dataclass(frozen=True)
class Calibration:
    """A size and method's calibration: means over seeds with t intervals. The gap is mean confidence minus accuracy."""

    size: int
    method: str
    expected_calibration_error: MeanInterval
    calibration_gap: MeanInterval
    brier_score: MeanInterval
    negative_log_likelihood: MeanInterval

    @property
    def tendency(self) -> str:
        """over-confident, under-confident, or neither where the gap is small or its interval holds zero."""
        gap = self.calibration_gap
        open_sign = gap.low is not None and not gap.excludes_zero
        if abs(gap.mean) <= NEGLIGIBLE_GAP or open_sign:
            return "neither"
        return "over-confident" if gap.mean > 0 else "under-confident"


def summarize_calibration(study: Study, results: Sequence[Result]) -> list[Calibration]:
    """One row a size and method with current cells, in the study's order."""
    found: dict[tuple[int, str], dict[str, MeanInterval]] = {}
    for row in summarize(study, results, COLUMNS):
        found.setdefault((row.size, row.method), {})[row.column] = row.interval
    return [Calibration(size, method, **intervals) for (size, method), intervals in found.items()]
