"""Taking the steps of a batch plan, one after the other, in the way that the recipe's executor says.

The steps are the same for all executors (`training_step.traceable_step`). Executors differ in who starts the kernels:
Python for each step (eager), or a captured CUDA graph (`graph_steps`). `automatic` takes a graph on a CUDA device where
it passes an equivalence check there, and is eager otherwise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from smallmix.science.batch_plan import BatchPlan, PlanChunk
from smallmix.science.early_loss import early_steps
from smallmix.science.graph_steps import GraphSteps
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.science.training_step import BatchRow, NonFiniteLoss, StepStats, traceable_step

EQUIVALENCE_STEPS = 8


class StepLauncher(Protocol):
    """How single steps are started on the device."""

    def load(self, chunk: PlanChunk, position: int) -> None:
        """Bring the tables of a chunk to the device; the next step is the one at `position`."""

    def launch(self, position: int, batch_size: int) -> None:
        """Start the step at `position` of the chunk; positions come in order."""


class EagerSteps:
    """Python starts every kernel of every step; rows of the tables are cut out by the host."""

    def __init__(self, data: TrainingData, state: TrainingState, stats: StepStats) -> None:
        self._data, self._state, self._stats = data, state, stats
        self._table: BatchRow | None = None

    def load(self, chunk: PlanChunk, position: int) -> None:
        """See StepLauncher."""
        self._table = upload(chunk, self._data.training.labels.device)

    def launch(self, position: int, batch_size: int) -> None:
        """See StepLauncher."""
        assert self._table is not None
        state = self._state
        row = row_of(self._table, position, batch_size)
        precision = state.cell.recipe.precision
        traceable_step(state.model, state.optimizer, self._data.training, row, precision, self._stats)


class StepExecutor:
    """Takes the steps of a training's plan from its state's iteration on, and keeps the state's sums.

    `state.loss_sum` and the largest early loss are up to date after `synchronize` only: until then they lie on the
    device. `last_loss` is the loss of the last finite step that `synchronize` knows of. `check` is how the choice of
    an automatic executor came about, where one was made.
    """

    def __init__(
        self, state: TrainingState, launcher: StepLauncher, stats: StepStats, synchronize_each_step: bool
    ) -> None:
        self.last_loss: float | None = None
        self.check: EquivalenceCheck | None = None
        self._state, self._launcher, self._stats = state, launcher, stats
        self._synchronize_each_step = synchronize_each_step
        self._plan = BatchPlan(state.cell)
        self._chunk: PlanChunk | None = None
        self._synchronized = True
        self._synchronized_iteration = state.iteration

    def step(self) -> int:
        """Take the next step without waiting for it; return its batch size. Raises NonFiniteLoss as `synchronize`."""
        chunk = self._current_chunk()
        position = self._state.iteration - chunk.first_iteration
        batch_size = int(chunk.batch_sizes[position])
        if self._synchronized:
            self._continue_stats()
            self._synchronized = False
        self._launcher.launch(position, batch_size)
        self._state.iteration += 1
        self._state.loss_images += batch_size
        if self._synchronize_each_step:
            self.synchronize()
        return batch_size

    def synchronize(self) -> None:
        """Wait for all steps taken and bring the state up to date.

        Raises NonFiniteLoss where a step's loss was not finite; `state.iteration` is then the number of steps before
        it, and neither that step nor those after it changed a weight.
        """
        if self._synchronized:
            return
        state, stats = self._state, self._stats
        scalars = (
            stats.loss_sum,
            stats.last_loss,
            stats.finite_steps,
            stats.stopped,
            stats.stopping_loss,
            stats.largest_early_loss,
            stats.largest_early_step,
        )
        loss_sum, last_loss, finite_steps, stopped, stopping_loss, early_loss, early_step = torch.stack(
            [scalar.double() for scalar in scalars]
        ).tolist()
        self._synchronized = True
        state.loss_sum = loss_sum
        state.largest_early_loss, state.largest_early_loss_iteration = early_loss, int(early_step)
        if finite_steps > self._synchronized_iteration:
            self.last_loss = last_loss
        if stopped:
            state.iteration = int(finite_steps)
            raise NonFiniteLoss(stopping_loss)
        self._synchronized_iteration = state.iteration

    def _continue_stats(self) -> None:
        """Bring to the device what the next steps go on from.

        Sums of floating-point numbers depend on their order: they go on from the very sum that stands in the state.
        """
        state, stats = self._state, self._stats
        stats.loss_sum.fill_(state.loss_sum)
        stats.finite_steps.fill_(state.iteration)
        stats.early_steps.fill_(early_steps(state.cell.iterations))
        stats.largest_early_loss.fill_(state.largest_early_loss)
        stats.largest_early_step.fill_(state.largest_early_loss_iteration)

    def _current_chunk(self) -> PlanChunk:
        number, position = divmod(self._state.iteration, self._plan.iterations_per_chunk)
        chunk = self._chunk
        if chunk is None or position == 0:
            # Drawn while the device still works on the chunk before; then that one is waited for.
            chunk = self._plan.chunk(number)
            self.synchronize()
            self._launcher.load(chunk, position)
            self._chunk = chunk
        return chunk


OTHER_NUMBERS = "other-numbers"


@dataclass(frozen=True)
class EquivalenceCheck:
    """Whether captured steps may stand for eager ones here: after how many equal `steps`, or for which `failure`.

    `failure` is empty where they may; OTHER_NUMBERS where they computed otherwise; else the driver's message.
    """

    steps: int
    failure: str = ""


class NeedsCudaDevice(Exception):
    """The recipe asks for captured steps, and the training runs on a CPU."""


BuildLauncher = Callable[[TrainingData, TrainingState, StepStats], StepLauncher]


def build_executor(data: TrainingData, state: TrainingState) -> StepExecutor:
    """Return the executor of the cell's recipe. Raises NeedsCudaDevice where a graph is asked for by name on a CPU."""
    wanted, device = state.cell.recipe.executor, data.training.labels.device
    check: EquivalenceCheck | None = None
    if wanted == "automatic":
        if device.type == "cuda":
            check = check_equivalence(data, state, GraphSteps)
        wanted = "graph" if check is not None and not check.failure else "eager"
    if wanted != "eager" and device.type != "cuda":
        raise NeedsCudaDevice
    stats = StepStats.fresh(device)
    launcher: StepLauncher
    if wanted == "eager":
        launcher = EagerSteps(data, state, stats)
    else:
        launcher = GraphSteps(data, state, stats, compiled=wanted == "graph-compiled")
    # On a CPU the loss is at hand at once; a CUDA device would have to be waited for.
    executor = StepExecutor(state, launcher, stats, synchronize_each_step=device.type == "cpu")
    executor.check = check
    return executor


def check_equivalence(data: TrainingData, state: TrainingState, build: BuildLauncher) -> EquivalenceCheck | None:
    """Compare the training's next steps, taken as `build` takes them, with eager ones: every bit must agree.

    Both are taken by copies; `state` is left as it is. Graphs depend on GPU, driver and library: one that cannot be
    captured, or that computes otherwise, must cost speed and nothing else. None: a loss was not finite, which the
    training itself will meet.
    """
    steps = min(EQUIVALENCE_STEPS, state.cell.iterations - state.iteration)
    try:
        eager, other = (_copy_after(steps, data, state, way) for way in (EagerSteps, build))
    except NonFiniteLoss:
        return None
    except RuntimeError as error:
        return EquivalenceCheck(steps, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
    return EquivalenceCheck(steps, "" if eager.has_numbers_of(other) else OTHER_NUMBERS)


def _copy_after(steps: int, data: TrainingData, state: TrainingState, build: BuildLauncher) -> TrainingState:
    copy = state.copy(data)
    stats = StepStats.fresh(data.training.labels.device)
    executor = StepExecutor(copy, build(data, copy, stats), stats, synchronize_each_step=False)
    for _ in range(steps):
        executor.step()
    executor.synchronize()
    return copy


def upload(chunk: PlanChunk, device: torch.device) -> BatchRow:
    """Return a chunk's tables on the device: a BatchRow whose tensors have the iterations in front."""
    return BatchRow(
        **{
            part.name: torch.from_numpy(getattr(chunk, part.name)).to(device, non_blocking=True)
            for part in dataclasses.fields(BatchRow)
        }
    )


def row_of(table: BatchRow, position: int, batch_size: int) -> BatchRow:
    """Return one row of a chunk's tables, cut to its batch: views."""

    def select(values: Tensor) -> Tensor:
        return values[position, :batch_size] if values.ndim > 1 else values[position]

    return BatchRow(**{part.name: select(getattr(table, part.name)) for part in dataclasses.fields(BatchRow)})
