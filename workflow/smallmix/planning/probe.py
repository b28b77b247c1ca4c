"""A short probe: how many operations a second a training reaches on this machine, with random images."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import torch

from smallmix.planning.cost import ImagesInNumbers
from smallmix.science.arithmetic import choose_memory_format, fix_arithmetic
from smallmix.science.evaluation import EvaluationImages
from smallmix.science.network import forward_flops
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.science.training_step import Normalization, TrainingImages, crop_windows
from smallmix.study.cell import BudgetValue, Cell
from smallmix.training.hardware import bfloat16_support, choose_device, describe_device
from smallmix.training.kept_memory import expected_bytes, keep_memory
from smallmix.training.messages import warn_of_emulation
from smallmix.training.training_loop import begin

SECONDS = 3.0
# Steps between two looks at the clock: a GPU must be waited for.
STEPS_ON_A_GPU = 50
# Nothing is to be learnt from noise, and it must not diverge.
LEARNING_RATE = 1e-6
WORTHWHILE_GAIN = 1.2


@dataclass(frozen=True)
class Probe:
    """A measurement: the device, seconds a step, and operations a second of one cell's training."""

    device: str
    seconds_a_step: float
    flops_a_second: float


def probe(cell: Cell, images: ImagesInNumbers) -> Probe:
    """Time steps of `cell`, by its executor, for about three seconds, or one step where that takes longer.

    Raises TrainingError where the recipe's executor cannot be had.
    """
    device = choose_device("auto")
    fix_arithmetic(cell.recipe.cpu_threads)
    recipe = dataclasses.replace(cell.recipe, learning_rate=LEARNING_RATE)
    if device.type != "cuda":
        # A study for a GPU is also planned where there is none, on a login node, say.
        recipe = dataclasses.replace(recipe, executor="automatic")
    trial = dataclasses.replace(cell, recipe=recipe, budget=BudgetValue("iterations", 100_000))
    data = random_images(cell, images, device)
    if device.type == "cpu":
        keep_memory(expected_bytes(cell, data.image_shape, data.classes))  # as a training does
    state = TrainingState.fresh(trial, data, device)
    state.model.train()
    executor = begin(data, state, lambda line: None)
    together = STEPS_ON_A_GPU if device.type == "cuda" else 1

    def take() -> int:
        seen = sum(executor.step() for _ in range(together))
        executor.synchronize()
        return seen

    take()
    seen, steps, began = 0, 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        seen, steps = seen + take(), steps + together
    seconds = time.perf_counter() - began
    operations = 3 * seen * forward_flops(cell.model, images.side, images.channels, images.classes)
    return Probe(describe_device(device), seconds / steps, operations / seconds)


def random_images(cell: Cell, images: ImagesInNumbers, device: torch.device) -> TrainingData:
    """Return noise in the shape and number of the cell's images, on the device."""
    memory_format = choose_memory_format(device, cell.model.width)
    generator = torch.Generator().manual_seed(0)
    shape = (cell.size, images.channels, images.side, images.side)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).to(device)
    labels = torch.randint(0, images.classes, (cell.size,), generator=generator).to(device)
    normalization = Normalization.of([0.5] * images.channels, [0.25] * images.channels, device)
    training = TrainingImages(crop_windows(pixels, cell.recipe.crop_padding), labels, normalization, memory_format)
    evaluated = EvaluationImages(pixels[:1], labels[:1], normalization, memory_format)
    return TrainingData(training, evaluated, evaluated, (images.side, images.side, images.channels), images.classes)


def advise_on_precision(cell: Cell, images: ImagesInNumbers, measured: Probe) -> str | None:
    """Return what bf16 would gain, measured where it is native, or a warning where it is emulated; None for neither."""
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
