"""The training loop: steps, evaluations, checkpoints, from a given state to the end of the budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

from smallmix.errors import Interrupted, TrainingError
from smallmix.science.batch_plan import learning_rates
from smallmix.science.early_loss import alarming_loss, early_steps
from smallmix.science.training_step import NonFiniteLoss
from smallmix.study.cell import Cell
from smallmix.training.evaluation import Reading, ReadingStopped, read_network
from smallmix.training.executors import build_executor
from smallmix.training.faults import describe_early_loss, describe_non_finite, describe_non_finite_reading
from smallmix.training.history import HistoryRow
from smallmix.training.interruption import StopRequest
from smallmix.training.step_executor import StepExecutor
from smallmix.training.training_data import TrainingData
from smallmix.training.training_state import TrainingState

Result = TypeVar("Result")


def train(
    cell: Cell,
    data: TrainingData,
    state: TrainingState,
    save: Callable[[TrainingState], None],
    save_every_seconds: float,
    stop: StopRequest,
    log: Callable[[str], None],
) -> Reading:
    """Train `state` to the end of the cell's budget and return the final reading of the test images.

    Saves every `save_every_seconds` and when asked to stop, which is heard between steps and within readings. Raises
    Interrupted after a stop, TrainingError on a loss that is not finite.
    """
    began, first_iteration = time.perf_counter(), state.iteration
    last_save, interval_began, interval_images = began, began, 0
    reading: Reading | None = None
    state.model.train()
    executor = build_executor(data, state, log)

    while True:
        save_is_due = time.perf_counter() - last_save >= save_every_seconds
        stopping = bool(stop)
        if stopping or save_is_due or state.evaluation_is_due:
            # Until then, sums of losses and their verdict may lie on the device.
            settling_began = time.perf_counter()
            take(cell, state, executor, executor.settle)
            state.training_seconds += time.perf_counter() - settling_began
        if stopping:
            save(state)
            raise Interrupted(
                f"{stop.signal_name} received: saved at iteration {state.iteration:,} of {cell.iterations:,}. "
                "Run the same command again to continue from there."
            )
        if state.evaluation_is_due:
            evaluation_began = time.perf_counter()
            try:
                reading = evaluate(cell, data, state, executor.last_loss, stop)
            except ReadingStopped:
                continue
            now = time.perf_counter()
            state.evaluation_seconds += now - evaluation_began
            rate = interval_images / max(evaluation_began - interval_began, 1e-9)
            done = max(state.iteration - first_iteration, 1)
            log(progress_line(cell, state, rate, (now - began) / done * (cell.iterations - state.iteration)))
            warning = warn_of_early_loss(cell, state, data.classes)
            if warning is not None:
                log(warning)
            interval_began, interval_images = now, 0
        if state.iteration == cell.iterations:
            return reading or read_network(state.model, data.test, cell.recipe.precision)
        if save_is_due:
            save(state)
            last_save = time.perf_counter()

        step_began = time.perf_counter()
        interval_images += take(cell, state, executor, executor.step)
        state.training_seconds += time.perf_counter() - step_began


def take(cell: Cell, state: TrainingState, executor: StepExecutor, action: Callable[[], Result]) -> Result:
    """Let the executor step or settle; a loss that is not finite becomes a TrainingError that says where and why."""
    try:
        return action()
    except NonFiniteLoss as fault:
        rate = float(learning_rates(cell, state.iteration, 1)[0])
        raise TrainingError(
            describe_non_finite(cell, fault.value, state.iteration + 1, rate, executor.last_loss)
        ) from fault


def evaluate(
    cell: Cell, data: TrainingData, state: TrainingState, last_loss: float | None, stop: StopRequest
) -> Reading:
    """Read the network on clean training images and on the test images; add the row to the history.

    Raises ReadingStopped when asked to stop, with the state untouched; TrainingError where a loss is not finite.
    """
    learning_rate = float(learning_rates(cell, state.iteration - 1, 1)[0])
    clean = read_network(state.model, data.clean_train, cell.recipe.precision, stop.__bool__)
    test = read_network(state.model, data.test, cell.recipe.precision, stop.__bool__)
    for images, reading in (("clean training", clean), ("test", test)):
        if not math.isfinite(reading.loss):
            raise TrainingError(
                describe_non_finite_reading(cell, images, reading.loss, state.iteration, learning_rate, last_loss)
            )
    state.history.append(
        HistoryRow(
            iteration=state.iteration,
            epoch=state.iteration / cell.batches_per_epoch,
            learning_rate=float(f"{learning_rate:.6g}"),  # without the tail that float32 gives to 0.1
            train_loss=state.loss_sum / state.loss_images,
            clean_train_loss=clean.loss,
            clean_train_accuracy=clean.accuracy,
            test_loss=test.loss,
            test_accuracy=test.accuracy,
        )
    )
    state.loss_sum, state.loss_images = 0.0, 0
    return test


def warn_of_early_loss(cell: Cell, state: TrainingState, classes: int) -> str | None:
    """What to say after the first reading behind the early steps, where their largest loss is out of all bounds."""
    read = [row.iteration for row in state.history[-2:]]
    just_passed = read[-1] >= early_steps(cell.iterations) and (
        len(read) == 1 or read[0] < early_steps(cell.iterations)
    )
    if not just_passed or state.largest_early_loss <= alarming_loss(classes):
        return None
    return describe_early_loss(
        cell, state.largest_early_loss, state.largest_early_loss_iteration, alarming_loss(classes)
    )


def progress_line(cell: Cell, state: TrainingState, images_per_second: float, seconds_left: float) -> str:
    """One line an evaluation, for logs that people follow."""
    row = state.history[-1]
    return (
        f"iteration {row.iteration:,}/{cell.iterations:,} | train loss {row.train_loss:.4f} | "
        f"test loss {row.test_loss:.4f} | test accuracy {100 * row.test_accuracy:.2f} % | "
        f"learning rate {row.learning_rate:g} | {images_per_second:,.0f} images/s | "
        f"{describe_seconds(seconds_left)} left"
    )


def describe_seconds(seconds: float) -> str:
    """A duration for people: 42 s, 3 min 05 s, 2 h 10 min, 4 days 3 h."""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"
