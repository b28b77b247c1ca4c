"""Taking the steps of a batch plan, one after the other, in the way that the recipe's executor says.

The steps are the same for all executors (`training_step.traceable_step`). Executors differ in who starts the kernels:
Python for each step (eager), or a captured CUDA graph (`graph_steps`). `automatic` takes a graph on a CUDA device where
it passes an equivalence check there, and is eager otherwise. Evaluations are captured where steps are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from smallmix.science.arithmetic import require_deterministic_products
from smallmix.science.batch_plan import BatchPlan, PlanChunk
from smallmix.science.batch_row import BatchRow
from smallmix.science.captures import CaptureFailed, Captures, can_capture, causes_of, require_working_context
from smallmix.science.early_loss import early_steps
from smallmix.science.evaluation import plain_forward
from smallmix.science.graph_evaluation import CapturedForward
from smallmix.science.graph_steps import GraphSteps
from smallmix.science.method import find_method
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import Difference, TrainingState
from smallmix.science.training_step import NonFiniteLoss, StepStats, traceable_step
from smallmix.study.cell import Executor

EQUIVALENCE_STEPS = 8
# Every batch size has a graph of its own, and each is replayed at least so often.
EQUIVALENCE_STEPS_A_SIZE = 2


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
        self._method = find_method(state.cell.method)
        self._tables: dict[str, Tensor] = {}

    def load(self, chunk: PlanChunk, position: int) -> None:
        """See StepLauncher."""
        self._tables = upload(chunk, self._data.training.labels.device)

    def launch(self, position: int, batch_size: int) -> None:
        """See StepLauncher."""
        state = self._state
        row = row_of(self._tables, position, batch_size)
        precision = state.cell.recipe.precision
        traceable_step(state.model, self._method, state.optimizer, self._data.training, row, precision, self._stats)


class StepExecutor:
    """Takes the steps of a training's plan from its state's iteration on, and keeps the state's sums.

    `state.loss_sum` and the largest early loss are up to date after `synchronize` only: until then they lie on the
    device. `last_loss` is the loss of the last finite step that `synchronize` knows of.

    `kind` is the way the steps are taken, `check` how that choice came about where it was automatic, and `forward` the
    captured forward pass of evaluations, where there is one.
    """

    def __init__(
        self, state: TrainingState, launcher: StepLauncher, stats: StepStats, synchronize_each_step: bool
    ) -> None:
        self.last_loss: float | None = None
        self.kind: Executor = "eager"
        self.check: EquivalenceCheck | None = None
        self.forward: CapturedForward | None = None
        self._state, self._launcher, self._stats = state, launcher, stats
        self._synchronize_each_step = synchronize_each_step
        self._plan = BatchPlan(state.cell)
        self._chunk: PlanChunk | None = None
        self._synchronized = True
        self._synchronized_iteration = state.iteration

    def step(self) -> int:
        """Take the next step without waiting for it; return its batch size. Raises NonFiniteLoss as `synchronize`."""
        chunk = self.load_chunk()
        position = self._state.iteration - chunk.first_iteration
        batch_size = self._launch(chunk, position)
        if self._synchronize_each_step:
            self.synchronize()
        return batch_size

    def take_rows(self, chunk: PlanChunk, positions: Sequence[int]) -> None:
        """Take a step on each of these rows of a chunk instead of the next ones of the plan, without waiting for them.

        For comparisons alone: the training is then one that its plan does not know.
        """
        following = None
        for position in positions:
            if position != following:
                self._launcher.load(chunk, position)
            self._launch(chunk, position)
            following = position + 1

    def _launch(self, chunk: PlanChunk, position: int) -> int:
        batch_size = int(chunk.batch_sizes[position])
        if self._synchronized:
            self._continue_stats()
            self._synchronized = False
        self._state.seed_layers()
        self._launcher.launch(position, batch_size)
        self._state.iteration += 1
        self._state.loss_images += batch_size
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

    def load_chunk(self) -> PlanChunk:
        """Return the chunk of the next step; bring it to the device where it is not there yet."""
        number, position = divmod(self._state.iteration, self._plan.iterations_per_chunk)
        chunk = self._chunk
        if chunk is None or chunk.first_iteration != number * self._plan.iterations_per_chunk:
            # Drawn while the device still works on the chunk before; then that one is waited for.
            chunk = self._plan.chunk(number)
            self.synchronize()
            self._launcher.load(chunk, position)
            self._chunk = chunk
        return chunk


@dataclass(frozen=True)
class EquivalenceCheck:
    """Whether captured steps may stand for eager ones here, after comparing `steps` of them.

    They may where nothing is noted: no `difference` (the first tensor that differs), no `causes` (the errors that ended
    it, the first one first), and no `non_finite` loss, with which nothing can be compared.
    """

    steps: int
    difference: Difference | None = None
    causes: tuple[str, ...] = ()
    non_finite: bool = False

    @property
    def passed(self) -> bool:
        """Whether captured steps may be taken."""
        return self.difference is None and not self.causes and not self.non_finite


class DrawingLayers(Exception):
    """The recipe asks for captured steps, and the network's layers draw random numbers.

    A captured step draws from a generator that all trainings of a process share, on streams of their own.
    """


class NeedsCudaDevice(Exception):
    """The recipe asks for captured steps, and the training runs on a CPU."""


BuildLauncher = Callable[[TrainingData, TrainingState, StepStats], StepLauncher]


def build_executor(data: TrainingData, state: TrainingState) -> StepExecutor:
    """Return the executor of the cell's recipe.

    Raises NeedsCudaDevice where a graph is asked for by name on a CPU, DrawingLayers where one is asked for by name and
    the network draws, CaptureFailed where one is asked for by name and cannot be captured, BrokenContext where an
    attempt has left CUDA unusable, and UnusableWorkspace.
    """
    wanted, device = state.cell.recipe.executor, data.training.labels.device
    if state.draws and wanted in ("graph", "graph-compiled"):
        raise DrawingLayers
    if not can_capture(device):
        if wanted in ("graph", "graph-compiled"):
            raise NeedsCudaDevice
        # The loss is at hand at once; a CUDA device would have to be waited for.
        return _eager_executor(data, state, synchronize_each_step=True)
    require_deterministic_products()
    if wanted in ("graph", "graph-compiled"):
        return _capturing_executor(data, state, wanted)
    if wanted == "eager" or state.draws:
        return _eager_executor(data, state, synchronize_each_step=False)
    check = check_equivalence(data, state, GraphSteps)
    executor: StepExecutor | None = None
    if check.passed:
        try:
            executor = _capturing_executor(data, state, "graph")
        except CaptureFailed as error:
            check = EquivalenceCheck(check.steps, causes=error.causes)
    executor = executor or _eager_executor(data, state, synchronize_each_step=False)
    executor.check = check
    return executor


def _eager_executor(data: TrainingData, state: TrainingState, synchronize_each_step: bool) -> StepExecutor:
    stats = StepStats.fresh(data.training.labels.device)
    return StepExecutor(state, EagerSteps(data, state, stats), stats, synchronize_each_step)


def _capturing_executor(data: TrainingData, state: TrainingState, kind: Executor) -> StepExecutor:
    """Return an executor whose steps are captured already: every batch size of the plan occurs in each whole chunk."""
    stats, captures = StepStats.fresh(data.training.labels.device), Captures()
    launcher = GraphSteps(data, state, stats, captures=captures, compiled=kind == "graph-compiled")
    executor = StepExecutor(state, launcher, stats, False)
    if state.iteration < state.cell.iterations:
        try:
            executor.load_chunk()
        except CaptureFailed as error:
            require_working_context(error)
            raise
    executor.kind = kind
    executor.forward = CapturedForward(plain_forward(state.model, state.cell.recipe.precision), captures)
    return executor


def check_equivalence(data: TrainingData, state: TrainingState, build: BuildLauncher) -> EquivalenceCheck:
    """Compare steps taken as `build` takes them with eager ones: every bit must agree.

    They are the training's next steps, and some of every batch size of the plan: a large subset meets its remainder
    only after hundreds of steps. Both ways are taken by copies, and `state` is left as it is. Graphs depend on GPU,
    driver and library: one that cannot be captured, or that computes otherwise, must cost speed and nothing else.

    Raises BrokenContext where the attempt has left CUDA unusable.
    """
    if state.iteration >= state.cell.iterations:
        return EquivalenceCheck(0)
    chunk, position = _current_row(state)
    positions = rows_to_compare([int(size) for size in chunk.batch_sizes], position)
    try:
        eager, other = (_copy_after(chunk, positions, data, state, way) for way in (EagerSteps, build))
    except NonFiniteLoss:
        return EquivalenceCheck(len(positions), non_finite=True)
    except RuntimeError as error:
        require_working_context(error)
        return EquivalenceCheck(len(positions), causes=causes_of(error))
    return EquivalenceCheck(len(positions), eager.first_difference(other))


def rows_to_compare(batch_sizes: Sequence[int], position: int) -> list[int]:
    """Return the rows of a chunk that an equivalence check takes: the next eight, and two of every batch size.

    Of a size that occurs less often among these, rows from `position` on come first, then the earlier ones.
    """
    rows = list(range(position, min(position + EQUIVALENCE_STEPS, len(batch_sizes))))
    later = [*range(position + len(rows), len(batch_sizes)), *range(position)]
    for size in sorted(set(batch_sizes), reverse=True):
        lacking = EQUIVALENCE_STEPS_A_SIZE - sum(batch_sizes[row] == size for row in rows)
        rows += [row for row in later if batch_sizes[row] == size][: max(lacking, 0)]
    return rows


def _current_row(state: TrainingState) -> tuple[PlanChunk, int]:
    """Return the chunk of a training's next step, and the step's row in it."""
    plan = BatchPlan(state.cell)
    number, position = divmod(state.iteration, plan.iterations_per_chunk)
    return plan.chunk(number), position


def _copy_after(
    chunk: PlanChunk, positions: Sequence[int], data: TrainingData, state: TrainingState, build: BuildLauncher
) -> TrainingState:
    copy = state.copy(data)
    stats = StepStats.fresh(data.training.labels.device)
    executor = StepExecutor(copy, build(data, copy, stats), stats, synchronize_each_step=False)
    executor.take_rows(chunk, positions)
    executor.synchronize()
    return copy


def upload(chunk: PlanChunk, device: torch.device) -> dict[str, Tensor]:
    """Return a chunk's tables on the device, by name; iterations are in front."""
    return {name: torch.from_numpy(table).to(device, non_blocking=True) for name, table in chunk.tables.items()}


def row_of(tables: Mapping[str, Tensor], position: int, batch_size: int) -> BatchRow:
    """Return one row of a chunk's tables, cut to its batch: views."""

    def select(values: Tensor) -> Tensor:
        return values[position, :batch_size] if values.ndim > 1 else values[position]

    return BatchRow.of({name: select(table) for name, table in tables.items()})
