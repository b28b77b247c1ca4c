"""The state of a training: all that is carried from one step to the next and decides a number."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from smallmix.science.history import HistoryRow
from smallmix.science.network import build_network, require_stages
from smallmix.science.network_trial import draws_numbers
from smallmix.science.randomness import layers_seed
from smallmix.science.training_data import TrainingData
from smallmix.science.training_step import MomentumSgd
from smallmix.study.cell import Cell

# After these iterations a digest of the weights is kept, so that later code can prove that it computes the same.
DIGEST_ITERATIONS = (1, 10, 50)


@dataclass(frozen=True)
class Difference:
    """A tensor or sum that differs between two trainings: its name, by how much at most, in how many of its numbers."""

    name: str
    largest: float
    numbers: int
    of: int


@dataclass
class TrainingState:
    """Weights, momentum, counters, evaluations so far. Random draws need no state: see the batch plan.

    Layers that draw, as dropout does, begin each step with PyTorch's generator at a seed of that step.
    """

    cell: Cell
    model: nn.Module
    optimizer: MomentumSgd
    draws: bool = False  # whether the network's layers draw random numbers
    iteration: int = 0
    loss_sum: float = 0.0  # since the last evaluation, summed over images
    loss_images: int = 0
    largest_early_loss: float = 0.0  # of a single step
    largest_early_loss_iteration: int = 0
    history: list[HistoryRow] = field(default_factory=list)
    early_digests: dict[int, str] = field(default_factory=dict)  # iteration -> digest of the weights after it

    def __post_init__(self) -> None:
        """Keep the moments of evaluations, which are asked for before every step."""
        self._moments = self.cell.evaluation_moments

    @classmethod
    def fresh(cls, cell: Cell, data: TrainingData, device: torch.device) -> TrainingState:
        """Return the state before the first step.

        Raises ConfigurationError where the network cannot be had, does not take the images, or lacks the stages that
        the method mixes at.
        """
        require_stages(cell.model, cell.method)
        model = build_network(cell.model, data.image_shape, data.classes, cell.seed)
        model.to(memory_format=data.training.memory_format)
        model.to(device)
        side, _, channels = data.image_shape
        draws = draws_numbers(cell.model, side, channels, data.classes)
        optimizer = MomentumSgd(trained_weights(model).values(), cell.recipe.momentum, cell.recipe.weight_decay, device)
        return cls(cell, model, optimizer, draws)

    def copy(self, data: TrainingData) -> TrainingState:
        """Return a training at the same point, without its history, that goes its own way."""
        copy = TrainingState.fresh(self.cell, data, data.training.labels.device)
        copy.take_numbers(self.model.state_dict(), self.momentum())
        copy.iteration, copy.loss_sum, copy.loss_images = self.iteration, self.loss_sum, self.loss_images
        copy.largest_early_loss = self.largest_early_loss
        copy.largest_early_loss_iteration = self.largest_early_loss_iteration
        return copy

    def has_numbers_of(self, other: TrainingState) -> bool:
        """Return whether weights, statistics, momentum, sum of losses and largest early loss are equal, every bit."""
        return self.first_difference(other) is None

    def first_difference(self, other: TrainingState) -> Difference | None:
        """Return the first of these that differs from the other training's; None where all agree."""
        theirs = other._named_tensors()
        for name, tensor in self._named_tensors().items():
            if not torch.equal(tensor, theirs[name]):
                largest = float((tensor.double() - theirs[name].double()).abs().max())
                return Difference(name, largest, int((tensor != theirs[name]).sum()), tensor.numel())
        for name in ("loss_sum", "largest_early_loss", "largest_early_loss_iteration"):
            mine, its = getattr(self, name), getattr(other, name)
            if mine != its:
                return Difference(name, abs(mine - its), 1, 1)
        return None

    def _named_tensors(self) -> dict[str, Tensor]:
        """Weights and running statistics by their names, then the momentum of each weight."""
        momentum = {
            f"momentum/{name}": one for name, one in zip(trained_weights(self.model), self.momentum(), strict=True)
        }
        return {**self.model.state_dict(), **momentum}

    def seed_layers(self) -> None:
        """Bring PyTorch's generators to the seed of the next step, where the network draws from them."""
        if not self.draws:
            return
        seed = layers_seed(self.cell.seed, self.cell.size, self.iteration)
        torch.default_generator.manual_seed(seed)
        device = self.optimizer.learning_rate.device
        if device.type == "cuda":
            torch.cuda.default_generators[device.index or 0].manual_seed(seed)

    @property
    def evaluation_is_due(self) -> bool:
        """Return whether to evaluate before the next step. A stop may fall between a step and its evaluation."""
        moment = self.iteration in self._moments
        return moment and (not self.history or self.history[-1].iteration != self.iteration)

    @property
    def digest_is_due(self) -> bool:
        """Return whether to note a digest of the weights before the next step."""
        return self.iteration in DIGEST_ITERATIONS and self.iteration not in self.early_digests

    def note_digest(self) -> None:
        """Note the digest of the weights after this iteration."""
        self.early_digests[self.iteration] = self.weights_sha256()

    def weights_sha256(self) -> str:
        """Return the sha256 of all weights and running statistics, by name: equal digests mean equal networks."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def momentum(self) -> list[Tensor]:
        """Return the momentum of each trained weight, in the order of the model's parameters."""
        weights = trained_weights(self.model).values()
        return [self.optimizer.state[weight]["momentum_buffer"] for weight in weights]

    def take_numbers(self, model: Mapping[str, Tensor], momentum: Sequence[Tensor]) -> None:
        """Take over weights, running statistics and momentum, in place."""
        self.model.load_state_dict(model)
        with torch.no_grad():
            for buffer, other in zip(self.momentum(), momentum, strict=True):
                buffer.copy_(other)


def trained_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights that are trained, by name, in the order of the model's parameters."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def expected_digests(iteration: int) -> list[int]:
    """Return the iterations after which a training that has taken `iteration` steps has noted digests."""
    return [moment for moment in DIGEST_ITERATIONS if moment <= iteration]
