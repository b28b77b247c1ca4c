"""Quantities over the iterations of training: the mean over seeds as a line, single seeds faintly behind it."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from smallmix.figures.study_tables import StudyTables
from smallmix.figures.style import SeriesLook
from smallmix.figures.thinning import thin_curve


def curves_of(tables: StudyTables, size: int, method: str) -> pd.DataFrame:
    """The histories of one size and method, all seeds, by iteration."""
    history = tables.history
    return history[(history["size"] == size) & (history["method"] == method)].sort_values(["seed", "iteration"])


def sizes_with_curves(tables: StudyTables) -> list[int]:
    """The study's sizes that have a history, ascending."""
    present = set(tables.history["size"].astype(int))
    return [size for size in sorted(tables.study.sizes) if size in present]


def draw_mean_curve(
    axes: Axes,
    curves: pd.DataFrame,
    column: str,
    look: SeriesLook,
    part: str,
    limit: int,
    scale: float = 1.0,
    **line: Any,
) -> None:
    """Draw the mean over seeds of `column` at each iteration, thinned to `limit` points."""
    mean = curves.groupby("iteration")[column].mean()
    x, y = thin_curve(mean.index.to_numpy(dtype=float), mean.to_numpy(dtype=float) * scale, limit)
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


def seeds_sentence(tables: StudyTables) -> str:
    """What a line stands for, given the seeds that have histories."""
    most = int(tables.history["seed"].nunique()) if len(tables.history) else 0
    if most < 2:
        return "One seed." if most else ""
    return f"Lines are means over up to {most} seeds; the test curves of single seeds stand faintly behind."
