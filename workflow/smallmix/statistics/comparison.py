"""comparison.csv: paired differences between the methods, with intervals and tests that few seeds allow.

Methods share seed, subset, first weights and batch order, so differences are taken seed by seed. How much that helps
differs: variance_ratio says it for each row. Seeds are the blocks: nested subsets make the sizes of one seed alike, so
that the row over all sizes averages within a seed first.

Where there are seeds enough for the exact test to fall below 0.05, one hypothesis is declared in advance: mixing images
and labels against not mixing, averaged over all sizes, by the selection that the study declares. A study that declares
the best accuracy, as the article does, is tested by the one that does not choose on the test images and depends least
on the last step. Every other row is secondary; its p-value is also given with Holm's correction. The rows of single
sizes are one family for each selection, those over all sizes another: they sum up the same differences.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from smallmix.statistics.chance_ahead import ChanceAhead, chance_ahead
from smallmix.statistics.intervals import MeanInterval, mean_interval, t_test
from smallmix.statistics.seeds_needed import SeedPlan, SeedsNeeded, plan_seeds
from smallmix.statistics.sign_flip import LARGEST_COUNT, holm, sign_flip_test, smallest_p_value
from smallmix.statistics.study_results import Result, by_seed
from smallmix.study.cell import Mix
from smallmix.study.published import article_protocol
from smallmix.study.study import Study, beta_of, first_method, methods_with, reference_method
from smallmix.tables.columns import SELECTIONS, selections_of
from smallmix.tables.statistics_columns import ALL_SIZES, COMPARISON
from smallmix.tables.table_files import write_table

NOT_CHOSEN_ON_TEST_IMAGES = "last_tenth"
LEVEL = 0.05
FEWEST_FOR_A_RATIO = 3  # variances of two seeds are next to meaningless


@dataclass(frozen=True)
class Comparison:
    """Method minus reference, the mean over seeds (a fraction); size None stands for all sizes.

    p_value is that of the exact sign-flip test, smallest_p_value the smallest that it can give with this number of
    seeds. role is `declared` for the one hypothesis stated in advance, else `secondary`; holm_rows is how many rows
    holm_p_value is corrected for. variance_ratio is the variance over seeds of the difference, divided by the sum of
    the two methods' variances: below 1 pairing helps, above 1 it does not. `plan` has the standard deviation over
    seeds, and how many seeds resolve one point. `best_adds` is by how much the best accuracy, which is chosen on the
    test images, makes the difference larger than this selection does (a fraction, seed by seed). Unknown fields are
    None.
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
    smallest_p_value: float | None = None
    variance_ratio: float | None = None
    holm_p_value: float | None = None
    holm_rows: int | None = None
    ahead: ChanceAhead | None = None
    plan: SeedPlan | None = None
    best_adds: MeanInterval | None = None

    @property
    def standard_deviation(self) -> float | None:
        """Return the standard deviation over seeds of the difference, a fraction; None below two seeds."""
        if self.interval is None or self.interval.standard_error is None:
            return None
        return self.interval.standard_error * math.sqrt(self.interval.count)


def compare_methods(study: Study, results: Sequence[Result]) -> list[Comparison]:
    """Compare the pairs of methods by every selection, at every size and over all sizes together."""
    results = tuple(results)
    rows: list[Comparison] = []
    for selection, column in selections_of(study.validation_images).items():
        rows_of_selection: list[Comparison] = []
        for method, reference in asked_pairs(study):
            values = {size: paired_values(results, size, method, reference, column) for size in study.sizes}
            adds = _what_best_adds(results, method, reference, values) if selection != "best" else {}
            for size in study.sizes:
                pairs = list(values[size].values())
                row = _compare(size, method, reference, selection, pairs, "secondary", "")
                rows_of_selection.append(replace(row, best_adds=_mean_of(adds.get(size, {}).values())))
            averages, note = _average_pairs(values)
            role = "declared" if _is_declared(study, method, reference, selection) else "secondary"
            row = _compare(None, method, reference, selection, averages, role, note)
            added = average_over_sizes(adds)[0] if adds else []
            rows_of_selection.append(replace(row, best_adds=_mean_of(added)))
        rows += _correct(rows_of_selection)
    return rows


def selection_of_the_test(study: Study) -> str:
    """Return the selection of the declared test: the study's own, unless that chooses on the test images."""
    return NOT_CHOSEN_ON_TEST_IMAGES if study.selection == "best" else study.selection


def can_decide(seeds: int) -> bool:
    """Return whether the p-value of the exact test can fall below 0.05 (above 40 seeds, the t test replaces it)."""
    return smallest_p_value(seeds) < LEVEL


def variance_ratio(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Divide the variance of the differences by the sum of both variances; None below three pairs or without any."""
    if len(pairs) < FEWEST_FOR_A_RATIO:
        return None
    first, second = zip(*pairs, strict=True)
    unpaired = statistics.variance(first) + statistics.variance(second)
    return statistics.variance([a - b for a, b in pairs]) / unpaired if unpaired else None


def paired_values(
    results: Iterable[Result], size: int, method: str, reference: str, column: str
) -> dict[int, tuple[float, float]]:
    """Return the numbers of method and reference by seed, of the seeds that have both."""
    results = tuple(results)
    first, second = by_seed(results, size, method, column), by_seed(results, size, reference, column)
    return {seed: (first[seed], second[seed]) for seed in first if seed in second}


def paired_differences(
    results: Iterable[Result], size: int, method: str, reference: str, column: str
) -> dict[int, float]:
    """Return method minus reference by seed, of the seeds that have both."""
    pairs = paired_values(results, size, method, reference, column)
    return {seed: first - second for seed, (first, second) in pairs.items()}


def average_over_sizes(differences: dict[int, dict[int, float]]) -> tuple[list[float], str]:
    """Average differences (by size, then seed) over sizes within each seed that has every size; with a note."""
    seeds = sorted({seed for of_size in differences.values() for seed in of_size})
    complete = [seed for seed in seeds if all(seed in of_size for of_size in differences.values())]
    averages = [sum(of_size[seed] for of_size in differences.values()) / len(differences) for seed in complete]
    note = f"averaged over {len(differences)} sizes within each seed"
    if len(complete) < len(seeds):
        note += f"; {len(seeds) - len(complete)} of {len(seeds)} seeds left out, because they lack a size"
    return averages, note


def _what_best_adds(
    results: Sequence[Result], method: str, reference: str, values: dict[int, dict[int, tuple[float, float]]]
) -> dict[int, dict[int, float]]:
    """Return by size and seed how much larger the difference is by the best accuracy than by `values`."""
    found: dict[int, dict[int, float]] = {}
    for size, of_size in values.items():
        best = paired_differences(results, size, method, reference, SELECTIONS["best"])
        found[size] = {seed: best[seed] - (of_size[seed][0] - of_size[seed][1]) for seed in of_size if seed in best}
    return found


def _mean_of(values: Iterable[float]) -> MeanInterval | None:
    known = list(values)
    return mean_interval(known) if known else None


def write_comparison(rows: Iterable[Comparison], path: Path) -> None:
    """Write comparison.csv, atomically; differences are fractions, unknown fields empty."""
    write_table(path, COMPARISON, map(comparison_fields, rows))


def _average_pairs(values: dict[int, dict[int, tuple[float, float]]]) -> tuple[list[tuple[float, float]], str]:
    """Average both methods' numbers as `average_over_sizes` does."""
    both = []
    for index in (0, 1):
        averages, note = average_over_sizes(
            {size: {seed: pair[index] for seed, pair in of_size.items()} for size, of_size in values.items()}
        )
        both.append(averages)
    return list(zip(*both, strict=True)), note


def _is_declared(study: Study, method: str, reference: str, selection: str) -> bool:
    asked = (first_method(study, "images-and-labels"), first_method(study, "none"))
    return selection == selection_of_the_test(study) and (method, reference) == asked and can_decide(len(study.seeds))


def _compare(
    size: int | None,
    method: str,
    reference: str,
    selection: str,
    pairs: Sequence[tuple[float, float]],
    role: str,
    note: str,
) -> Comparison:
    differences = [first - second for first, second in pairs]
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
    elif not can_decide(count):
        notes.append(f"{count} seeds: the exact test cannot go below {smallest_p_value(count):g}")
    interval = mean_interval(differences) if differences else None
    if interval is not None and interval.standard_error == 0:
        notes.append("all seeds have the same difference: the interval has no width, and there is no t test")
    row = Comparison(
        size=size,
        method=method,
        reference=reference,
        selection=selection,
        interval=interval,
        p_value=sign_flip_test(differences),
        t_test_p_value=t_test(differences),
        role=role,
        note="; ".join(part for part in notes if part),
        smallest_p_value=smallest_p_value(count) if 2 <= count <= LARGEST_COUNT else None,
        variance_ratio=variance_ratio(pairs),
        ahead=chance_ahead(differences) if differences else None,
    )
    return replace(row, plan=plan_seeds(row.standard_deviation or 0.0, count))


def _correct(rows: list[Comparison]) -> list[Comparison]:
    """Add Holm's correction to a selection's secondary rows, those of single sizes and of all sizes apart."""
    corrected = list(rows)
    for over_all_sizes in (False, True):
        family = [
            index
            for index, row in enumerate(rows)
            if (row.size is None) == over_all_sizes and row.role == "secondary" and row.p_value is not None
        ]
        adjusted = holm([rows[index].p_value or 0.0 for index in family])
        for index, p_value in zip(family, adjusted, strict=True):
            corrected[index] = replace(rows[index], holm_p_value=p_value, holm_rows=len(family))
    return corrected


def comparison_fields(row: Comparison) -> list[int | float | str | None]:
    """Return the row's values, in the order of the columns of comparison.csv."""
    interval = row.interval
    numbers = (interval.mean, interval.low, interval.high, interval.standard_error) if interval else (None,) * 4
    return [
        ALL_SIZES if row.size is None else str(row.size),
        row.method,
        row.reference,
        row.selection,
        interval.count if interval else 0,
        *numbers,
        row.p_value,
        row.note,
        row.t_test_p_value,
        row.holm_p_value,
        row.role,
        row.smallest_p_value,
        row.holm_rows,
        row.variance_ratio,
        *((row.ahead.share, row.ahead.low, row.ahead.high) if row.ahead else (None,) * 3),
        row.standard_deviation,
        *((row.plan.low, row.plan.high) if row.plan else (None,) * 2),
        *_seeds_fields(row.plan.interval if row.plan else None),
        *_seeds_fields(row.plan.test if row.plan else None),
        *((row.best_adds.mean, row.best_adds.low, row.best_adds.high) if row.best_adds else (None,) * 3),
    ]


def _seeds_fields(needed: SeedsNeeded | None) -> tuple[int | None, ...]:
    return (needed.expected, needed.low, needed.high) if needed else (None,) * 3


def asked_pairs(study: Study) -> list[tuple[str, str]]:
    """Return (method, reference): each mixing method against plain training, then the two ways of mixing.

    Of several Beta distributions, the article's stand for the two ways; where a way has several and none of them is
    the article's, the ways are not compared. Without plain training, the first method takes its place.
    """
    reference = reference_method(study)
    pairs = [(method, reference) for method in study.methods if method != reference]
    labels, images = _standing_for(study, "images-and-labels"), _standing_for(study, "images")
    if labels is not None and images is not None and reference not in (labels, images):
        pairs.append((labels, images))
    return pairs


def _standing_for(study: Study, mix: Mix) -> str | None:
    """Return the method that stands for a way of mixing: the only one, or the one with the article's distribution."""
    candidates = methods_with(study, mix)
    if len(candidates) == 1:
        return candidates[0]
    article = article_protocol().method_that_mixes(mix)
    wanted = None if article is None else article.beta
    return next((name for name in candidates if beta_of(study, name) == wanted), None)
