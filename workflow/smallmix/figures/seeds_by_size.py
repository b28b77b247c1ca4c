"""A quantity against the number of training images: every seed a dot, the means a line, the interval a bar."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.transforms import ScaledTranslation

from smallmix.figures.figure_files import FigureTable
from smallmix.figures.marked_values import mark_value
from smallmix.figures.style import PAPER, SeriesLook, series_look
from smallmix.statistics.few_seeds import interval_width, two_seeds_sentence
from smallmix.tables.study_tables import FEWEST_FOR_AN_INTERVAL, SeedMean, StudyTables
from smallmix.wording import NO_NUMBER, count_of, percent, points

MANY_METHODS = 5  # so many intervals at one place cover each other
SEEDS_BESIDE = 4.5  # typographic points to the right of the mean, whose bar would hide them


@dataclass(frozen=True)
class Shift:
    """Where a method stands beside a size: a factor on a logarithmic axis, images on a linear one."""

    factor: float = 1.0
    images: float = 0.0

    def of(self, sizes: Any) -> Any:
        """Return where the method is drawn at these sizes."""
        return sizes * self.factor + self.images


def method_spread(tables: StudyTables, sizes: Sequence[int]) -> float:
    """Return the factor by which neighbouring methods stand apart on a logarithmic axis, so that none covers another.

    All methods together take at most 18 %, and less than half the way to the next size.
    """
    ordered = sorted(set(sizes))
    nearest = min((large / small for small, large in itertools.pairwise(ordered)), default=2.0)
    return float(min(1.18, nearest**0.45) ** (1 / max(1, len(tables.methods_present()) - 1)))


def method_distance(tables: StudyTables, sizes: Sequence[int]) -> float:
    """Return the images by which neighbouring methods stand apart on a linear axis: 0 where there are few methods.

    All methods together take at most 6 % of the axis, and less than half the way to the next size.
    """
    methods, ordered = len(tables.methods_present()), sorted({0, *sizes})
    if methods < MANY_METHODS:
        return 0.0
    nearest = min(large - small for small, large in itertools.pairwise(ordered))
    return min(0.06 * ordered[-1], 0.45 * nearest) / (methods - 1)


def draw_seeds_by_size(
    axes: Axes,
    tables: StudyTables,
    metric: str,
    sizes: Sequence[int],
    spread: float = 1.0,
    distance: float = 0.0,
    say: Callable[[SeedMean], str] | None = None,
) -> None:
    """Draw a metric (a fraction) in percent for all methods at `sizes`.

    `say` writes a mean for people, by default as an accuracy. For `spread` see `method_spread`, for `distance`
    `method_distance`.
    """
    methods = tables.methods_present()
    for position, method in enumerate(methods):
        look = series_look(tables.study.methods, method)
        found = {size: tables.mean_of(metric, size, method) for size in sorted(sizes)}
        means = {size: mean for size, mean in found.items() if mean.seeds}
        if not means:
            continue
        place = position - (len(methods) - 1) / 2
        shift = Shift(spread**place, distance * place)
        if max(mean.seeds for mean in means.values()) > 1:
            _draw_dots(axes, tables, metric, method, list(means), shift)
        _draw_means(axes, means, look, shift)
        for size, mean in means.items():
            text = f"{method}, {count_of(size, 'image')}: {(say or accuracy_text)(mean)}"
            mark_value(axes, shift.of(np.float64(size)), 100 * mean.mean, text, look.tag("values"))


def _draw_dots(axes: Axes, tables: StudyTables, metric: str, method: str, sizes: Sequence[int], shift: Shift) -> None:
    look = series_look(tables.study.methods, method)
    values = tables.metric_by_seed(metric)
    chosen = values[(values["method"] == method) & values["size"].isin(list(sizes))]
    x, y = shift.of(chosen["size"].to_numpy(dtype=float)), 100 * chosen["value"].to_numpy(dtype=float)
    beside = ScaledTranslation(SEEDS_BESIDE / 72, 0, axes.figure.dpi_scale_trans)
    axes.scatter(
        x, y, s=11, color=look.color, alpha=0.55, linewidths=0, gid=look.tag("seeds"), clip_on=False,
        transform=axes.transData + beside, zorder=2,
    )  # fmt: skip
    # Matplotlib leaves artists with a transformation of their own out of the limits: the outermost dots would be cut.
    axes.update_datalim(np.column_stack([x, y]))
    axes.autoscale_view()


def _draw_means(axes: Axes, means: dict[int, SeedMean], look: SeriesLook, shift: Shift) -> None:
    """Draw the line through the means, and a bar with caps where there is an interval."""
    sizes = [float(shift.of(np.float64(size))) for size in means]
    heights = [100 * mean.mean for mean in means.values()]
    drawn = len(axes.lines)
    # Without an estimator: the means come from summary.csv.
    sns.lineplot(
        x=sizes, y=heights, ax=axes, estimator=None, errorbar=None, color=look.color, marker=look.marker,
        markeredgecolor=PAPER, markeredgewidth=0.8, linestyle=look.dash, legend=False, zorder=3,
        clip_on=False,  # a mark at 100 % is drawn whole
    )  # fmt: skip
    for line in axes.lines[drawn:]:
        line.set_gid(look.tag("mean"))
    ranges = [(x, 100 * mean.low, 100 * mean.mean, 100 * mean.high)
              for x, mean in zip(sizes, means.values(), strict=True) if mean.has_interval]  # fmt: skip
    if not ranges:
        return
    x, low, middle, high = np.array(ranges).T
    bars = axes.errorbar(
        x, middle, yerr=[middle - low, high - middle], linestyle="", color=look.color, elinewidth=1.1, capsize=2.5
    )
    for artist in bars.get_children():
        artist.set_gid(look.tag("mean"))
        if isinstance(artist, LineCollection):
            artist.set_capstyle("round")


def draw_published(
    axes: Axes, tables: StudyTables, sizes: Sequence[int], spread: float = 1.0, distance: float = 0.0
) -> bool:
    """Draw the published accuracies as hollow markers. Return whether there were any."""
    methods = tables.methods_present() or list(tables.study.methods)
    drawn = False
    for position, method in enumerate(methods):
        look = series_look(tables.study.methods, method)
        known = [(n, tables.published_accuracy[n, method]) for n in sizes if (n, method) in tables.published_accuracy]
        if not known:
            continue
        place = position - (len(methods) - 1) / 2
        shift = Shift(spread**place, distance * place)
        axes.plot(
            [float(shift.of(size)) for size, _ in known],
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


def seeds_sentence(tables: StudyTables, metric: str, sizes: Sequence[int]) -> str:
    """Return what dots and bars mean, given how many seeds each drawn point has; empty where nothing is drawn."""
    counts = [tables.mean_of(metric, size, method).seeds for size in sizes for method in tables.study.methods]
    seeds = [count for count in counts if count]
    if not seeds:
        return ""
    if max(seeds) < 2:
        return "One seed each: there is no interval, and a difference of a point or two may be luck."
    if max(seeds) < FEWEST_FOR_AN_INTERVAL:
        return f"Each small dot is one seed, the line goes through the means. {two_seeds_sentence()}"
    mixed = " Points with fewer than three seeds have no bar." if min(seeds) < FEWEST_FOR_AN_INTERVAL else ""
    sentences = (
        "Each small dot is one seed, the line goes through the means, the bar is the 95 % t interval of the mean over "
        f"seeds.{mixed}",
        interval_width(seeds),
        "It covers the seeds, not the choice of the test images.",
    )
    return " ".join(filter(None, sentences))


def accuracy_text(mean: SeedMean) -> str:
    """Return a mean and its interval, such as 57.8 % (3 seeds, 56.9 % to 58.7 %)."""
    if not mean.seeds:
        return "no result yet"
    if not mean.has_interval:
        return f"{percent(mean.mean)} ({count_of(mean.seeds, 'seed')})"
    return f"{percent(mean.mean)} ({mean.seeds} seeds, {percent(max(mean.low, 0.0))} to {percent(min(mean.high, 1.0))})"


def points_text(mean: SeedMean) -> str:
    """Return a mean in points and its interval, such as +1.2 (+0.4 to +2.0); an en dash where there is no mean."""
    if mean.has_interval:
        return f"{points(mean.mean)} ({points(mean.low)} to {points(mean.high)})"
    return points(mean.mean) if mean.seeds else NO_NUMBER


def accuracy_table(tables: StudyTables, metric: str, sizes: Sequence[int]) -> FigureTable:
    """Return the means and intervals behind a figure, one row per size, one column per method."""
    methods = list(tables.study.methods)
    published = tables.published_accuracy
    with_published = [m for m in methods if any((size, m) in published for size in sizes)]
    rows = [
        (
            f"{size:,}",
            *(accuracy_text(tables.mean_of(metric, size, method)) for method in methods),
            *(percent(published.get((size, method), float("nan")), 2) for method in with_published),
        )
        for size in sizes
    ]
    columns = ("Training images", *methods, *(f"{method}, published" for method in with_published))
    return FigureTable(columns, tuple(rows))
