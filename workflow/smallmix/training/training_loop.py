"""The training loop: steps, evaluations, checkpoints, from a given state to the end of the budget."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from smallmix.errors import Interrupted, TrainingError
from smallmix.science.batch_plan import BatchPlan, PlanChunk
from smallmix.science.model import PreActivationResNet, build_model
from smallmix.science.training_step import BatchRow, NonFiniteLoss, build_optimizer, training_step
from smallmix.study.cell import Cell
from smallmix.training.evaluation import Reading, read_network
from smallmix.training.history import HistoryRow
from smallmix.training.interruption import StopRequest
from smallmix.training.training_data import TrainingData


@dataclass
class TrainingState:
    """All that a training carries from one step to the next. Random draws need no state: see the batch plan."""

    model: PreActivationResNet
    optimizer: torch.optim.SGD
    iteration: int = 0
    loss_sum: float = 0.0  # since the last evaluation, summed over images
    loss_images: int = 0
    history: list[HistoryRow] = field(default_factory=list)
    training_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    runs: int = 1
    started: str = ""

    @classmethod
    def fresh(cls, cell: Cell, data: TrainingData, device: torch.device) -> TrainingState:
        """The state before the first step."""
        model = build_model(cell.model, data.image_shape, data.classes, cell.seed)
        model.to(memory_format=data.training.memory_format)
        model.to(device)
        return cls(model, build_optimizer(model, cell.recipe, device))

    def to_checkpoint(self) -> dict[str, Any]:
        """The state as tensors and plain values."""
        return {
            "model": self.model.state_dict(),
            "momentum": [self.optimizer.state[weight]["momentum_buffer"] for weight in self.model.parameters()],
            "iteration": self.iteration,
            "loss_sum": self.loss_sum,
            "loss_images": self.loss_images,
            "history": [list(dataclasses.astuple(row)) for row in self.history],
            "training_seconds": self.training_seconds,
            "evaluation_seconds": self.evaluation_seconds,
            "runs": self.runs,
            "started": self.started,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over a saved state."""
        self.model.load_state_dict(saved["model"])
        for weight, buffer in zip(self.model.parameters(), saved["momentum"], strict=True):
            self.optimizer.state[weight]["momentum_buffer"].copy_(buffer)
        self.iteration = saved["iteration"]
        self.loss_sum = saved["loss_sum"]
        self.loss_images = saved["loss_images"]
        self.history = [HistoryRow(*row) for row in saved["history"]]
        self.training_seconds = saved["training_seconds"]
        self.evaluation_seconds = saved["evaluation_seconds"]
        self.runs = saved["runs"] + 1
        self.started = saved["started"]


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

    Saves every `save_every_seconds` and when asked to stop. Raises Interrupted after a stop, TrainingError on a loss
    that is not finite.
    """
    device = data.test.labels.device
    began, first_iteration = time.perf_counter(), state.iteration
    last_save, interval_began, interval_images = began, began, 0
    reading: Reading | None = None
    state.model.train()

    for row, learning_rate, batch_size in plan_rows(cell, state.iteration, device):
        step_began = time.perf_counter()
        try:
            loss = training_step(state.model, state.optimizer, data.training, row, cell.recipe.precision)
        except NonFiniteLoss as fault:
            raise TrainingError(describe_non_finite(cell, state, fault, learning_rate)) from fault
        state.iteration += 1
        state.loss_sum += loss * batch_size
        state.loss_images += batch_size
        interval_images += batch_size
        state.training_seconds += time.perf_counter() - step_began

        if state.iteration % cell.evaluation_interval == 0 or state.iteration == cell.iterations:
            evaluation_began = time.perf_counter()
            reading = evaluate(cell, data, state, learning_rate)
            now = time.perf_counter()
            state.evaluation_seconds += now - evaluation_began
            rate = interval_images / max(evaluation_began - interval_began, 1e-9)
            done = state.iteration - first_iteration
            log(progress_line(cell, state, rate, (now - began) / done * (cell.iterations - state.iteration)))
            interval_began, interval_images = now, 0

        if state.iteration == cell.iterations:
            break
        if stop:
            save(state)
            raise Interrupted(
                f"{stop.signal_name} received: saved at iteration {state.iteration:,} of {cell.iterations:,}. "
                "Run the same command again to continue from there."
            )
        if time.perf_counter() - last_save >= save_every_seconds:
            save(state)
            last_save = time.perf_counter()

    return reading or read_network(state.model, data.test, cell.recipe.precision)


def plan_rows(cell: Cell, iteration: int, device: torch.device) -> Iterator[tuple[BatchRow, float, int]]:
    """The rows of the batch plan from `iteration` on, on the device, each with its learning rate and batch size."""
    plan = BatchPlan(cell)
    while iteration < cell.iterations:
        number, offset = divmod(iteration, plan.iterations_per_chunk)
        chunk = plan.chunk(number)
        table = upload(chunk, device)
        for position in range(offset, len(chunk)):
            size = int(chunk.batch_sizes[position])
            row = BatchRow(
                rows=table.rows[position, :size],
                crop_y=table.crop_y[position, :size],
                crop_x=table.crop_x[position, :size],
                flip=table.flip[position, :size],
                partner=table.partner[position, :size],
                image_weight=table.image_weight[position],
                label_weight=table.label_weight[position],
                learning_rate=table.learning_rate[position],
            )
            yield row, float(chunk.learning_rate[position]), size
        iteration = chunk.first_iteration + len(chunk)


def upload(chunk: PlanChunk, device: torch.device) -> BatchRow:
    """A whole chunk's tables on the device: as a BatchRow whose tensors have the iterations in front."""
    return BatchRow(
        **{
            part.name: torch.from_numpy(getattr(chunk, part.name)).to(device, non_blocking=True)
            for part in dataclasses.fields(BatchRow)
        }
    )


def evaluate(cell: Cell, data: TrainingData, state: TrainingState, learning_rate: float) -> Reading:
    """Read the network on clean training images and on the test images; add the row to the history."""
    clean = read_network(state.model, data.clean_train, cell.recipe.precision)
    test = read_network(state.model, data.test, cell.recipe.precision)
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


def describe_non_finite(cell: Cell, state: TrainingState, fault: NonFiniteLoss, learning_rate: float) -> str:
    """The message of a training whose loss left the finite numbers."""
    seen = state.loss_sum / state.loss_images if state.loss_images else None
    last = f"{seen:.4g}" if seen is not None else f"{state.history[-1].train_loss:.4g}" if state.history else "none"
    return (
        f"the training loss became {fault.value} at iteration {state.iteration + 1:,} of {cell.iterations:,} "
        f"(learning rate {learning_rate:g}, mean finite loss before it {last}); stopped before the optimiser step. "
        "Lower recipe.learning_rate, or use recipe.precision: fp32 where it is bf16."
    )
