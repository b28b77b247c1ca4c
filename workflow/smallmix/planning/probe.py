"""A short probe: how fast trainings start, step and evaluate on this machine, with random images.

A training of one thread is timed by the processor: what else runs here then hardly counts. Where it was kept from its
core for too long, the measurement is still the best there is, but must not be kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from smallmix.planning.cost import ImagesInNumbers, cost_of_network
from smallmix.planning.pace import ON_A_CORE, ON_A_GPU, Pace
from smallmix.science.arithmetic import choose_memory_format, fix_arithmetic
from smallmix.science.evaluation import EvaluationImages, batch_size, evaluate
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.science.training_step import Normalization, TrainingImages, crop_windows
from smallmix.study.cell import BudgetValue, Cell
from smallmix.training.hardware import bfloat16_support, choose_device, describe_device
from smallmix.training.kept_memory import expected_bytes, keep_memory
from smallmix.training.messages import warn_of_emulation
from smallmix.training.training_loop import begin

SECONDS = 1.5
# Steps between two looks at the clock: a GPU must be waited for.
STEPS_ON_A_GPU = 50
# Nothing is to be learnt from noise, and it must not diverge.
LEARNING_RATE = 1e-6
WORTHWHILE_GAIN = 1.2
# Of the wall time: a training that had less of its core was kept waiting by others.
LEAST_SHARE = 0.85
# A step or an evaluation that takes longer is not waited for twice: seconds.
LONG = 5.0
SMALL_BATCH = 8  # the fraction of a batch whose step shows what a step costs however few images it has
WITHOUT_IMPORTS = 0.25  # seconds of a job besides its imports: images, checksums, the record
IMPORTS = "import smallmix.training.train_cell"
LEAST_LAYER_SECONDS = 1e-6


@dataclass(frozen=True)
class Probe:
    """A measurement of one cell's training: device, seconds a step, operations a second, and its share of a core."""

    device: str
    seconds_a_step: float
    flops_a_second: float
    share: float = 1.0


@dataclass(frozen=True)
class Measurement:
    """What a probe found: a mean step, and the pace of starts, steps and evaluations."""

    step: Probe
    pace: Pace
    share: float = 1.0

    @property
    def is_disturbed(self) -> bool:
        """Return whether other work had the cores for so long that the numbers must not be kept."""
        return self.share < LEAST_SHARE


def measure(cell: Cell, images: ImagesInNumbers) -> Measurement:
    """Measure the pace of `cell`'s network here, by steps of two batch sizes, an evaluation and the imports of a job.

    It takes about five seconds, and half a minute where a step takes minutes: a part of the batch is enough there.
    Raises TrainingError as `probe` does.
    """
    whole = min(cell.size, cell.recipe.batch_size)
    few = max(2, whole // SMALL_BATCH)
    little = dataclasses.replace(cell, subset=dataclasses.replace(cell.subset, size=few))
    small = probe(little, images, SECONDS / 3)
    expected = small.seconds_a_step * whole / few
    step = probe(cell, images) if expected < LONG else dataclasses.replace(small, seconds_a_step=expected)
    on_gpu = choose_device("auto").type == "cuda"
    layers = cost_of_network(cell, images).layers
    operations, few_operations = (one.flops_a_second * one.seconds_a_step for one in (step, small))
    layer, rate = fit_line((few_operations, small.seconds_a_step), (operations, step.seconds_a_step))
    layer = max(LEAST_LAYER_SECONDS, layer / layers)
    evaluation, share = _evaluation_rate(cell, images, layer, step.flops_a_second)
    start = ON_A_GPU.start_seconds if on_gpu else start_seconds()
    return Measurement(step, Pace(start, layer, rate, evaluation, "measured"), min(step.share, small.share, share))


def fit_line(small: tuple[float, float], large: tuple[float, float]) -> tuple[float, float]:
    """Return fixed seconds, and operations a second, of two measurements (operations, seconds).

    Where noise hides them, all time of the larger one is taken for operations. It always comes out as it was measured.
    """
    operations, seconds = large[0] - small[0], large[1] - small[1]
    if operations > 0 and seconds > 0:
        fixed = large[1] - large[0] * seconds / operations
        if fixed >= 0:
            return fixed, operations / seconds
    return 0.0, large[0] / large[1]


def start_seconds() -> float:
    """Return how long a training's process takes before its first step and behind its last one, on a CPU.

    Return what is assumed where the process cannot be started.
    """
    package = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(package), "CUDA_VISIBLE_DEVICES": ""}
    before, began = os.times(), time.perf_counter()
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run([sys.executable, "-c", IMPORTS], env=environment, check=True, timeout=60, capture_output=True)
        wall, after = time.perf_counter() - began, os.times()
        busy = after.children_user + after.children_system - before.children_user - before.children_system
        return WITHOUT_IMPORTS + min(wall, 1.05 * busy)
    return ON_A_CORE.start_seconds


def _evaluation_rate(
    cell: Cell, images: ImagesInNumbers, layer_seconds: float, flops_a_second: float
) -> tuple[float, float]:
    """Return the operations a second of evaluations, beyond their layers' fixed time, and the share of a core.

    Fewer images than a batch are evaluated where a batch would take too long at the rate of training, `flops_a_second`.
    """
    device = choose_device("auto")
    data = random_images(cell, images, device)
    few = torch.zeros(1, images.channels, images.side, images.side, dtype=torch.uint8)
    count = min(batch_size(few.to(device)), max(1, int(LONG * flops_a_second / cost_of_network(cell, images).flops)))
    pixels = torch.randint(0, 256, (count, *few.shape[1:]), dtype=torch.uint8).to(device)
    labels = torch.zeros(count, dtype=torch.int64, device=device)
    noise = EvaluationImages(pixels, labels, data.test.normalization, data.test.memory_format)
    model = TrainingState.fresh(cell, data, device).model
    evaluate(model, noise, cell.recipe.precision)
    clock = _Clock(cell, device)
    batches = 0
    while batches == 0 or clock.wall < SECONDS / 5:
        evaluate(model, noise, cell.recipe.precision)
        batches += 1
    operations = count * cost_of_network(cell, images).flops
    seconds = clock.seconds / batches
    beyond = max(seconds - cost_of_network(cell, images).layers * layer_seconds / 3, seconds / 10)
    return operations / beyond, clock.share


class _Clock:
    """Wall time, or the processor's where a training has one thread and nothing else to wait for."""

    def __init__(self, cell: Cell, device: torch.device) -> None:
        self._by_processor = device.type == "cpu" and cell.recipe.cpu_threads == 1
        self._wall, self._processor = time.perf_counter(), time.process_time()

    @property
    def wall(self) -> float:
        return time.perf_counter() - self._wall

    @property
    def seconds(self) -> float:
        return min(self.wall, time.process_time() - self._processor) if self._by_processor else self.wall

    @property
    def share(self) -> float:
        return self.seconds / self.wall


def probe(cell: Cell, images: ImagesInNumbers, duration: float | None = None) -> Probe:
    """Time steps of `cell`, by its executor, for `duration` seconds (default: SECONDS), or one step that takes longer.

    The first step counts only where it takes so long that its preparations hardly matter. Raises TrainingError where
    the recipe's executor cannot be had.
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

    clock = _Clock(cell, device)
    seen, steps = take(), together
    if clock.wall < LONG:
        seen, steps, clock = 0, 0, _Clock(cell, device)
        while clock.wall < (SECONDS if duration is None else duration):
            seen, steps = seen + take(), steps + together
    seconds, share = clock.seconds, clock.share
    operations = 3 * seen * cost_of_network(cell, images).flops
    return Probe(describe_device(device), seconds / steps, operations / seconds, share)


def random_images(cell: Cell, images: ImagesInNumbers, device: torch.device) -> TrainingData:
    """Return noise in the shape and number of the cell's images, on the device."""
    memory_format = choose_memory_format(device, cell.model.width, images.side)
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
