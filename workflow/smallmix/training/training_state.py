"""The state of a training: all that is carried from one step to the next, and its way into checkpoints and back."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from smallmix.science.early_loss import early_steps
from smallmix.science.model import PreActivationResNet, build_model
from smallmix.science.optimizer import MomentumSgd
from smallmix.science.training_step import build_optimizer
from smallmix.study.cell import Cell
from smallmix.training.checkpoint import UnusableCheckpoint
from smallmix.training.history import HistoryRow
from smallmix.training.training_data import TrainingData


@dataclass
class TrainingState:
    """Weights, momentum, counters, readings so far. Random draws need no state: see the batch plan.

    `environments` lists the machines and versions that took part, each once, in the order in which they came.
    """

    cell: Cell
    model: PreActivationResNet
    optimizer: MomentumSgd
    iteration: int = 0
    loss_sum: float = 0.0  # since the last evaluation, summed over images
    loss_images: int = 0
    largest_early_loss: float = 0.0  # of a single step
    largest_early_loss_iteration: int = 0
    history: list[HistoryRow] = field(default_factory=list)
    training_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    runs: int = 1
    started: str = ""
    environments: list[dict[str, str | int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Keep the moments of readings, which are asked for before every step."""
        self._moments = self.cell.reading_moments

    @classmethod
    def fresh(cls, cell: Cell, data: TrainingData, device: torch.device) -> TrainingState:
        """The state before the first step."""
        model = build_model(cell.model, data.image_shape, data.classes, cell.seed)
        model.to(memory_format=data.training.memory_format)
        model.to(device)
        return cls(cell, model, build_optimizer(model, cell.recipe, device))

    def twin(self, data: TrainingData) -> TrainingState:
        """A training at the same point, without its history, that goes its own way."""
        twin = TrainingState.fresh(self.cell, data, data.training.labels.device)
        twin._take_numbers(self.model.state_dict(), self._momentum())
        twin.iteration, twin.loss_sum, twin.loss_images = self.iteration, self.loss_sum, self.loss_images
        twin.largest_early_loss = self.largest_early_loss
        twin.largest_early_loss_iteration = self.largest_early_loss_iteration
        return twin

    def has_numbers_of(self, other: TrainingState) -> bool:
        """Whether weights, statistics, momentum, sum of losses and largest early loss are equal to the last bit."""
        mine, theirs = ([*one.model.state_dict().values(), *one._momentum()] for one in (self, other))
        sums = [(one.loss_sum, one.largest_early_loss, one.largest_early_loss_iteration) for one in (self, other)]
        return sums[0] == sums[1] and all(map(torch.equal, mine, theirs))

    @property
    def evaluation_is_due(self) -> bool:
        """Whether the network must be read before the next step: a stop may fall between a step and its reading."""
        moment = self.iteration in self._moments
        return moment and (not self.history or self.history[-1].iteration != self.iteration)

    def to_checkpoint(self) -> dict[str, Any]:
        """The state as tensors and plain values."""
        return {
            "model": self.model.state_dict(),
            "momentum": self._momentum(),
            "iteration": self.iteration,
            "loss_sum": self.loss_sum,
            "loss_images": self.loss_images,
            "largest_early_loss": self.largest_early_loss,
            "largest_early_loss_iteration": self.largest_early_loss_iteration,
            "history": [list(dataclasses.astuple(row)) for row in self.history],
            "training_seconds": self.training_seconds,
            "evaluation_seconds": self.evaluation_seconds,
            "runs": self.runs,
            "started": self.started,
            "environments": self.environments,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over a saved state. Raises UnusableCheckpoint, before anything is changed, where it does not fit."""
        try:
            history = [HistoryRow(*row) for row in saved["history"]]
            _check_tensors("model", self.model.state_dict(), saved["model"])
            _check_tensors("momentum", dict(enumerate(self._momentum())), dict(enumerate(saved["momentum"])))
            _check_counters(self.cell, saved, history)
        except (KeyError, TypeError, AttributeError) as fault:
            raise UnusableCheckpoint(f"it holds another kind of state ({type(fault).__name__}: {fault})") from fault
        self._take_numbers(saved["model"], saved["momentum"])
        self.iteration = saved["iteration"]
        self.loss_sum = saved["loss_sum"]
        self.loss_images = saved["loss_images"]
        self.largest_early_loss = saved["largest_early_loss"]
        self.largest_early_loss_iteration = saved["largest_early_loss_iteration"]
        self.history = history
        self.training_seconds = saved["training_seconds"]
        self.evaluation_seconds = saved["evaluation_seconds"]
        self.runs = saved["runs"] + 1
        self.started = saved["started"]
        self.environments = saved["environments"]

    def enter_environment(self, environment: Mapping[str, str | int]) -> list[str]:
        """Note where training goes on; returns what differs from the place before, in words."""
        here = dict(environment)
        before = self.environments[-1] if self.environments else here
        self.environments = [*(other for other in self.environments if other != here), here]
        return [
            f"{key}: {before.get(key)}, now {here.get(key)}"
            for key in sorted({*before, *here})
            if before.get(key) != here.get(key)
        ]

    def weights_sha256(self) -> str:
        """The sha256 of all weights and running statistics, by name: equal digests mean equal networks."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def _take_numbers(self, model: Mapping[str, Tensor], momentum: Sequence[Tensor]) -> None:
        self.model.load_state_dict(model)
        with torch.no_grad():
            for buffer, other in zip(self._momentum(), momentum, strict=True):
                buffer.copy_(other)

    def _momentum(self) -> list[Tensor]:
        return [self.optimizer.state[weight]["momentum_buffer"] for weight in self.model.parameters()]


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
    iteration = saved["iteration"]
    if iteration > cell.iterations:
        raise UnusableCheckpoint(f"it is at iteration {iteration:,} of {cell.iterations:,}")
    numbers = [number for row in history for number in dataclasses.astuple(row)]
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        raise UnusableCheckpoint("its history holds something other than finite numbers")
    if saved["largest_early_loss_iteration"] > min(iteration, early_steps(cell.iterations)):
        raise UnusableCheckpoint("its largest early loss is of a step that is not early, or was not taken")
    moments = cell.reading_moments.until(iteration)
    # The last reading may be missing: a stop may fall between a step and its reading.
    if [row.iteration for row in history] not in (moments, moments[:-1] if iteration in moments else moments):
        raise UnusableCheckpoint(f"its history is not that of a training at iteration {iteration:,}")
