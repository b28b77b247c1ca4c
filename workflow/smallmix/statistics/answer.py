"""The study's answer in words: did mixing help, by how much with few and with many images, and how sure is that.

The report's first section says it, and so does everyone who watches an unfinished study.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smallmix.statistics.comparison import compare_methods, comparison_fields
from smallmix.statistics.study_results import Result
from smallmix.statistics.summary import summarize
from smallmix.study.study import Study, first_method, methods_with
from smallmix.tables.columns import CELL_NUMBERS, VALIDATION_NUMBERS, selections_of
from smallmix.tables.statistics_columns import COMPARISON, SUMMARY
from smallmix.tables.study_tables import TABLES_READ, PairedDifference, StudyTables
from smallmix.tables.table_files import empty_table, table_of
from smallmix.wording import count_of, joined, percent, points, spelt_out

MOST_SPELT_OUT = 4  # mixing methods with a sentence each; more are sorted into groups
MOST_SIZES = 4  # sizes that a sentence names; of more it names the ends


@dataclass(frozen=True)
class Gain:
    """One mixing method against the reference, in text: where images are few, and where they are many."""

    method: str
    text: str


@dataclass(frozen=True)
class AnswerSoFar:
    """What the report would say first, by the cells that are finished now."""

    sentence: str
    gains: tuple[Gain, ...]


def answer_so_far(study: Study, metrics: Mapping[str, Mapping[str, Any]]) -> AnswerSoFar | None:
    """Return what the report would say of the finished cells; None where there is none.

    `metrics` are the contents of metrics.json by cell id. Cells without the numbers that the answer needs are left out.
    No file is read or written.
    """
    results = []
    for cell in study.cells:
        columns = (*CELL_NUMBERS, *VALIDATION_NUMBERS)
        numbers = {column.name: _number(metrics.get(cell.id, {}).get(column.name)) for column in columns}
        if not any(math.isnan(numbers[name]) for name in selections_of(study.validation_images).values()):
            results.append(Result(cell.size, cell.method, cell.seed, numbers))
    if not results:
        return None
    import pandas as pd

    frames: dict[str, Any] = {name: empty_table(table) for name, table in TABLES_READ.items()}
    frames["summary"] = table_of(SUMMARY, map(dataclasses.astuple, summarize(study, results).rows))
    frames["comparison"] = table_of(COMPARISON, map(comparison_fields, compare_methods(study, results)))
    # The answer asks for sizes and methods alone; the other columns are not made up.
    frames["metrics"] = pd.DataFrame([{"size": one.size, "method": one.method, "seed": one.seed} for one in results])
    tables = StudyTables(study=study, **frames)
    return AnswerSoFar(answer_sentence(tables), answer_gains(tables))


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else math.nan


def answer_gains(tables: StudyTables) -> tuple[Gain, ...]:
    """Return each mixing method against plain training, as far as there are runs to compare; the sentence's order."""
    reference, leading = first_method(tables.study, "none"), leading_method(tables)
    if reference is None or leading is None:
        return ()
    found = [(method, tables.differences(method, reference)) for method in _mixing(tables, leading, reference)]
    return tuple(Gain(method, _gain_text(differences)) for method, differences in found if differences)


def difference_text(difference: PairedDifference) -> str:
    """Return the difference with its interval, or with the reason why there is none."""
    mean = points(difference.mean)
    if not difference.has_interval:
        return f"{mean} points ({spelt_out(difference.seeds)} seed{'s' if difference.seeds > 1 else ''}: no interval)"
    interval = f"{points(difference.low)} to {points(difference.high)}"
    return f"{mean} points (95 % interval {interval}, {count_of(difference.seeds, 'seed')})"


def _gain_text(differences: list[PairedDifference]) -> str:
    return "; ".join(f"{difference_text(one)} with {images}" for one, images in _shown(differences))


def _shown(differences: list[PairedDifference]) -> list[tuple[PairedDifference, str]]:
    """Return the differences that are written out with their sizes in words: of many sizes the ends, which say so."""
    few, *others = differences
    if len(differences) > MOST_SIZES:
        return [(few, f"{few.size:,} images, the fewest"), (others[-1], f"{others[-1].size:,}, the most")]
    return [(few, f"{few.size:,} images"), *((one, f"{one.size:,}") for one in others)]


def leading_method(tables: StudyTables) -> str | None:
    """Return the method to begin with: the first that mixes images and labels, else the first that mixes images.

    Without either, the first that is not plain; None where all are.
    """
    study = tables.study
    plain = methods_with(study, "none")
    other = next((name for name in study.methods if name not in plain), None)
    return first_method(study, "images-and-labels") or first_method(study, "images") or other


def _mixing(tables: StudyTables, leading: str, reference: str) -> list[str]:
    """Return the methods to compare with the reference: the leading one, and the others in the study's order."""
    return [leading, *(name for name in tables.study.methods if name not in (leading, reference))]


def answer_sentence(tables: StudyTables) -> str:
    """Return the answer in sentences that are complete in themselves, by the tables as they are."""
    reference, leading = first_method(tables.study, "none"), leading_method(tables)
    if tables.metrics.empty:
        return "No run is finished yet, so there is no answer."
    if reference is None or leading is None:
        return (
            "This study does not compare mixing with plain training, so it does not say whether mixup helps. "
            + _best_accuracies(tables)
        )
    mixing = _mixing(tables, leading, reference)
    found = {method: tables.differences(method, reference) for method in mixing}
    finished = {method: differences for method, differences in found.items() if differences}
    if not finished:
        return f"No size has finished runs of both {leading} and {reference} yet, so there is no answer."
    if len(mixing) > MOST_SPELT_OUT:
        sentences = [_sorted_out(finished, reference)]
    else:
        sentences = [
            f"{_position(method, reference, differences)} ({_spans(differences)}{_certainty(differences)})."
            for method, differences in finished.items()
        ]
    if waiting := [method for method in mixing if method not in finished]:
        sentences.append(f"Of {joined(waiting)} no size has finished runs to compare yet.")
    if all(one.seeds < 2 for differences in finished.values() for one in differences):
        sentences.append("With one seed each, no difference can be told from luck.")
    elif not any(one.has_interval for differences in finished.values() for one in differences):
        sentences.append("With two seeds at most, no difference can be told from luck: an interval takes three.")
    return " ".join(sentences)


def _position(method: str, reference: str, differences: list[PairedDifference]) -> str:
    """Say at how many sizes a method came out ahead."""
    higher, tried = sum(one.mean > 0 for one in differences), _tried(len(differences))
    if len(differences) == 1:
        return f"{method} {'came' if higher else 'did not come'} out ahead of {reference} at the one size tried"
    if higher == 0:
        return f"{method} did not come out ahead of {reference} at any of the {tried}"
    everywhere = "both training-set sizes tried" if len(differences) == 2 else f"all {tried}"
    where = everywhere if higher == len(differences) else f"{higher} of the {tried}"
    return f"{method} came out ahead of {reference} at {where}"


def _sorted_out(found: dict[str, list[PairedDifference]], reference: str) -> str:
    """Sort many methods by whether they came out ahead everywhere, somewhere or nowhere."""
    everywhere = [name for name, all_of in found.items() if all(one.mean > 0 for one in all_of)]
    nowhere = [name for name, all_of in found.items() if not any(one.mean > 0 for one in all_of)]
    somewhere = [name for name in found if name not in (*everywhere, *nowhere)]
    parts = [
        f"{joined(names)} {where}"
        for names, where in (
            (everywhere, "at every size tried"),
            (somewhere, "at some sizes"),
            (nowhere, "at none"),
        )
        if names
    ]
    return f"Ahead of {reference} came out {'; '.join(parts)}."


def _tried(count: int) -> str:
    return f"{count_of(count, 'training-set size')} tried"


def _spans(differences: list[PairedDifference]) -> str:
    first, *others = _shown(differences)
    spans = [f"{points(first[0].mean)} points with {first[1]}"]
    return ", ".join([*spans, *(f"{points(one.mean)} with {images}" for one, images in others)])


def _certainty(differences: list[PairedDifference]) -> str:
    """Say on which side of zero the intervals lie; empty where there is none."""
    intervals = [one for one in differences if one.has_interval]
    if not intervals:
        return ""
    above, below = [one for one in intervals if one.low > 0], [one for one in intervals if one.high < 0]
    if not above and not below:
        return "; no interval over seeds excludes zero"
    sides = [
        f"{side} zero {_where(found, len(differences))}"
        for side, found in (("above", above), ("below", below))
        if found
    ]
    return f"; the interval over seeds lies {joined(sides)}"


def _where(found: list[PairedDifference], total: int) -> str:
    if len(found) == total:
        return {1: "at that size", 2: "at both of them"}.get(total, f"at all {total} of them")
    if len(found) > MOST_SIZES:
        return f"at {len(found)} of them"
    return f"with {joined([f'{one.size:,}' for one in found])} images"


def _best_accuracies(tables: StudyTables) -> str:
    largest = int(tables.metrics["size"].max())
    parts = [
        f"{method} {percent(tables.mean_of(tables.declared_metric, largest, method).mean)}"
        for method in tables.methods_present()
        if tables.mean_of(tables.declared_metric, largest, method).seeds
    ]
    return f"With {largest:,} images: {joined(parts)}."
