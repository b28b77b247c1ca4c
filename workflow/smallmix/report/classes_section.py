"""The sections of the classes and of the metrics that the configuration adds: tables of means beside differences."""

from __future__ import annotations

import math
from collections.abc import Callable

from smallmix.own_code import names_own_code, own_name, without_folder
from smallmix.report.tables_section import WIDEST, Entry, TableView, mean_text, number_entry
from smallmix.study.metric_forms import READY_METRICS
from smallmix.study.study import asked_method, reference_method
from smallmix.tables.class_means import ClassMeans, read_mean_and_gain
from smallmix.tables.statistics_columns import ALL_SIZES
from smallmix.tables.study_tables import SeedMean, StudyTables
from smallmix.wording import MINUS, NO_NUMBER, points, visible_text


def class_view(tables: StudyTables) -> TableView | None:
    """Return the accuracy on each class on the mean of all sizes, beside what the asked method gains.

    Of many classes those with the largest gains and losses. None where there is no such mean yet.
    """
    means, study = ClassMeans(tables), tables.study
    asked, reference = asked_method(study), reference_method(study)
    methods = [
        method for method in study.methods if any(means.find(None, method, one).mean.seeds for one in means.labels)
    ]
    if not methods:
        return None
    rows = []
    for label in means.shown():
        found = {method: means.find(None, method, label) for method in methods}
        row = [Entry(visible_text(tables.classes[label], 60) if label < len(tables.classes) else str(label))]
        row += [number_entry(mean_text(one.mean), one.mean.mean) for one in found.values()]
        if asked in found:
            gain = found[asked].gain
            row += [number_entry(points(gain.mean), gain.mean), _interval_entry(gain)]
        rows.append(tuple(row))
    gained = (f"{asked} {MINUS} {reference}", "95 % interval") if asked in methods else ()
    over = " on the mean of all sizes" if len(study.sizes) > 1 else ""
    which = f" The classes with the largest gains and losses of {len(means.labels):,}." if means.many else ""
    return TableView(
        name="table-classes",
        caption=f"Accuracy on each class at the end of the budget{over}, percent: mean over seeds, with half the 95 % "
        f"t interval where there is one; the difference is in points.{which} All sizes and classes: class_summary.csv.",
        columns=("Class", *methods, *gained),
        rows=tuple(rows),
        sortable=True,
        stacks=len(methods) < WIDEST,
    )


def balance_view(tables: StudyTables) -> TableView | None:
    """Return how the accuracy on a class goes with its training images, by size and method; None where all are even."""
    table = tables.class_balance
    if table.empty:
        return None
    rows = []
    for row in table.to_dict("records"):
        seeds = int(row["seeds"])
        correlation, slope = (
            SeedMean(seeds, float(row[name]), float(row[f"{name}_low"]), float(row[f"{name}_high"]))
            for name in ("correlation", "slope")
        )
        rows.append(
            (
                Entry(f"{int(row['size']):,}", float(row["size"])),
                Entry(str(row["method"])),
                Entry(str(seeds), float(seeds)),
                Entry(str(int(row["draws"])), float(row["draws"])),
                number_entry(_with_interval(correlation, _signed), correlation.mean),
                number_entry(_with_interval(slope, _points), slope.mean),
            )
        )
    return TableView(
        name="table-balance",
        caption="Do classes with more training images come out better? Rank correlation (Spearman) of the accuracy on "
        "a class with its number of training images, and the slope in points for each further image. Both are "
        "computed over the classes of each seed; here is the mean over seeds with its 95 % t interval. "
        f"{_what_draws_cover(tables)}",
        columns=("Training images", "Method", "Seeds", "Subsets", "Rank correlation", "Points an image"),
        rows=tuple(rows),
        sortable=True,
    )


def _what_draws_cover(tables: StudyTables) -> str:
    """Say whether the interval covers which classes happen to have many images."""
    if tables.study.redraws_subsets:
        return (
            "Each seed has a subset of its own, so that the interval covers which classes happen to have many images."
        )
    return (
        "One subset serves all seeds. A class may be easy and have many images by chance, which no interval here "
        "covers. Only subsets that are redrawn for each seed tell that apart."
    )


def _with_interval(mean: SeedMean, text: Callable[[float], str]) -> str:
    return f"{text(mean.mean)} ({text(mean.low)} to {text(mean.high)})" if mean.has_interval else text(mean.mean)


def _signed(value: float) -> str:
    """Return a correlation with its sign and two decimals."""
    return f"{value:+.2f}".replace("-", MINUS)


def _points(value: float) -> str:
    """Return a fraction in points, with two decimals."""
    return points(value, 2)


def metrics_view(tables: StudyTables) -> TableView | None:
    """Return the metrics of the configuration by size and method; None where there are none."""
    if tables.own_metric_summary.empty:
        return None
    wanted = tables.own_metric_summary[tables.own_metric_summary["metric"].isin(list(tables.study.metrics))]
    rows = []
    for row in wanted.to_dict("records"):
        found, every = read_mean_and_gain(row), row["size"] == ALL_SIZES
        if every and len(tables.study.sizes) == 1:
            continue
        rows.append(
            (
                Entry(str(row["metric"])),
                Entry("all", math.inf) if every else Entry(f"{int(row['size']):,}", float(row["size"])),
                Entry(str(row["method"])),
                Entry(str(found.mean.seeds), float(found.mean.seeds)),
                _value_entry(found.mean),
                _value_entry(found.gain, sign=True),
            )
        )
    return TableView(
        name="table-metrics",
        caption="Means over seeds, and the mean difference, seed by seed, from "
        f"{reference_method(tables.study)}; in brackets the 95 % t intervals. Each run: own_metrics.csv.",
        columns=("Metric", "Training images", "Method", "Seeds", "Mean", "Difference"),
        rows=tuple(rows),
        sortable=True,
    )


def metric_meanings(tables: StudyTables) -> list[tuple[str, str]]:
    """Return each metric's name with what it is: in words, or the user's function and file."""
    return [
        (name, f"{own_name(what)} of {visible_text(without_folder(what).rpartition(':')[0])}")
        if names_own_code(what)
        else (name, READY_METRICS[what])
        for name, what in tables.study.metrics.items()
    ]


def _interval_entry(gain: SeedMean) -> Entry:
    text = f"{points(gain.low)} to {points(gain.high)}" if gain.has_interval else NO_NUMBER
    return number_entry(text, gain.low)


def _value_entry(mean: SeedMean, *, sign: bool = False) -> Entry:
    """Return a mean and its interval; an en dash where there is no mean."""
    if not mean.seeds:
        return number_entry(NO_NUMBER, math.nan)
    text = _number(mean.mean, sign=sign)
    if mean.has_interval:
        text += f" ({_number(mean.low, sign=sign)} to {_number(mean.high, sign=sign)})"
    return number_entry(text, mean.mean)


def _number(value: float, *, sign: bool = False) -> str:
    """Return a number of unknown scale with four significant digits."""
    return f"{value:{'+' if sign else ''}#.4g}".replace("-", MINUS)
