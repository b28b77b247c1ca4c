"""comparison.csv: paired differences between the methods, with intervals and tests that few seeds allow.

Methods share seed, subset, first weights and batch order, so differences are taken seed by seed. Seeds are the blocks:
nested subsets make the sizes of one seed alike, so that the row over all sizes averages within a seed first.

One hypothesis is declared in advance: mixing images and labels against not mixing, averaged over all sizes, by the
median of the last ten readings (the selection that does not choose on the test images and depends least on the last
step). Every other row is secondary; its p-values are also given with Holm's correction over the secondary rows of the
same selection.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from smallmix.atomic_files import write_text
from smallmix.collection.tables import csv_text
from smallmix.statistics.intervals import MeanInterval, mean_interval, t_test
from smallmix.statistics.method_roles import first_method
from smallmix.statistics.results import SELECTIONS, Result, by_seed
from smallmix.statistics.sign_flip import LARGEST_COUNT, holm, sign_flip_test, smallest_p_value
from smallmix.study.study import Study

DECLARED_SELECTION = "last10"
ALL_SIZES = "all"
COLUMNS = (
    "size",
    "method",
    "reference",
    "selection",
    "seeds",
    "difference",
    "low",
    "high",
    "standard_error",
    "p_value",
    "note",
    "t_test_p_value",
    "holm_p_value",
    "role",
)


@dataclass(frozen=True)
class Comparison:
    """The mean over seeds of (method minus reference), a fraction; size None stands for all sizes.

    p_value is that of the exact sign-flip test. role is `declared` for the one hypothesis stated in advance, else
    `secondary`. What cannot be told is None.
    """

    size: int | None
    method: str
    reference: str
    selection: str
    interval: MeanInterval | None
    p_value: float | None
    t_test_p_value: float | None
    role: str
    note: str
    holm_p_value: float | None = None


def compare_methods(study: Study, results: Sequence[Result]) -> list[Comparison]:
    """Every two methods (the later in the study minus the earlier), every selection, every size and all together."""
    rows: list[Comparison] = []
    for selection, column in SELECTIONS.items():
        rows_of_selection: list[Comparison] = []
        for reference, method in itertools.combinations(study.methods, 2):
            differences = {size: paired_differences(results, size, method, reference, column) for size in study.sizes}
            for size in study.sizes:
                rows_of_selection.append(
                    _compare(size, method, reference, selection, list(differences[size].values()), "secondary", "")
                )
            averages, note = average_over_sizes(differences)
            role = "declared" if _is_declared(study, method, reference, selection) else "secondary"
            rows_of_selection.append(_compare(None, method, reference, selection, averages, role, note))
        rows += _correct(rows_of_selection)
    return rows


def paired_differences(
    results: Iterable[Result], size: int, method: str, reference: str, column: str
) -> dict[int, float]:
    """Method minus reference by seed, of the seeds that have both."""
    results = tuple(results)
    first, second = by_seed(results, size, method, column), by_seed(results, size, reference, column)
    return {seed: first[seed] - second[seed] for seed in first if seed in second}


def average_over_sizes(differences: dict[int, dict[int, float]]) -> tuple[list[float], str]:
    """Differences (by size, then seed) averaged over sizes within each seed that has every size; and a note."""
    seeds = sorted({seed for of_size in differences.values() for seed in of_size})
    complete = [seed for seed in seeds if all(seed in of_size for of_size in differences.values())]
    averages = [sum(of_size[seed] for of_size in differences.values()) / len(differences) for seed in complete]
    note = f"averaged over {len(differences)} sizes within each seed"
    if len(complete) < len(seeds):
        note += f"; {len(seeds) - len(complete)} of {len(seeds)} seeds left out, because they lack a size"
    return averages, note


def write_comparison(rows: Iterable[Comparison], path: Path) -> None:
    """Write comparison.csv, atomically; differences are fractions, unknown fields empty."""
    write_text(path, csv_text(COLUMNS, (_fields(row) for row in rows)))


def _is_declared(study: Study, method: str, reference: str, selection: str) -> bool:
    mixed, plain = first_method(study, "images-and-labels"), first_method(study, "none")
    return selection == DECLARED_SELECTION and {method, reference} == {mixed, plain}


def _compare(
    size: int | None, method: str, reference: str, selection: str, differences: list[float], role: str, note: str
) -> Comparison:
    notes = [
        "declared in advance: the one test that carries a p-value of its own" if role == "declared" else "secondary",
        note,
    ]
    count = len(differences)
    if count == 0:
        notes.append("no seed has both methods")
    elif count == 1:
        notes.append("one seed: no interval and no test")
    elif count > LARGEST_COUNT:
        notes.append(f"more than {LARGEST_COUNT} seeds: no exact test, see the t test")
    elif smallest_p_value(count) > 0.05:
        notes.append(f"{count} seeds: the exact test cannot go below {smallest_p_value(count):g}")
    interval = mean_interval(differences) if differences else None
    if interval is not None and interval.standard_error == 0:
        notes.append("all seeds have the same difference: the interval has no width, and there is no t test")
    return Comparison(
        size=size,
        method=method,
        reference=reference,
        selection=selection,
        interval=interval,
        p_value=sign_flip_test(differences),
        t_test_p_value=t_test(differences),
        role=role,
        note="; ".join(part for part in notes if part),
    )


def _correct(rows: list[Comparison]) -> list[Comparison]:
    tested = [index for index, row in enumerate(rows) if row.role == "secondary" and row.p_value is not None]
    adjusted = holm([rows[index].p_value or 0.0 for index in tested])
    corrected = list(rows)
    for index, p_value in zip(tested, adjusted, strict=True):
        corrected[index] = replace(rows[index], holm_p_value=p_value)
    return corrected


def _fields(row: Comparison) -> list[str]:
    interval = row.interval
    numbers = (interval.mean, interval.low, interval.high, interval.standard_error) if interval else (None,) * 4
    return [
        ALL_SIZES if row.size is None else str(row.size),
        row.method,
        row.reference,
        row.selection,
        str(interval.count if interval else 0),
        *map(number_text, numbers),
        number_text(row.p_value),
        row.note,
        number_text(row.t_test_p_value),
        number_text(row.holm_p_value),
        row.role,
    ]


def number_text(value: float | None) -> str:
    """Nine significant digits, the same on every machine; empty for None."""
    return "" if value is None else f"{value:.9g}"
