"""One training step, the same for every method and device: gather, crop, flip, normalise, mix, forward, loss, SGD.

It consumes one row of the batch plan. Methods differ in the row's weights alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from smallmix.science.augmentation import Normalization, gather_batch, mix_images
from smallmix.science.optimizer import MomentumSgd
from smallmix.study.cell import Precision, RecipeValue


@dataclass(frozen=True)
class BatchRow:
    """One row of the batch plan on the device; B is the batch's own size, fillers cut off."""

    rows: Tensor  # int64 [B]
    crop_y: Tensor  # int64 [B]
    crop_x: Tensor  # int64 [B]
    flip: Tensor  # bool [B]
    partner: Tensor  # int64 [B]
    image_weight: Tensor  # float32 scalar
    label_weight: Tensor  # float32 scalar
    learning_rate: Tensor  # float32 scalar


@dataclass(frozen=True)
class TrainingImages:
    """The subset on the device: every crop of every image (a view), labels, normalisation."""

    windows: Tensor  # uint8 [N, 2p+1, 2p+1, C, H, W]
    labels: Tensor  # int64 [N]
    normalization: Normalization
    memory_format: torch.memory_format

    def batch(self, row: BatchRow) -> tuple[Tensor, Tensor]:
        """The augmented, normalised images float32 [B, C, H, W] and their labels int64 [B], not mixed yet."""
        images = gather_batch(self.windows, row.rows, row.crop_y, row.crop_x, row.flip)
        normalized = self.normalization(images).contiguous(memory_format=self.memory_format)
        return normalized, self.labels[row.rows]


LossFunction = Callable[[nn.Module, TrainingImages, BatchRow, Precision], Tensor]


class NonFiniteLoss(Exception):
    """The training loss is infinite or not a number; no weight was updated."""

    def __init__(self, value: float) -> None:
        super().__init__(f"the training loss is {value}")
        self.value = value


def mixed_loss(logits: Tensor, labels: Tensor, partner: Tensor, label_weight: Tensor) -> Tensor:
    """Mean cross-entropy against the two labels of each image, weighted; float32 scalar.

    weight x CE(own label) + (1 - weight) x CE(partner's label), averaged over the batch (mixup, equation 2).
    """
    log_probabilities = functional.log_softmax(logits.float(), dim=1)
    own = functional.nll_loss(log_probabilities, labels)
    others = functional.nll_loss(log_probabilities, labels[partner])
    return label_weight * own + (1 - label_weight) * others


def build_optimizer(model: nn.Module, recipe: RecipeValue, device: torch.device) -> MomentumSgd:
    """The recipe's optimiser for the weights of a model on `device`."""
    return MomentumSgd(model.parameters(), recipe.momentum, recipe.weight_decay, device)


@dataclass(frozen=True)
class StepLedger:
    """What steps leave behind on the device, for the host to read whenever it likes: scalars.

    A loss that is not finite stops the training there: this step and all later ones update no weight and no momentum.
    The host sets finite_steps and early_steps, and the sums that a training goes on from.
    """

    loss_sum: Tensor  # float64: the loss of every finite step, times its batch size
    last_loss: Tensor  # float32: the loss of the last finite step
    finite_steps: Tensor  # int64: finite steps of the training so far
    stopped: Tensor  # float32: 0, or 1 from the first loss on that is not finite
    stopping_loss: Tensor  # float32: that loss
    early_steps: Tensor  # int64: how many of the training's first steps count as early
    largest_early_loss: Tensor  # float32: the largest loss of these
    largest_early_step: Tensor  # int64: the step of that loss, from 1 on; 0 where none was above zero

    @classmethod
    def fresh(cls, device: torch.device) -> StepLedger:
        """A ledger before the first step."""
        whole = {"finite_steps": torch.int64, "early_steps": torch.int64, "largest_early_step": torch.int64}
        kinds = {"loss_sum": torch.float64, **whole}
        names = [part.name for part in dataclasses.fields(cls)]
        return cls(**{name: torch.zeros((), dtype=kinds.get(name, torch.float32), device=device) for name in names})

    def record(self, loss: Tensor, batch_size: int) -> None:
        """Enter the loss of one step, without asking the device for its value.

        No operation may bring in a number as a tensor of the host (torch.where would): a capture fails there.
        """
        finite = torch.isfinite(loss)
        self.stopping_loss.copy_(torch.where(~finite & (self.stopped == 0), loss, self.stopping_loss))
        self.stopped.copy_(torch.maximum(self.stopped, (~finite).float()))
        running = self.stopped == 0
        self.loss_sum.add_((loss.double() * batch_size).masked_fill(~running, 0.0))
        self.last_loss.copy_(torch.where(running, loss, self.last_loss))
        largest = running & (self.finite_steps < self.early_steps) & (loss > self.largest_early_loss)
        self.finite_steps.add_(running)
        self.largest_early_loss.copy_(torch.where(largest, loss, self.largest_early_loss))
        self.largest_early_step.copy_(torch.where(largest, self.finite_steps, self.largest_early_step))


def batch_loss(model: nn.Module, images: TrainingImages, row: BatchRow, precision: Precision) -> Tensor:
    """The mean training loss of a row's batch, float32 scalar: gather, crop, flip, normalise, mix, forward, loss."""
    batch, labels = images.batch(row)
    mixed = mix_images(batch, row.partner, row.image_weight)
    with reduced_precision(precision, mixed.device):
        logits = model(mixed)
    return mixed_loss(logits, labels, row.partner, row.label_weight)


def traceable_step(
    model: nn.Module,
    optimizer: MomentumSgd,
    images: TrainingImages,
    row: BatchRow,
    precision: Precision,
    ledger: StepLedger,
    loss_function: LossFunction = batch_loss,
) -> None:
    """Take one step. The host learns nothing of it and waits for nothing, so that a CUDA graph can capture it whole.

    The loss goes into `ledger`, which keeps the optimiser from any update once a loss was not finite. `loss_function`
    is `batch_loss` or a compiled form of it.
    """
    loss = loss_function(model, images, row, precision)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    ledger.record(loss.detach(), len(row.rows))
    optimizer.stopped.copy_(ledger.stopped)
    optimizer.learning_rate.copy_(row.learning_rate)
    optimizer.step()


def reduced_precision(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """bf16: convolutions and the classifier compute in bfloat16; weights, momentum and statistics stay float32."""
    if precision == "fp32":
        return contextlib.nullcontext()
    # Each weight is used once a step: a cache of converted weights is of no use, and a captured step must have none.
    return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)
