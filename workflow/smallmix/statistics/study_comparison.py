"""Two studies against each other: each method's accuracy, and each method's gain, second minus first.

Cells are paired seed by seed where both studies trained the method on the same images: the same rows of the same
arrays. A seed draws the same first weights and batches in both as far as their configurations allow. Where the images
differ, or fewer than two seeds agree, the means are compared unpaired, by Welch's interval. Methods go by their names.

No hypothesis is declared in advance here, so that no row is called significant: a reader gets the interval, the number
of seeds, and for paired rows the exact p-value, which is not corrected for how many rows there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from smallmix.errors import SmallmixError
from smallmix.own_code import names_own_code, without_folder
from smallmix.statistics.comparison import asked_pairs, average_over_sizes, paired_differences
from smallmix.statistics.intervals import MeanDifference, mean_interval, welch_interval
from smallmix.statistics.sign_flip import LARGEST_COUNT, sign_flip_test, smallest_p_value
from smallmix.statistics.study_results import Result, by_seed, results_of
from smallmix.study.study import Study
from smallmix.tables.cell_status import Collection
from smallmix.tables.columns import SELECTIONS
from smallmix.tables.origin_differences import images_by_place
from smallmix.tables.statistics_columns import ALL_SIZES
from smallmix.tables.study_tables import FEWEST_FOR_AN_INTERVAL
from smallmix.wording import count_of, joined

FEWEST_PAIRS = 2  # a paired interval needs two differences
BySeed = dict[int, float]


@dataclass(frozen=True)
class StudySide:
    """One of the two studies: its current cells' numbers, and the fingerprint of their images by size and seed."""

    study: Study
    results: tuple[Result, ...]
    images: Mapping[tuple[int, int], str]

    @classmethod
    def of(cls, collection: Collection) -> StudySide:
        """Return the current cells of a collected study."""
        return cls(collection.study, results_of(collection), images_by_place(collection))

    def values(self, size: int, method: str, reference: str | None, column: str) -> BySeed:
        """Return by seed the method's accuracy or, with a reference, its gain over that method."""
        if reference is None:
            return by_seed(self.results, size, method, column)
        return paired_differences(self.results, size, method, reference, column)


@dataclass(frozen=True)
class StudyDifference:
    """One row: second minus first. Accuracies, gains and differences are fractions.

    size is None for the average over all common sizes, reference None for an accuracy. `pairs` counts the seeds that
    were paired; it is None where the row is unpaired.
    """

    size: int | None
    method: str
    reference: str | None
    selection: str
    first_seeds: int
    first_mean: float
    second_seeds: int
    second_mean: float
    pairs: int | None
    difference: MeanDifference
    p_value: float | None
    smallest_p_value: float | None
    note: str

    @property
    def pairing(self) -> Literal["paired", "unpaired"]:
        """Return how the two sides were compared."""
        return "unpaired" if self.pairs is None else "paired"

    @property
    def has_interval(self) -> bool:
        """Return whether there were seeds enough to show an interval: three pairs, or three seeds of each study."""
        seeds = min(self.first_seeds, self.second_seeds) if self.pairs is None else self.pairs
        return self.difference.low is not None and seeds >= FEWEST_FOR_AN_INTERVAL


def compare_studies(first: StudySide, second: StudySide, selections: Sequence[str]) -> list[StudyDifference]:
    """Compare what both studies have, by method and gain, at every common size and over all of them.

    Raises SmallmixError where there is nothing to compare.
    """
    sizes = [size for size in first.study.sizes if size in second.study.sizes]
    asked: list[tuple[str, str | None]] = [(method, None) for method in common_methods(first.study, second.study)]
    methods = {method for method, _ in asked}
    of_second = asked_pairs(second.study)
    asked += [pair for pair in asked_pairs(first.study) if pair in of_second and methods >= set(pair)]
    rows: list[StudyDifference] = []
    for selection in selections:
        for method, reference in asked:
            rows += _compare(first, second, sizes, method, reference, selection)
    if not rows:
        raise SmallmixError(
            explain_no_validation(first, second, selections)
            or explain_older_tables(first, second, selections)
            or explain_nothing_common(first, second)
        )
    return rows


def common_methods(first: Study, second: Study) -> list[str]:
    """Return the names that stand for the same kind of mixing in both studies, in the order of the first."""
    kinds = second.configuration["methods"]
    return [name for name in first.methods if name in kinds and _mix(first, name) == _mix(second, name)]


def refused_methods(first: Study, second: Study) -> list[str]:
    """Return a sentence for each name that stands for one kind of mixing here and for another one there."""
    return [
        f"{name} is left out: it mixes {_mix(first, name)} in {first.name}, and {_mix(second, name)} in {second.name}."
        for name in first.methods
        if name in second.methods and _mix(first, name) != _mix(second, name)
    ]


def explain_no_validation(first: StudySide, second: StudySide, selections: Sequence[str]) -> str | None:
    """Say that accuracies chosen on validation images are asked for, and which study has none; None where not so."""
    lacking = [side.study.name for side in (first, second) if not side.study.validation_images]
    if "validation" not in selections or not lacking:
        return None
    return f"no validation images in {joined(lacking)}, so nothing is chosen on them. Compare by another --selection."


def explain_older_tables(first: StudySide, second: StudySide, selections: Sequence[str]) -> str | None:
    """Say that a kept study of an older version has no accuracies by the selections asked for; None where not so."""
    columns = [SELECTIONS[name] for name in selections]
    lacking = [
        side.study.name
        for side in (first, second)
        if side.results and all(math.isnan(run.number(column)) for run in side.results for column in columns)
    ]
    if not lacking:
        return None
    asked = joined([name.replace("_", "-") for name in selections])
    return f"no accuracies by {asked} in {joined(lacking)}: an older version kept them. Compare by another --selection."


def explain_nothing_common(first: StudySide, second: StudySide) -> str:
    """Say why no cell of one study can be compared with one of the other, and what to do."""
    for side in (first, second):
        if not side.results:
            return f"study {side.study.name} has no current result. Run it, then compare again."
    a, b = first.study, second.study
    parts = [
        f"{name} has sizes {joined([f'{size:,}' for size in sorted({run.size for run in side.results})])} of methods "
        f"{joined(sorted({run.method for run in side.results}))}"
        for name, side in ((a.name, first), (b.name, second))
    ]
    return (
        f"studies {a.name} and {b.name} have no size and method in common that both have results of: "
        f"{'; '.join(parts)}. Compare studies that share some."
    )


def comparison_fields(row: StudyDifference) -> list[int | float | str | None]:
    """Return the row's values in the order of the columns of STUDY_COMPARISON."""
    return [
        ALL_SIZES if row.size is None else str(row.size),
        row.method,
        row.reference,
        row.selection,
        row.first_seeds,
        row.first_mean,
        row.second_seeds,
        row.second_mean,
        row.pairing,
        row.pairs,
        row.difference.mean,
        row.difference.low,
        row.difference.high,
        row.p_value,
        row.smallest_p_value,
        row.note,
    ]


def _mix(study: Study, method: str) -> str:
    mix = str(study.configuration["methods"][method]["mix"])
    return without_folder(mix) if names_own_code(mix) else mix


def _compare(
    first: StudySide, second: StudySide, sizes: Sequence[int], method: str, reference: str | None, selection: str
) -> list[StudyDifference]:
    """Compare one method, or one gain, at every size that both have results of, then over all these sizes."""
    column = SELECTIONS[selection]
    found: list[StudyDifference] = []
    of_first: dict[int, BySeed] = {}
    of_second: dict[int, BySeed] = {}
    all_paired = True
    for size in sizes:
        one = first.values(size, method, reference, column)
        other = second.values(size, method, reference, column)
        if not one or not other:
            continue
        of_first[size], of_second[size] = one, other
        seeds, why_not = _pairable(first, second, size, one, other)
        all_paired = all_paired and bool(seeds)
        note = why_not
        if seeds and (single := (one.keys() | other.keys()) - set(seeds)):
            note = f"{count_of(len(single), 'seed')} without a partner left out of the difference"
        found.append(_row((size, method, reference, selection), one, other, seeds, note))
    if len(found) > 1:
        whole = [_complete(values) for values in (of_first, of_second)]
        if all(whole):
            common = sorted(whole[0].keys() & whole[1].keys())
            seeds = common if all_paired and len(common) >= FEWEST_PAIRS else []
            note = f"averaged over {len(found)} sizes within each seed"
            found.append(_row((None, method, reference, selection), whole[0], whole[1], seeds, note))
    return found


def _pairable(first: StudySide, second: StudySide, size: int, one: BySeed, other: BySeed) -> tuple[list[int], str]:
    """Return the seeds to pair; none, and the reason, where a pair would compare what differs in its images."""
    common = sorted(one.keys() & other.keys())
    if not common:
        return [], "no seed in common"
    unlike = [seed for seed in common if first.images[size, seed] != second.images[size, seed]]
    if unlike:
        return [], f"other images: {count_of(len(unlike), 'subset')} of {len(common)} differ, so seeds are not paired"
    if len(common) < FEWEST_PAIRS and min(len(one), len(other)) >= FEWEST_PAIRS:
        return [], "one seed in common: not paired"
    return common, ""


def _complete(values: dict[int, BySeed]) -> BySeed:
    """Return by seed the average over the sizes, of the seeds that have every size."""
    seeds = sorted(set.intersection(*(set(of_size) for of_size in values.values())))
    averages, _ = average_over_sizes(
        {size: {seed: of_size[seed] for seed in seeds} for size, of_size in values.items()}
    )
    return dict(zip(seeds, averages, strict=True))


def _row(
    place: tuple[int | None, str, str | None, str], one: BySeed, other: BySeed, seeds: Sequence[int], note: str
) -> StudyDifference:
    size, method, reference, selection = place
    notes = [note]
    if seeds:
        differences = [other[seed] - one[seed] for seed in seeds]
        interval = mean_interval(differences)
        difference = MeanDifference(interval.mean, interval.low, interval.high, interval.standard_error)
        if not any(differences):
            notes.append("equal in every seed")
        if len(seeds) == 1:
            notes.append("one seed: no interval")
        p_value = sign_flip_test(differences)
        smallest = smallest_p_value(len(seeds)) if FEWEST_PAIRS <= len(seeds) <= LARGEST_COUNT else None
    else:
        difference = welch_interval(list(other.values()), list(one.values()))
        p_value = smallest = None
        if difference.low is None:
            notes.append("no interval: it needs two seeds of each study that vary")
    return StudyDifference(
        size=size,
        method=method,
        reference=reference,
        selection=selection,
        first_seeds=len(one),
        first_mean=math.fsum(one.values()) / len(one),
        second_seeds=len(other),
        second_mean=math.fsum(other.values()) / len(other),
        pairs=len(seeds) or None,
        difference=difference,
        p_value=p_value,
        smallest_p_value=smallest,
        note="; ".join(part for part in notes if part),
    )
