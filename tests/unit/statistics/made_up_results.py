"""StudyResults put together by hand: accuracies and loss curves exactly as a test needs them, without any file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from smallmix.statistics.study_results import History, Result, StudyResults
from smallmix.study.study import Study
from smallmix.tables.columns import SELECTIONS
from smallmix.tables.subset_table import SubsetRow

from tests.synthetic_configuration import build_configuration
from tests.synthetic_study import CLASSES

By = Mapping[tuple[int, str], Sequence[float]]  # percent, one a seed
Accuracies = Mapping[tuple[int, str], Sequence[float | None]]


def make_study(**choices: Any) -> Study:
    """The study of a synthetic configuration."""
    return Study.from_configuration(build_configuration(**choices))


def make_results(accuracies: Accuracies, seeds: Sequence[int] = range(10)) -> tuple[Result, ...]:
    """Results whose selections agree; accuracies are given by size and method, one a seed (None: no cell)."""
    return tuple(
        Result(size, method, seed, dict.fromkeys(SELECTIONS.values(), accuracy))
        for (size, method), of_seeds in accuracies.items()
        for seed, accuracy in zip(seeds, of_seeds, strict=False)
        if accuracy is not None
    )


def make_study_results(
    accuracies: Accuracies | None = None,
    histories: Sequence[History] = (),
    subset_rows: Sequence[SubsetRow] = (),
    **choices: Any,
) -> StudyResults:
    """StudyResults on CIFAR-10's classes; sizes and seeds of the study follow the accuracies unless they are given."""
    accuracies = accuracies or {}
    choices.setdefault("sizes", sorted({size for size, _ in accuracies} or {500}, reverse=True))
    choices.setdefault("seeds", range(max((len(of_seeds) for of_seeds in accuracies.values()), default=1)))
    return StudyResults(make_study(**choices), make_results(accuracies), tuple(histories), tuple(subset_rows), CLASSES)


def make_history(
    size: int, method: str, train_loss: Sequence[float], test_loss: Sequence[float] | None = None, seed: int = 0
) -> History:
    """A history of evaluations a hundred iterations apart."""
    columns = {
        "iteration": [100.0 * (number + 1) for number in range(len(train_loss))],
        "train_loss": list(train_loss),
        "test_loss": list(test_loss or [1.0] * len(train_loss)),
    }
    return History(size, method, seed, columns)


def results_of(selections: Mapping[str, By], **choices: Any) -> StudyResults:
    """Results of a study from percent by selection, then by size and method, one a seed."""
    first = next(iter(selections.values()))
    seeds = range(len(next(iter(first.values()))))
    choices.setdefault("sizes", sorted({size for size, _ in first}, reverse=True))
    runs = [
        Result(
            size,
            method,
            seed,
            {SELECTIONS[name]: by[size, method][seed] / 100 for name, by in selections.items()},
        )
        for size, method in first
        for seed in seeds
    ]
    return StudyResults(Study.from_configuration(build_configuration(seeds=seeds, **choices)), tuple(runs))


def of_best(by: By, **choices: Any) -> StudyResults:
    return results_of({"best": by}, **choices)
