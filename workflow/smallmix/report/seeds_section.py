"""How many seeds the study's questions take, and how much picking the best evaluation moves a difference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from smallmix.report.tables_section import Entry, TableView, number_entry
from smallmix.statistics.seeds_needed import FEWEST_FOR_A_PLAN, POINT
from smallmix.tables.statistics_columns import ALL_SIZES
from smallmix.tables.study_tables import PairedDifference, StudyTables
from smallmix.wording import MINUS, count_of, joined, percent_number, points, selection_name, spelt_out

MOST_PAIRS = 4  # in a sentence
MOST_ROWS = 100


def seeds_view(tables: StudyTables) -> TableView | None:
    """Return how many seeds resolve one point, by size and pair of methods; None below three seeds."""
    table = tables.comparison
    chosen = table[(table["selection"] == tables.study.selection) & table["seeds_for_interval"].notna()]
    if chosen.empty:
        return None
    rows = [
        (
            Entry("all", math.inf) if row["size"] == ALL_SIZES else Entry(f"{int(row['size']):,}", float(row["size"])),
            Entry(f"{row['method']} {MINUS} {row['reference']}"),
            _deviation_entry(row),
            _needed_entry(row, "seeds_for_interval"),
            _needed_entry(row, "seeds_for_test"),
        )
        for row in chosen.head(MOST_ROWS).to_dict("records")
    ]
    more = f" {MOST_ROWS} of {len(chosen):,} rows; all: comparison.csv." if len(chosen) > MOST_ROWS else ""
    return TableView(
        name="table-seeds",
        caption="How many seeds resolve one point, if differences scatter as they did here: the standard deviation "
        f"over seeds in points ({selection_name(tables.study.selection)}), the seeds whose 95 % t interval reaches one "
        "point to either side, and the seeds with which the paired t test at 0.05 finds a true difference of one point "
        "in 80 % of studies. Few seeds hardly know their own scatter. In brackets stand the deviation's 95 % interval "
        f"(chi-square), and the seeds for both of its ends.{more}",
        columns=("Training images", "Difference", "Deviation", "For ± 1 point", "For a test"),
        rows=tuple(rows),
        sortable=True,
    )


def no_plan_sentence(tables: StudyTables) -> str:
    """Say why no number of seeds is planned; empty where one is, and for tables of older versions."""
    table = tables.comparison
    if table["ahead"].isna().all() or table["seeds_for_interval"].notna().any():
        return ""
    seeds = len(tables.study.seeds)
    if seeds < FEWEST_FOR_A_PLAN:
        return (
            f"How many seeds would resolve one point cannot be said from {count_of(seeds, 'seed')}: the scatter of the "
            f"differences is known from {spelt_out(FEWEST_FOR_A_PLAN)} on."
        )
    return "How many seeds would resolve one point cannot be said: no difference scatters over seeds."


def optimism_sentence(tables: StudyTables) -> str:
    """Say how much larger differences are by the best accuracy than at the end of the run; empty without any run."""
    table = tables.comparison
    over_all = table[(table["size"] == ALL_SIZES) & (table["selection"] == "last") & table["best_adds"].notna()]
    rows = over_all.to_dict("records")
    if not rows:
        return ""
    found = [(f"{row['method']} {MINUS} {row['reference']}", _added(row)) for row in rows]
    parts = [f"{points(added.mean, 2)} points to {name}{_interval_text(added)}" for name, added in found[:MOST_PAIRS]]
    over = "averaged over all sizes, " if len(tables.study.sizes) > 1 else ""
    text = f"What this adds to a difference between methods, {over}best minus last accuracy: {joined(parts)}."
    if len(found) > MOST_PAIRS:
        text += f" The other {count_of(len(found) - MOST_PAIRS, 'pair')}: comparison.csv, best_adds."
    with_interval = [(name, added) for name, added in found if added.has_interval]
    biased = [name for name, added in with_interval if added.low > 0 or added.high < 0]
    if biased:
        return f"{text} So the best accuracy biases {joined(biased)}: that interval excludes zero."
    if with_interval:
        return f"{text} No interval excludes zero, so that no bias of a comparison is certain."
    return f"{text} Without an interval this may be chance."


def _added(row: Mapping[Any, Any]) -> PairedDifference:
    return PairedDifference(
        0, int(row["seeds"]), float(row["best_adds"]), float(row["best_adds_low"]), float(row["best_adds_high"])
    )


def _interval_text(added: PairedDifference) -> str:
    return f" (95 % interval {points(added.low, 2)} to {points(added.high, 2)})" if added.has_interval else ""


def _deviation_entry(row: Mapping[Any, Any]) -> Entry:
    names = ("standard_deviation", "standard_deviation_low", "standard_deviation_high")
    expected, low, high = (_points_of_scatter(float(row[name])) for name in names)
    return number_entry(f"{expected} ({low} to {high})", float(row["standard_deviation"]))


def _points_of_scatter(deviation: float) -> str:
    """Return a deviation in points: a decimal from one point on, two below."""
    return percent_number(deviation, 1 if deviation >= POINT else 2)


def _needed_entry(row: Mapping[Any, Any], column: str) -> Entry:
    expected, low, high = (int(row[name]) for name in (column, f"{column}_low", f"{column}_high"))
    return number_entry(f"{expected:,} ({low:,} to {high:,})", float(expected))
