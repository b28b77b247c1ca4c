"""Differences between methods on equal terms (same seed, subset, initial weights, batch order), by size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from smallmix.figures.figure_files import FigureTable, FigureText
from smallmix.figures.marked_values import mark_value
from smallmix.figures.style import (
    MUTED,
    WIDE,
    Page,
    legend_above,
    new_figure,
    publication_style,
    series_look,
    write_nothing_yet,
)
from smallmix.statistics.few_seeds import interval_width, two_seeds_sentence
from smallmix.tables.study_tables import FEWEST_FOR_AN_INTERVAL, StudyTables
from smallmix.wording import MINUS, count_of, points, selection_name, visible_text

PANELS_A_ROW = 3
PANELS_ON_A_PHONE = 2
MOST_PANELS = 9
LONGEST_NAME = 22  # letters above a panel
LONGEST_ON_A_PHONE = 15


def pairs_compared(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return (method, reference) in the table's order, at most as many as can be drawn."""
    pairs = list(dict.fromkeys(zip(table["method"], table["reference"], strict=True)))
    return pairs[:MOST_PANELS]


@publication_style()
def draw_paired_differences(tables: StudyTables, page: Page = WIDE) -> Figure:
    """Draw one panel per pair of methods and one row per size: filled marks for the declared accuracy, hollow for last.

    Where the last accuracy is the declared one, hollow marks are for the median of the last tenth.
    """
    table = tables.size_comparison
    pairs = pairs_compared(table)
    if not pairs:
        return write_nothing_yet(new_figure(page.width, 2.4), "No pair of finished runs to compare yet.")
    sizes = sorted(set(table["size"]))
    columns = min(PANELS_A_ROW if page == WIDE else PANELS_ON_A_PHONE, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = new_figure(page.width, 0.6 + rows * (0.85 + 0.36 * len(sizes)))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    selections = drawn_selections(tables)
    for position, axes in enumerate(grid.ravel()):
        if position >= len(pairs):
            axes.set_axis_off()
            continue
        _draw_panel(axes, tables, table, pairs[position], sizes, selections)
        axes.set_title(_title(pairs[position], LONGEST_NAME if page == WIDE else LONGEST_ON_A_PHONE))
        if position % columns == 0:
            axes.set_ylabel("Training images")
        if position + columns >= len(pairs):
            axes.set_xlabel("Difference (points)")
            axes.tick_params(labelbottom=True)
    marks = [
        Line2D([], [], linestyle="none", marker="o", color=MUTED, markerfacecolor=MUTED if position == 0 else "none",
               label=selection_name(selection))
        for position, selection in enumerate(selections)
    ]  # fmt: skip
    legend_above(figure, marks)
    return figure


def drawn_selections(tables: StudyTables) -> list[str]:
    """Return at most two selections: the study's own, and the end of the run to hold against it."""
    present = set(tables.size_comparison["selection"])
    wanted = (tables.study.selection, "last_tenth" if tables.study.selection == "last" else "last")
    return [name for name in wanted if name in present]


def _draw_panel(
    axes: Axes,
    tables: StudyTables,
    table: pd.DataFrame,
    pair: tuple[str, str],
    sizes: Sequence[int],
    selections: Sequence[str],
) -> None:
    method, reference = pair
    known = method in tables.study.methods
    look = series_look(tables.study.methods, method if known else tables.study.methods[0])
    axes.axvline(0, color=MUTED, linewidth=0.8)
    chosen = table[(table["method"] == method) & (table["reference"] == reference)]
    for position, selection in enumerate(selections):
        shift = 0.0 if len(selections) == 1 else (-0.14 if position == 0 else 0.14)
        for row in chosen[chosen["selection"] == selection].to_dict("records"):
            height = sizes.index(int(row["size"])) + shift
            low, high = 100 * float(row["low"]), 100 * float(row["high"])
            if _has_bar(row):
                axes.plot([low, high], [height, height], color=look.color, linewidth=1.3, gid=look.tag("interval"))
            mark_value(axes, 100 * float(row["difference"]), height, _value(row), look.tag("values"))
            axes.plot(
                [100 * float(row['difference'])], [height], marker=look.marker, color=look.color, linestyle="none",
                markerfacecolor=look.color if position == 0 else "none", gid=look.tag("difference"),
            )  # fmt: skip
    axes.set_yticks(range(len(sizes)), [f"{size:,}" for size in sizes])
    axes.set_ylim(len(sizes) - 0.4, -0.6)  # the smallest size first, as in the tables
    axes.grid(axis="x")


def _value(row: dict[Any, Any]) -> str:
    """Return a difference in words."""
    return (
        f"{row['method']} {MINUS} {row['reference']}, {count_of(int(row['size']), 'image')}, "
        f"{selection_name(str(row['selection']))}: {points(float(row['difference']))} points ({_seeds(row)})"
    )


def _seeds(row: dict[Any, Any]) -> str:
    """Return the seeds of a difference, and its interval where there are seeds enough for one."""
    seeds, low, high = int(row["seeds"]), float(row["low"]), float(row["high"])
    text = count_of(seeds, "seed")
    if not math.isfinite(low) or seeds < FEWEST_FOR_AN_INTERVAL:
        return text
    return f"{text}, 95\N{NO-BREAK SPACE}% interval {points(low)} to {points(high)}"


def _title(pair: tuple[str, str], longest: int) -> str:
    """Return what a panel shows, in two lines where one is too long."""
    method, reference = (visible_text(name, LONGEST_NAME) for name in pair)
    one_line = f"{method} {MINUS} {reference}"
    return one_line if len(one_line) <= longest else f"{method}\n{MINUS} {reference}"


def describe_paired_differences(tables: StudyTables) -> FigureText:
    """Describe every difference."""
    table = tables.size_comparison
    selections = drawn_selections(tables)
    rows, sentences = [], []
    for row in table.to_dict("records"):
        low, high, seeds = float(row["low"]), float(row["high"]), int(row["seeds"])
        interval = f"{points(low)} to {points(high)}" if _has_bar(row) else "none"
        difference = points(float(row["difference"]))
        name = f"{row['method']} {MINUS} {row['reference']}"
        rows.append((f"{row['size']:,}", name, selection_name(str(row["selection"])), str(seeds), difference, interval))
        if selections and row["selection"] == selections[0]:
            sentences.append(
                f"{name} with {row['size']:,} images: {difference} points"
                + (f" (interval {interval})." if _has_bar(row) else f" ({count_of(seeds, 'seed')}).")
            )
    return FigureText(
        title="Paired differences between methods",
        description="Differences in test accuracy in percentage points, by number of training images. "
        + (" ".join(sentences) or "No pair of finished runs yet."),
        caption="Difference in test accuracy seed by seed; methods of one seed share subset, initial weights and order "
        f"of batches. {_meaning_of_bars(table)} Hollow marks use the accuracy {_hollow(selections)} of the run.",
        table=FigureTable(
            ("Training images", "Difference", "Accuracy", "Seeds", "Mean (points)", "95 % interval"), tuple(rows)
        ),
    )


def _has_bar(row: Mapping[Any, Any]) -> bool:
    return int(row["seeds"]) >= FEWEST_FOR_AN_INTERVAL and math.isfinite(row["low"]) and math.isfinite(row["high"])


def _meaning_of_bars(table: pd.DataFrame) -> str:
    """Say what a bar is, how wide that of few seeds is, and where there is none."""
    seeds = [int(count) for count in table["seeds"]]
    if max(seeds, default=0) < 2:
        return "One seed each: no interval, and a difference of a point or two may be luck."
    if max(seeds) < FEWEST_FOR_AN_INTERVAL:
        return two_seeds_sentence()
    sentences = (
        "The bar is the 95 % t interval of the mean difference over seeds; where it crosses zero the sign is open.",
        "Differences of fewer than three seeds have no bar." if min(seeds) < FEWEST_FOR_AN_INTERVAL else "",
        interval_width(seeds),
    )
    return " ".join(filter(None, sentences))


def _hollow(selections: Sequence[str]) -> str:
    return "in the last tenth" if "last_tenth" in selections[1:] else "at the end"
