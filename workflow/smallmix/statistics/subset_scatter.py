"""subset_scatter.csv: how much of the scatter over seeds is the subset's, and how much the training's.

A study that draws a subset for each seed trains once on each, so that its seeds scatter by both. A study with one
subset for all seeds scatters by the training alone. Where two studies differ in this and in nothing else, the variance
of the first minus that of the second is what redrawing the subset adds (the variance component of the draw, by the law
of total variance). Scatter of the training is supposed to be alike on other subsets.

The two share seeds, hence first weights. What their runs have in common makes the interval rather too wide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smallmix.statistics.cells_alike import cells_by_method, find_alike
from smallmix.statistics.comparison import asked_pairs, paired_differences
from smallmix.statistics.study_results import StudyResults, by_seed, load_study_results
from smallmix.statistics.variance_difference import FEWEST_VALUES, VarianceDifference, variance_difference
from smallmix.study.layout import Layout
from smallmix.study.study import Study
from smallmix.tables.columns import SELECTIONS, selections_of
from smallmix.tables.statistics_columns import SUBSET_SCATTER
from smallmix.tables.table_files import write_table

# A head of the list is as good as one random draw. Balanced subsets scatter otherwise.
_ONE_KIND = {"head": "random"}


@dataclass(frozen=True)
class SubsetScatter:
    """The scatter of one method's accuracy, or with a reference of its gain over that, in a pair of studies."""

    size: int
    method: str
    reference: str | None
    selection: str
    redrawn: str
    redrawn_seeds: int
    fixed: str
    fixed_seeds: int
    variances: VarianceDifference  # first redrawn, then fixed; squared fractions

    @property
    def note(self) -> str:
        """Return what to know when reading the row."""
        found = self.variances
        if found.difference < 0:
            return "negative by chance: no more scatter was seen with redrawn subsets than with one"
        if found.low is None:
            return "neither study scatters: no interval"
        return "the interval reaches zero: the subset may add nothing" if found.low <= 0 else ""

    def fields(self) -> list[int | float | str | None]:
        """Return the row's values in the order of the columns of subset_scatter.csv."""
        found = self.variances
        return [
            self.size,
            self.method,
            self.reference,
            self.selection,
            self.redrawn,
            self.redrawn_seeds,
            math.sqrt(found.first),
            self.fixed,
            self.fixed_seeds,
            math.sqrt(found.second),
            found.difference,
            found.low,
            found.high,
            *(_root(one) for one in (found.difference, found.low, found.high)),
            self.note,
        ]


def separate_scatter(results: StudyResults, others: Sequence[StudyResults]) -> list[SubsetScatter]:
    """Separate the scatter of the subset from the training's, in each pair of this study and another that allows it.

    A pair allows it where one redraws the subset for each seed and the other does not, and where the cells differ in
    nothing else. Three seeds of each are the fewest.
    """
    rows: list[SubsetScatter] = []
    for other in others:
        pair = (results, other) if results.study.redraws_subsets else (other, results)
        if _is_redrawn_and_fixed(*pair):
            rows += _separate(*pair)
    return rows


def separate_scatter_of(
    layout: Layout, tables: Path, compare_with: Sequence[Path] | None = None
) -> list[SubsetScatter]:
    """Separate the scatter of the study whose tables lie in `tables`.

    `compare_with` (the study.json of other studies) are by default those that the study names, as far as collected.
    """
    compared = layout.collected_studies if compare_with is None else compare_with
    if not compared:
        return []
    others = [load_study_results(Study.load(other), layout.root, other.parent) for other in compared]
    return separate_scatter(load_study_results(layout.study, layout.root, tables), others)


def write_subset_scatter(rows: Iterable[SubsetScatter], path: Path) -> None:
    """Write subset_scatter.csv, atomically; deviations are fractions, variances their squares."""
    write_table(path, SUBSET_SCATTER, (row.fields() for row in rows))


def _is_redrawn_and_fixed(redrawn: StudyResults, fixed: StudyResults) -> bool:
    rules = [one.study.configuration["subsets"]["rule"] for one in (redrawn, fixed)]
    same_kind = len({_ONE_KIND.get(rule, rule) for rule in rules}) == 1
    return same_kind and redrawn.study.redraws_subsets and not fixed.study.redraws_subsets


def _separate(redrawn: StudyResults, fixed: StudyResults) -> list[SubsetScatter]:
    rows = []
    validation = redrawn.study.validation_images and fixed.study.validation_images
    for selection in selections_of(validation):
        for size in redrawn.study.sizes:
            alike = {
                cell.method: other.method
                for cell in cells_by_method(redrawn, size)
                if (other := find_alike(redrawn, cell, fixed, ("subset",))) is not None
            }
            asked: list[tuple[str, str | None]] = [(method, None) for method in alike]
            asked += [pair for pair in asked_pairs(redrawn.study) if alike.keys() >= set(pair)]
            for method, reference in asked:
                first = _values(redrawn, size, method, reference, selection)
                second = _values(fixed, size, alike[method], None if reference is None else alike[reference], selection)
                if min(len(first), len(second)) >= FEWEST_VALUES:
                    rows.append(
                        SubsetScatter(
                            size=size,
                            method=method,
                            reference=reference,
                            selection=selection,
                            redrawn=redrawn.study.name,
                            redrawn_seeds=len(first),
                            fixed=fixed.study.name,
                            fixed_seeds=len(second),
                            variances=variance_difference(first, second),
                        )
                    )
    return rows


def _values(results: StudyResults, size: int, method: str, reference: str | None, selection: str) -> list[float]:
    """Return by ascending seed the accuracies of a method, or its gains over the reference."""
    column = SELECTIONS[selection]
    if reference is None:
        return list(by_seed(results.runs, size, method, column).values())
    return list(paired_differences(results.runs, size, method, reference, column).values())


def _root(variance: float | None) -> float | None:
    """Return the deviation of a variance; a negative one stands for no scatter."""
    return None if variance is None else math.sqrt(max(0.0, variance))
