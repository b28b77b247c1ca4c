"""Which methods and networks of the user's own a study tries before it trains anything with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from smallmix.code_fingerprint import fingerprint_training
from smallmix.fingerprints import fingerprint_value
from smallmix.study.cell import BudgetValue, Cell, EvaluationValue, MethodValue, SubsetValue
from smallmix.study.study import Study, StudyCell

# Enough for every image to have a partner, and few enough for a wide network on a CPU.
FEW_IMAGES = 8
REMARK = "note: "  # how `check-own-code` begins a line on code without faults, which the start of a run repeats


@dataclass(frozen=True)
class Trial:
    """A method and a network that a study trains together, at least one of them the user's own.

    `cell` has a batch of few images and two iterations; whatever else decides how a step is taken is as in the study.
    `methods` are the names under which the study has the method, `batch_sizes` all that occur, the largest first.
    """

    methods: tuple[str, ...]
    cell: Cell
    batch_sizes: tuple[int, ...]

    @property
    def fingerprint(self) -> str:
        """Return the sha256 of what is tried: values, batch sizes, and the meaning of the files and of the step."""
        return fingerprint_value([self.cell.to_dict(), list(self.batch_sizes), fingerprint_training(self.cell)])


def trials_of(study: Study) -> tuple[Trial, ...]:
    """Return what a study has to try, in the order of its methods; nothing where no file of the user's is named."""
    together: dict[tuple[object, object], list[StudyCell]] = {}
    for cell in study.cells:
        if cell.own_code:
            together.setdefault((cell.value.method, cell.value.model), []).append(cell)
    return tuple(_trial_of(cells) for cells in together.values())


def tried_of(trials: Sequence[Trial], file: str) -> list[str]:
    """Return the sha256 of what in one file is tried. An edit of another file changes none, nor another batch size.

    A method goes with its network: an edit of that trains its cells anew as well.
    """
    found = []
    for trial in trials:
        if trial.cell.method.file == file:
            found.append(fingerprint_value([trial.cell.to_dict(), fingerprint_training(trial.cell)]))
        elif trial.cell.model.file == file:
            without = dataclasses.replace(trial.cell, method=MethodValue("none"))
            found.append(fingerprint_value([without.to_dict(), fingerprint_training(without)]))
    return sorted(set(found))


def _trial_of(cells: list[StudyCell]) -> Trial:
    batches = [cell.value.epoch_batches for cell in cells]
    sizes = {size for one in batches for size in (one.large, one.small) if size}
    value = cells[0].value
    few = min(FEW_IMAGES, max(sizes))
    small = dataclasses.replace(
        value,
        subset=SubsetValue("head", 2 * few),
        seed=0,
        recipe=dataclasses.replace(value.recipe, batch_size=few),
        budget=BudgetValue("iterations", 2),
        evaluation=EvaluationValue("iterations", 2, few),
    )
    return Trial(tuple(dict.fromkeys(cell.method for cell in cells)), small, tuple(sorted(sizes, reverse=True)))
