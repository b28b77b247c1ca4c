"""A short probe: how many operations a second training reaches on this machine, with random images."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import torch

from smallmix.planning.cost import ImagesInNumbers
from smallmix.science.augmentation import Normalization, crop_windows
from smallmix.science.model import build_model
from smallmix.science.network_shape import forward_flops
from smallmix.science.training_step import TrainingImages, build_optimizer, training_step
from smallmix.study.cell import BudgetValue, Cell
from smallmix.training.devices import (
    bfloat16_support,
    choose_device,
    choose_memory_format,
    describe_device,
    warn_of_emulation,
)
from smallmix.training.step_executor import plan_rows

WARM_UP_STEPS = 1
SECONDS = 3.0
WORTHWHILE_GAIN = 1.2


@dataclass(frozen=True)
class Probe:
    """What was measured: the device, seconds a step, and operations a second of one cell's training."""

    device: str
    seconds_a_step: float
    flops_a_second: float


def probe(cell: Cell, images: ImagesInNumbers) -> Probe:
    """Time a few steps of `cell` for about three seconds, or one step where that takes longer."""
    device = choose_device("auto")
    torch.set_num_threads(cell.recipe.cpu_threads)
    torch.set_flush_denormal(True)
    trial = dataclasses.replace(cell, budget=BudgetValue("iterations", 100_000))
    memory_format = choose_memory_format(device, cell.model.width)
    generator = torch.Generator().manual_seed(0)
    shape = (cell.size, images.channels, images.side, images.side)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).to(device)
    training = TrainingImages(
        windows=crop_windows(pixels, cell.recipe.crop_padding),
        labels=torch.randint(0, images.classes, (cell.size,), generator=generator).to(device),
        normalization=Normalization.of([0.5] * images.channels, [0.25] * images.channels, device),
        memory_format=memory_format,
    )
    model = build_model(cell.model, (images.side, images.side, images.channels), images.classes, cell.seed)
    model.to(memory_format=memory_format)
    model.to(device)
    optimizer = build_optimizer(model, cell.recipe, device)
    seen, steps, began = 0, 0, 0.0
    for number, (row, size) in enumerate(plan_rows(trial, 0, device)):
        if number == WARM_UP_STEPS:
            began = time.perf_counter()
        training_step(model, optimizer, training, row, cell.recipe.precision)
        if number >= WARM_UP_STEPS:
            seen, steps = seen + size, steps + 1
            if time.perf_counter() - began >= SECONDS:
                break
    seconds = time.perf_counter() - began
    operations = 3 * seen * forward_flops(cell.model, images.side, images.channels, images.classes)
    return Probe(describe_device(device), seconds / steps, operations / seconds)


def advise_on_precision(cell: Cell, images: ImagesInNumbers, measured: Probe) -> str | None:
    """What the other precision would change, measured where bf16 computes natively; None where nothing is to gain."""
    device, recipe = choose_device("auto"), cell.recipe
    if recipe.precision == "bf16":
        return warn_of_emulation(recipe.precision, device)
    if bfloat16_support(device) != "native":
        return None
    other = probe(dataclasses.replace(cell, recipe=dataclasses.replace(recipe, precision="bf16")), images)
    gain = measured.seconds_a_step / other.seconds_a_step
    if gain < WORTHWHILE_GAIN:
        return None
    return (
        f"With recipe.precision: bf16 a step takes {1000 * other.seconds_a_step:,.1f} ms here, {gain:.1f} times as "
        "fast (weights stay float32; the cells are others, with their own results)."
    )
