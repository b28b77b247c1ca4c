"""One training step, the same for every method and device: gather, crop, flip, normalise, mix, forward, loss, SGD.

It consumes one row of the batch plan. Methods differ in the row's weights alone.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from smallmix.science.augmentation import Normalization, gather_batch, mix_images
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


class NonFiniteLoss(Exception):
    """The training loss is infinite or not a number; nothing was updated."""

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


def build_optimizer(model: nn.Module, recipe: RecipeValue, device: torch.device) -> torch.optim.SGD:
    """SGD with momentum; the rate is a tensor that each step fills, and the momentum buffers exist from the start.

    Zero buffers give the same first step as none (0.9 x 0 + gradient), and a captured step meets no special case.
    """
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=torch.tensor(0.0, device=device),
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    for parameter in model.parameters():
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def training_step(
    model: nn.Module, optimizer: torch.optim.SGD, images: TrainingImages, row: BatchRow, precision: Precision
) -> float:
    """Take one step; return the batch's mean training loss before it.

    Raises NonFiniteLoss before anything is updated.
    """
    batch, labels = images.batch(row)
    mixed = mix_images(batch, row.partner, row.image_weight)
    with reduced_precision(precision, mixed.device):
        logits = model(mixed)
    loss = mixed_loss(logits, labels, row.partner, row.label_weight)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise NonFiniteLoss(value)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.param_groups[0]["lr"].copy_(row.learning_rate)
    optimizer.step()
    return value


def reduced_precision(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """bf16: convolutions and the classifier compute in bfloat16; weights, momentum and statistics stay float32."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
