"""Which cells of two studies differ in what is asked about, and in nothing else."""

from __future__ import annotations

import functools
from typing import Any

from smallmix.statistics.study_results import StudyResults
from smallmix.study.cell import Cell
from smallmix.study.study import StudyCell

# Two cells that one rule compares may differ in this, beside what the rule is about.
_HOW_IT_RUNS = ("executor", "cpu_threads", "precision")


def cells_by_method(results: StudyResults, size: int) -> list[StudyCell]:
    """Return the first cell of every method at a size."""
    found: dict[str, StudyCell] = {}
    for cell in results.study.cells:
        if cell.size == size:
            found.setdefault(cell.method, cell)
    return list(found.values())


def find_alike(
    results: StudyResults, cell: StudyCell, other: StudyResults, varying: tuple[str, ...]
) -> StudyCell | None:
    """Return the other study's cell of the same size that differs from ours at most in the `varying` keys, and in seed.

    None where there is none, as where the studies have other data sets.
    """
    candidates = cells_by_method(other, cell.size) if results.study.dataset == other.study.dataset else []
    return next((one for one in candidates if _essence(one.value, varying) == _essence(cell.value, varying)), None)


def same_but_for(
    one: StudyResults,
    other: StudyResults,
    size: int,
    method: str,
    varying: tuple[str, ...],
    of_recipe: tuple[str, ...] = (),
) -> bool:
    """Return whether both studies train the method at this size alike, but for the `varying` parts of a cell.

    `of_recipe` are keys of the recipe that may vary as well.
    """
    if one.study.dataset != other.study.dataset:
        return False
    found = [
        next((cell for cell in cells_by_method(study, size) if cell.method == method), None) for study in (one, other)
    ]
    values = [_essence(cell.value, varying, of_recipe) for cell in found if cell is not None]
    return len(values) == 2 and values[0] == values[1]


@functools.lru_cache(maxsize=1024)
def _essence(cell: Cell, varying: tuple[str, ...], of_recipe: tuple[str, ...] = ()) -> dict[str, Any]:
    value = {key: part for key, part in cell.to_dict().items() if key not in (*varying, "seed")}
    if "recipe" in value:
        value["recipe"] = {key: part for key, part in value["recipe"].items() if key not in (*_HOW_IT_RUNS, *of_recipe)}
    if "subset" in value:
        value["subset"] = {key: part for key, part in value["subset"].items() if key != "seed"}
    return value
