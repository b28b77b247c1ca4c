"""Cells and images for tests of the science: small by default, every part replaceable by name."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Method
from smallmix.science.training_step import (
    MomentumSgd,
    NonFiniteLoss,
    Normalization,
    StepStats,
    TrainingImages,
    crop_windows,
    traceable_step,
)
from smallmix.study.cell import (
    BudgetValue,
    Cell,
    DatasetValue,
    EvaluationValue,
    Mix,
    ModelValue,
    Precision,
    RecipeValue,
    SubsetRule,
    SubsetValue,
)
from torch import nn

from tests.tiny_cell import MIXES, method_of

RECIPE = RecipeValue(
    batch_size=128,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=1e-4,
    decay_at=(0.33, 0.66),
    decay_factor=0.1,
    crop_padding=4,
    flip=True,
    precision="fp32",
    executor="automatic",
    cpu_threads=1,
)
METHODS = {mix: method_of(mix) for mix in MIXES}


def make_cell(
    size: int = 300,
    mix: Mix = "images-and-labels",
    *,
    seed: int = 0,
    width: int = 4,
    epochs: int | None = None,
    iterations: int = 40,
    rule: SubsetRule = "head",
    **recipe: Any,
) -> Cell:
    """Return a cell of random images; keywords not named here replace parts of the recipe."""
    return Cell(
        dataset=DatasetValue("cifar10"),
        subset=SubsetValue(rule, size),
        method=METHODS[mix],
        seed=seed,
        model=ModelValue("preact-resnet18", width, (2, 2, 2, 2)),
        recipe=dataclasses.replace(RECIPE, **recipe),
        budget=BudgetValue("iterations", iterations) if epochs is None else BudgetValue("epochs", epochs),
        evaluation=EvaluationValue("iterations", 10, 200),
    )


def random_pixels(count: int, side: int = 8, channels: int = 3, seed: int = 0) -> torch.Tensor:
    """Return random images, uint8 [count, channels, side, side]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=generator)


def training_images(
    cell: Cell, side: int = 8, channels: int = 3, device: torch.device | None = None, classes: int = 10
) -> TrainingImages:
    """Return random images and labels for `cell` on `device` (default: the CPU), in the ordinary memory format."""
    where = device or torch.device("cpu")
    labels = torch.randint(0, classes, (cell.size,), generator=torch.Generator().manual_seed(1))
    return TrainingImages(
        windows=crop_windows(random_pixels(cell.size, side, channels).to(where), cell.recipe.crop_padding),
        labels=labels.to(where),
        normalization=Normalization.of([0.49, 0.48, 0.45][:channels], [0.25, 0.24, 0.26][:channels], where),
        memory_format=torch.contiguous_format,
    )


def momentum_sgd(model: nn.Module, recipe: RecipeValue) -> MomentumSgd:
    """Return the recipe's optimiser for a model on the CPU."""
    return MomentumSgd(model.parameters(), recipe.momentum, recipe.weight_decay, torch.device("cpu"))


def training_step(
    model: nn.Module,
    method: Method,
    optimizer: MomentumSgd,
    images: TrainingImages,
    row: BatchRow,
    precision: Precision,
) -> float:
    """Take one step and wait for it; return the batch's mean training loss before it.

    Raises NonFiniteLoss with no weight and no momentum updated.
    """
    stats = StepStats.fresh(row.rows.device)
    traceable_step(model, method, optimizer, images, row, precision, stats)
    if stats.stopped:
        raise NonFiniteLoss(float(stats.stopping_loss))
    return float(stats.last_loss)
