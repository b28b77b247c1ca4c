"""A quantity against the number of training images: every seed a dot, the means a line, the interval a bar."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from smallmix.figures.figure_text import FigureTable, percent
from smallmix.figures.seed_intervals import t_interval
from smallmix.figures.study_tables import StudyTables
from smallmix.figures.style import PAPER, SeriesLook, series_look

SEEDS_BESIDE = 4.5  # points to the right of the mean, whose bar would hide them


def method_spread(tables: StudyTables, sizes: Sequence[int]) -> float:
    """The factor by which neighbouring methods stand apart on a logarithmic axis, where they would cover each other.

    All methods together take at most 18 %, and less than half the way to the next size.
    """
    ordered = sorted(set(sizes))
    nearest = min((large / small for small, large in itertools.pairwise(ordered)), default=2.0)
    return float(min(1.18, nearest**0.45) ** (1 / max(1, len(tables.methods_present()) - 1)))


def draw_seeds_by_size(
    axes: Axes, tables: StudyTables, column: str, sizes: Sequence[int], spread: float = 1.0, scale: float = 100.0
) -> None:
    """Draw `column` of metrics (times `scale`) for all methods at `sizes`; for `spread` see `method_spread`."""
    methods = tables.methods_present()
    for place, method in enumerate(methods):
        look = series_look(tables.study.methods, method)
        chosen = tables.metrics[(tables.metrics["method"] == method) & tables.metrics["size"].isin(list(sizes))]
        chosen = chosen[chosen[column].notna()]
        if chosen.empty:
            continue
        shift = spread ** (place - (len(methods) - 1) / 2)
        drawn = pd.DataFrame({"size": chosen["size"] * shift, "value": chosen[column] * scale})
        _draw_seeds(axes, drawn, look)
        _draw_means(axes, drawn, look)


def _has_several_seeds(drawn: pd.DataFrame) -> bool:
    return bool(drawn.groupby("size").size().max() > 1)


def _draw_seeds(axes: Axes, drawn: pd.DataFrame, look: SeriesLook) -> None:
    if not _has_several_seeds(drawn):
        return
    beside = ScaledTranslation(SEEDS_BESIDE / 72, 0, axes.figure.dpi_scale_trans)
    axes.scatter(
        drawn["size"],
        drawn["value"],
        s=11,
        color=look.color,
        alpha=0.55,
        linewidths=0,
        gid=look.tag("seeds"),
        transform=axes.transData + beside,
        zorder=2,
    )


def _draw_means(axes: Axes, drawn: pd.DataFrame, look: SeriesLook) -> None:
    lines, collections = len(axes.lines), len(axes.collections)
    sns.lineplot(
        data=drawn,
        x="size",
        y="value",
        ax=axes,
        color=look.color,
        marker=look.marker,
        markeredgecolor=PAPER,
        markeredgewidth=0.8,
        linestyle=look.dash,
        errorbar=t_interval if _has_several_seeds(drawn) else None,
        err_style="bars",
        err_kws={"elinewidth": 1.1, "capsize": 2.5},
        legend=False,
        zorder=3,
    )
    for artist in [*axes.lines[lines:], *axes.collections[collections:]]:
        artist.set_gid(look.tag("mean"))


def draw_published(axes: Axes, tables: StudyTables, sizes: Sequence[int], spread: float = 1.0) -> bool:
    """Draw the published accuracies as hollow markers. Returns whether there were any."""
    methods = tables.methods_present() or list(tables.study.methods)
    drawn = False
    for place, method in enumerate(methods):
        look = series_look(tables.study.methods, method)
        known = [(n, tables.published_accuracy[n, method]) for n in sizes if (n, method) in tables.published_accuracy]
        if not known:
            continue
        shift = spread ** (place - (len(methods) - 1) / 2)
        axes.plot(
            [size * shift for size, _ in known],
            [100 * accuracy for _, accuracy in known],
            linestyle="none",
            marker=look.marker,
            markersize=8.5,
            markerfacecolor="none",
            markeredgecolor=look.color,
            markeredgewidth=1.1,
            gid=look.tag("published"),
            zorder=4,
        )
        drawn = True
    return drawn


def seeds_per_point(tables: StudyTables, sizes: Sequence[int]) -> list[int]:
    """How many seeds stand behind each (size, method) that has any."""
    chosen = tables.metrics[tables.metrics["size"].isin(list(sizes))]
    return [int(amount) for amount in chosen.groupby(["size", "method"]).size()]


def accuracy_summary(tables: StudyTables, column: str, size: int, method: str) -> str:
    """Mean and interval of one point in words, such as 57.8 % (3 seeds, 56.9 % to 58.7 %)."""
    values = tables.seeds_of(size, method)[column].dropna()
    if values.empty:
        return "no result yet"
    low, high = t_interval(values)
    if len(values) < 2:
        return f"{percent(float(values.mean()))} (1 seed)"
    return f"{percent(float(values.mean()))} ({len(values)} seeds, {percent(low)} to {percent(high)})"


def accuracy_table(tables: StudyTables, column: str, sizes: Sequence[int]) -> FigureTable:
    """The means and intervals behind a figure, one row a size, one column a method."""
    methods = list(tables.study.methods)
    published = tables.published_accuracy
    with_published = [m for m in methods if any((size, m) in published for size in sizes)]
    rows = [
        (
            f"{size:,}",
            *(accuracy_summary(tables, column, size, method) for method in methods),
            *(percent(published.get((size, method), float("nan")), 2) for method in with_published),
        )
        for size in sizes
    ]
    columns = ("Training images", *methods, *(f"{method}, published" for method in with_published))
    return FigureTable(columns, tuple(rows))
