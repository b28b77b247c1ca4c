"""Quantities over the iterations of training: the mean over seeds as a line, single seeds faintly behind it."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from smallmix.figures.style import SeriesLook
from smallmix.tables.study_tables import StudyTables
from smallmix.tables.thinning import thin_curve


def draw_mean_curve(
    axes: Axes,
    mean: pd.DataFrame,
    column: str,
    look: SeriesLook,
    part: str,
    limit: int,
    scale: float = 1.0,
    **line: Any,
) -> None:
    """Draw `column` of a mean curve (see `StudyTables.mean_curve`), thinned to `limit` points."""
    x, y = thin_curve(mean.index.to_numpy(dtype=float), mean[column].to_numpy(dtype=float) * scale, limit)
    axes.plot(x, y, gid=look.tag(part), **{"color": look.color, **line})


def draw_seed_curves(
    axes: Axes, curves: pd.DataFrame, column: str, look: SeriesLook, limit: int, scale: float = 1.0, **line: Any
) -> None:
    """Draw `column` of every seed faintly; nothing where there is one seed, whose curve is the mean already."""
    if curves["seed"].nunique() < 2:
        return
    for _, one in curves.groupby("seed"):
        x, y = thin_curve(one["iteration"].to_numpy(dtype=float), one[column].to_numpy(dtype=float) * scale, limit)
        axes.plot(
            x, y, gid=look.tag("seeds"), **{"color": look.color, "linewidth": 0.5, "alpha": 0.3, "zorder": 1, **line}
        )


def curve_seeds_sentence(tables: StudyTables) -> str:
    """Return what a line stands for, given the seeds that have histories."""
    most = int(tables.history["seed"].nunique()) if len(tables.history) else 0
    if most < 2:
        return "One seed." if most else ""
    return f"Lines are means over up to {most} seeds; the test curves of single seeds stand faintly behind."
