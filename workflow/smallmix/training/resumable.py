"""A training under way: its state, its course so far, and its way into checkpoints and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from smallmix.science.early_loss import early_steps
from smallmix.science.history import HistoryRow
from smallmix.science.training_state import TrainingState, expected_digests
from smallmix.study.cell import Cell
from smallmix.training.checkpoint import UnusableCheckpoint
from smallmix.training.kept_memory import MEMORY


@dataclass
class ResumableTraining:
    """The state of a training, and what its record says about its course, which decides no number.

    `environments` lists the machines and versions that took part, each once, in the order in which they came.
    `executions` says of each run how its steps and evaluations were started (see `execution`), this one last.
    """

    state: TrainingState
    training_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    runs: int = 1
    started: str = ""
    environments: list[dict[str, str | int]] = field(default_factory=list)
    executions: list[dict[str, str]] = field(default_factory=lambda: [{}])

    def to_checkpoint(self) -> dict[str, Any]:
        """Return the training as tensors and plain values."""
        return {
            "model": self.state.model.state_dict(),
            "momentum": self.state.momentum(),
            "iteration": self.state.iteration,
            "loss_sum": self.state.loss_sum,
            "loss_images": self.state.loss_images,
            "largest_early_loss": self.state.largest_early_loss,
            "largest_early_loss_iteration": self.state.largest_early_loss_iteration,
            "history": [list(row.numbers.values()) for row in self.state.history],
            "early_digests": self.state.early_digests,
            "training_seconds": self.training_seconds,
            "evaluation_seconds": self.evaluation_seconds,
            "runs": self.runs,
            "started": self.started,
            "environments": self.environments,
            "executions": self.executions,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over a saved state. Raises UnusableCheckpoint, before anything is changed, where it does not fit."""
        try:
            history = [HistoryRow(*row) for row in saved["history"]]
            _check_tensors("model", self.state.model.state_dict(), saved["model"])
            _check_tensors("momentum", dict(enumerate(self.state.momentum())), dict(enumerate(saved["momentum"])))
            _check_counters(self.state.cell, saved, history)
        except (KeyError, TypeError, AttributeError) as error:
            raise UnusableCheckpoint(f"it holds another kind of state ({type(error).__name__}: {error})") from error
        self.state.take_numbers(saved["model"], saved["momentum"])
        self.state.iteration = saved["iteration"]
        self.state.loss_sum = saved["loss_sum"]
        self.state.loss_images = saved["loss_images"]
        self.state.largest_early_loss = saved["largest_early_loss"]
        self.state.largest_early_loss_iteration = saved["largest_early_loss_iteration"]
        self.state.history = history
        self.state.early_digests = dict(saved["early_digests"])
        self.training_seconds = saved["training_seconds"]
        self.evaluation_seconds = saved["evaluation_seconds"]
        self.runs = saved["runs"] + 1
        self.started = saved["started"]
        self.environments = saved["environments"]
        self.executions = [*saved["executions"], {}]

    def enter_environment(self, environment: Mapping[str, str | int]) -> list[str]:
        """Note where training goes on; return what differs from the place before and may decide last digits."""
        here = dict(environment)
        before = self.environments[-1] if self.environments else here
        self.environments = [*(other for other in self.environments if _differences(other, here)), here]
        return [f"{key}: {before.get(key)}, now {here.get(key)}" for key in _differences(before, here)]

    def distinct_executions(self) -> list[dict[str, str]]:
        """Return the distinct entries of `executions`, this run's last; what a later run knew better is left out."""
        *earlier, here = self.executions
        distinct: list[dict[str, str]] = []
        for one in earlier:
            others = [*(other for other in earlier if other != one), here]
            if one not in distinct and not any(one.items() <= other.items() for other in others):
                distinct.append(one)
        return [*distinct, here]


def _check_tensors(what: str, wanted: Mapping[Any, Tensor], found: Mapping[Any, Any]) -> None:
    if found.keys() != wanted.keys():
        raise UnusableCheckpoint(f"its {what} belongs to another network")
    for name, tensor in wanted.items():
        other = found[name]
        if not isinstance(other, Tensor) or other.shape != tensor.shape or other.dtype != tensor.dtype:
            raise UnusableCheckpoint(f"its {what} does not fit the network at {name}")
        if not torch.isfinite(other).all():
            raise UnusableCheckpoint(f"its {what} holds numbers that are not finite at {name}")


def _check_counters(cell: Cell, saved: dict[str, Any], history: list[HistoryRow]) -> None:
    """Raise UnusableCheckpoint where counters, sums or the history cannot be those of this cell."""
    for name in ("iteration", "loss_images", "largest_early_loss_iteration", "runs"):
        if type(saved[name]) is not int or saved[name] < 0:
            raise UnusableCheckpoint(f"its {name} is not a count")
    for name in ("loss_sum", "largest_early_loss", "training_seconds", "evaluation_seconds"):
        if type(saved[name]) is not float or not math.isfinite(saved[name]):
            raise UnusableCheckpoint(f"its {name} is not a number")
    if type(saved["started"]) is not str or not all(
        isinstance(one, dict) and all(type(value) in (str, int) for value in one.values())
        for one in saved["environments"]
    ):
        raise UnusableCheckpoint("it does not say when and where it was begun")
    if not all(
        isinstance(one, dict) and all(type(text) is str for item in one.items() for text in item)
        for one in saved["executions"]
    ):
        raise UnusableCheckpoint("it does not say how its steps were started")
    iteration = saved["iteration"]
    if list(saved["early_digests"]) != expected_digests(iteration) or not all(
        type(digest) is str for digest in saved["early_digests"].values()
    ):
        raise UnusableCheckpoint("its digests of early weights are not those of its iteration")
    if iteration > cell.iterations:
        raise UnusableCheckpoint(f"it is at iteration {iteration:,} of {cell.iterations:,}")
    if any((row.validation_accuracy is None) != (cell.evaluation.validation_images == 0) for row in history):
        raise UnusableCheckpoint("its history does not fit the cell's validation images")
    numbers = [number for row in history for number in row.numbers.values()]
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        raise UnusableCheckpoint("its history holds something other than finite numbers")
    if saved["largest_early_loss_iteration"] > min(iteration, early_steps(cell.iterations)):
        raise UnusableCheckpoint("its largest early loss is of a step that is not early, or was not taken")
    moments = cell.evaluation_moments.until(iteration)
    # The last evaluation may be missing: a stop may fall between a step and its evaluation.
    if [row.iteration for row in history] not in (moments, moments[:-1] if iteration in moments else moments):
        raise UnusableCheckpoint(f"its history is not that of a training at iteration {iteration:,}")


def _differences(one: Mapping[str, str | int], other: Mapping[str, str | int]) -> list[str]:
    """Return in what two environments differ, but for how memory is managed, which decides no digit."""
    return [key for key in sorted({*one, *other} - {MEMORY}) if one.get(key) != other.get(key)]
