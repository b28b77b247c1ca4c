"""How much of the scatter over seeds is the subset's: a table where two studies tell, else what would be needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from smallmix.report.tables_section import Entry, TableView, number_entry
from smallmix.tables.study_tables import StudyTables
from smallmix.wording import MINUS, count_of, percent_number, selection_name, spelt_out

FEWEST_SEEDS = 3
_NEEDED = (
    f"named under compare_with, with the same configuration but for the subsets and {spelt_out(FEWEST_SEEDS)} seeds or "
    "more of each"
)


def scatter_view(tables: StudyTables) -> TableView | None:
    """Return the scatter with redrawn subsets, with one subset, and the subset's share; None where nothing tells it."""
    table = tables.subset_scatter
    chosen = table[table["selection"] == tables.study.selection]
    if chosen.empty:
        return None
    rows = [
        (
            Entry(f"{int(row['size']):,}", float(row["size"])),
            Entry(f"{row['method']} {MINUS} {row['reference']}" if row["reference"] else str(row["method"])),
            _deviation(row, "redrawn"),
            _deviation(row, "fixed"),
            number_entry(percent_number(float(row["subset_deviation"])), float(row["subset_deviation"])),
            _interval(row),
            Entry(str(row["note"])),
        )
        for row in chosen.to_dict("records")
    ]
    studies = sorted({(str(row["redrawn_study"]), str(row["fixed_study"])) for row in chosen.to_dict("records")})
    pairs = "; ".join(f"{redrawn} draws a subset for each seed, {fixed} has one for all" for redrawn, fixed in studies)
    return TableView(
        name="table-scatter",
        caption=f"Standard deviation over seeds in points ({selection_name(tables.study.selection)}): {pairs}. The "
        "subset's share is the root of the difference of both variances, with the 95 % modified large-sample interval "
        "(Ting et al. 1990). A negative difference, which comes by chance, is shown as 0 and said.",
        columns=(
            "Training images",
            "Accuracy or gain",
            "Redrawn",
            "One subset",
            "Subset alone",
            "95 % interval",
            "Note",
        ),
        rows=tuple(rows),
        sortable=True,
    )


def scatter_sentence(tables: StudyTables) -> str:
    """Say what the scatter over seeds consists of, and what would tell its parts apart."""
    study = tables.study
    if scatter_view(tables) is not None:
        return (
            "A study that draws a subset for each seed scatters by the subset and by the training, one with a single "
            "subset by the training alone. Their difference is the subset's share."
        )
    if len(study.seeds) == 1:
        return "One seed shows no scatter, neither of the subset nor of the training."
    if study.redraws_subsets:
        return (
            "Each seed draws its own subset and trains on it once, so that the scatter of the subset cannot be told "
            f"from that of the training here. That takes a second study with one subset for all seeds, {_NEEDED}."
        )
    return (
        f"All {count_of(len(study.seeds), 'seed')} share one subset, so that they scatter by the training alone, and "
        "intervals do not cover the choice of the subset. How much that would add takes a second study with "
        f"redraw_per_seed: true, {_NEEDED}."
    )


def _deviation(row: Mapping[Any, Any], kind: str) -> Entry:
    value, seeds = float(row[f"{kind}_deviation"]), int(row[f"{kind}_seeds"])
    return number_entry(f"{percent_number(value)} ({count_of(seeds, 'seed')})", value)


def _interval(row: Mapping[Any, Any]) -> Entry:
    low, high = float(row["subset_deviation_low"]), float(row["subset_deviation_high"])
    if not math.isfinite(low):
        return number_entry("none", math.nan)
    return number_entry(f"{percent_number(low)} to {percent_number(high)}", low)
