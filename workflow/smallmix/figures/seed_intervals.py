"""The mean over seeds and its t interval, as figures draw them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from smallmix.statistics.intervals import mean_interval


def t_interval(values: npt.ArrayLike) -> tuple[float, float]:
    """The 95 % Student t interval of the mean; (nan, nan) for fewer than two values. Serves as seaborn's `errorbar`."""
    sample = np.asarray(values, dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    if len(sample) < 2:
        return float("nan"), float("nan")
    interval = mean_interval([float(value) for value in sample])
    return float(interval.low or 0.0), float(interval.high or 0.0)


def interval_sentence(seeds: Sequence[int]) -> str:
    """What dots and bars mean, given how many seeds each drawn point has."""
    most = max(seeds, default=0)
    if not seeds:
        return ""
    if most < 2:
        return "One seed each: there is no interval, and a difference of a point or two may be luck."
    mixed = " Points with a single seed have no bar." if min(seeds) < 2 else ""
    return (
        "Each small dot is one seed, the line goes through the means, the bar is the 95 % t interval of the mean over "
        f"seeds.{mixed} It covers the seeds, not the choice of the test images."
    )
