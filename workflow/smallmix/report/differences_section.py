"""The section of paired differences: the declared test in a sentence, all tests in rows, and what pairing gained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import pandas as pd

from smallmix.report.tables_section import Entry, TableView, number_entry
from smallmix.statistics.answer import difference_text
from smallmix.statistics.comparison import can_decide
from smallmix.statistics.sign_flip import smallest_p_value
from smallmix.study.study import first_method
from smallmix.tables.statistics_columns import ALL_SIZES
from smallmix.tables.study_tables import PairedDifference, StudyTables
from smallmix.wording import MINUS, NO_NUMBER, count_of, percent, points, selection_name

NO_INTERVAL = number_entry(NO_NUMBER, math.nan)
MOST_ROWS = 500  # on the page; comparison.csv has them all
LITTLE_SHARED = 0.8  # a ratio of variances between this and its inverse is next to none


def declared_sentences(tables: StudyTables) -> str:
    """Return the hypothesis declared in advance and its test, or why none is declared; else an empty text."""
    rows = tables.comparison[tables.comparison["role"] == "declared"].to_dict("records")
    if rows:
        return _declared(rows[0])
    seeds = len(tables.study.seeds)
    has_a_question = first_method(tables.study, "images-and-labels") and first_method(tables.study, "none")
    if can_decide(seeds) or not has_a_question or tables.comparison.empty:
        return ""
    enough = next(count for count in range(seeds, seeds + 10) if can_decide(count))
    limit = (
        "with one seed there is no test"
        if seeds == 1
        else f"with {seeds} seeds the exact test cannot give a p-value below {p_text(smallest_p_value(seeds))}"
    )
    return (
        f"No hypothesis is declared in advance: {limit}. {enough} seeds are the fewest that can decide at 0.05. "
        "Every comparison on this page is exploratory."
    )


def _declared(row: Mapping[Any, Any]) -> str:
    difference = PairedDifference(
        0, _count(row["seeds"]), float(row["difference"]), float(row["low"]), float(row["high"])
    )
    text = (
        f"The hypothesis declared in advance, {row['method']} against {row['reference']} averaged over all sizes by "
        f"the {selection_name(str(row['selection']))}: "
    )
    if not math.isfinite(difference.mean):
        return f"{text}no seed has finished runs of all sizes yet."
    text += f"{difference_text(difference)}. "
    if math.isfinite(row["p_value"]):
        text += (
            f"Exact sign-flip test over seeds: p = {p_text(row['p_value'])} (the least possible with "
            f"{count_of(difference.seeds, 'seed')}: {p_text(row['smallest_p_value'])}). "
        )
    if math.isfinite(row["t_test_p_value"]):
        text += f"Student's t test: p = {p_text(row['t_test_p_value'])}. "
    return f"{text}Every other comparison on this page is secondary."


def comparison_view(tables: StudyTables) -> TableView:
    """Return every comparison with its interval and all p-values that were computed."""
    rows = []
    known = tables.comparison[tables.comparison["difference"].notna()]
    for row in _by_size(known.head(MOST_ROWS).to_dict("records")):
        every = row["size"] == ALL_SIZES
        low, high = float(row["low"]), float(row["high"])
        holm_rows = _count(row["holm_rows"])
        rows.append(
            (
                Entry("all", math.inf) if every else Entry(f"{int(row['size']):,}", float(row["size"])),
                Entry(f"{row['method']} {MINUS} {row['reference']}"),
                Entry(selection_name(str(row["selection"]))),
                Entry(str(_count(row["seeds"])), float(row["seeds"])),
                number_entry(points(float(row["difference"])), float(row["difference"])),
                number_entry(f"{points(low)} to {points(high)}", low) if _has_interval(row) else NO_INTERVAL,
                _ahead_entry(row),
                _p_entry(row["p_value"], " (declared)" if row["role"] == "declared" else ""),
                _p_entry(row["smallest_p_value"]),
                _p_entry(row["holm_p_value"], f" of {holm_rows}" if holm_rows else ""),
                _p_entry(row["t_test_p_value"]),
                number_entry(_ratio_text(row["variance_ratio"]), float(row["variance_ratio"])),
            )
        )
    return TableView(
        name="table-comparison",
        caption=f"{_how_many(len(known))} Mean and interval in points. The sign-flip test is exact; beside its p-value "
        "stands the smallest that this number of seeds can give. Holm's correction counts the comparisons of the same "
        "selection, single sizes and the mean over sizes apart; “of” says how many. The smallest possible corrected p "
        "is that number times the smallest possible p. Variance ratio: the variance over seeds of the difference, "
        "divided by the sum of the two methods' variances; pairing helps where it is below 1. Ahead in: the seeds "
        "where the first method came out ahead, equal ones half. In brackets stands Wilson's 95 % interval of how "
        "probably it does in a further seed.",
        columns=(
            "Training images",
            "Difference",
            "Accuracy",
            "Seeds",
            "Mean",
            "95 % interval",
            "Ahead in",
            "p, sign flip",
            "least possible",
            "p, Holm",
            "p, t test",
            "Variance ratio",
        ),
        rows=tuple(rows),
        sortable=True,
    )


def _has_interval(row: Mapping[Any, Any]) -> bool:
    return PairedDifference(0, _count(row["seeds"]), row["difference"], row["low"], row["high"]).has_interval


def _ahead_entry(row: Mapping[Any, Any]) -> Entry:
    """Return the seeds where the method is ahead, and how probable that is for a further one."""
    share, low, high = (float(row[name]) for name in ("ahead", "ahead_low", "ahead_high"))
    if not math.isfinite(share):
        return NO_INTERVAL  # a table of an older version
    seeds = _count(row["seeds"])
    text = f"{share * seeds:g} of {seeds}"
    return number_entry(f"{text} ({100 * low:.0f} to {percent(high, 0)})" if math.isfinite(low) else text, share)


def _by_size(rows: Sequence[Mapping[Any, Any]]) -> list[Mapping[Any, Any]]:
    """Return the rows with the sizes of each pair and selection ascending, all sizes together last."""
    groups = [(row["selection"], row["method"], row["reference"]) for row in rows]
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}

    def place_of(position: int) -> tuple[int, float]:
        size = rows[position]["size"]
        return places[groups[position]], math.inf if size == ALL_SIZES else float(size)

    return [rows[position] for position in sorted(range(len(rows)), key=place_of)]


def pairing_sentence(tables: StudyTables) -> str:
    """Say what pairing by seed gained or lost, as observed at single sizes by the declared accuracy."""
    table = tables.comparison
    single = table[(table["size"] != ALL_SIZES) & (table["selection"] == tables.study.selection)]
    ratios = [float(ratio) for ratio in single["variance_ratio"].dropna()]
    if not ratios:
        return "Whether their scatter is shared, and so drops out, can be told from three seeds on."
    middle = median(ratios)
    verdict = "so pairing made little difference"
    if middle < LITTLE_SHARED:
        verdict = "so pairing removed scatter that the methods share"
    elif middle > 1 / LITTLE_SHARED:
        verdict = "so pairing made the intervals wider rather than narrower"
    spread = f", {_ratio_text(min(ratios))} to {_ratio_text(max(ratios))}" if len(ratios) > 1 else ""
    return (
        f"The variance of such a difference was {_ratio_text(middle)} times the sum of the two methods' own variances "
        f"(median of {count_of(len(ratios), 'comparison')} of the {_accuracy(tables)}{spread}), {verdict}."
    )


def _accuracy(tables: StudyTables) -> str:
    name = tables.study.selection
    return "best accuracy" if name == "best" else f"accuracy by the {selection_name(name)}"


def _how_many(rows: int) -> str:
    return "Every comparison." if rows <= MOST_ROWS else f"{MOST_ROWS:,} of {rows:,} comparisons; all: comparison.csv."


def p_text(value: float) -> str:
    """Return a p-value with three significant digits."""
    return NO_NUMBER if not math.isfinite(value) else f"{value:.3g}"


def _p_entry(value: Any, suffix: str = "") -> Entry:
    number = float(value)
    return number_entry(p_text(number) + (suffix if math.isfinite(number) else ""), number)


def _ratio_text(value: Any) -> str:
    return f"{float(value):.2f}" if pd.notna(value) else NO_NUMBER


def _count(value: Any) -> int:
    return int(value) if pd.notna(value) else 0
