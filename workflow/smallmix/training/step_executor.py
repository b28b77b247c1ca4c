"""Taking the steps of a batch plan, one after the other, in whatever way the recipe's executor says.

The steps are the same for all executors (`science.training_step.traceable_step`); what differs is who starts the
kernels: Python for each step (eager), or a captured CUDA graph (graph_executor).
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

import torch

from smallmix.science.batch_plan import BatchPlan, PlanChunk
from smallmix.science.early_loss import early_steps
from smallmix.science.training_step import BatchRow, NonFiniteLoss, StepLedger, traceable_step
from smallmix.training.training_data import TrainingData
from smallmix.training.training_state import TrainingState


class StepLauncher(Protocol):
    """How single steps are started on the device."""

    def load(self, chunk: PlanChunk, position: int) -> None:
        """Bring the tables of a chunk to the device; the next step is the one at `position`."""

    def launch(self, position: int, batch_size: int) -> None:
        """Start the step at `position` of the chunk; positions come in order."""


class EagerSteps:
    """Python starts every kernel of every step; rows of the tables are cut out by the host."""

    def __init__(self, data: TrainingData, state: TrainingState, ledger: StepLedger) -> None:
        self._data, self._state, self._ledger = data, state, ledger
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
        traceable_step(state.model, state.optimizer, self._data.training, row, precision, self._ledger)


class StepExecutor:
    """Takes the steps of a training's plan from its state's iteration on, and keeps the state's sums.

    `state.loss_sum` and the largest early loss are up to date after `settle` only: until then they lie on the device.
    `last_loss` is the loss of the last finite step that `settle` knows of.
    """

    def __init__(
        self, state: TrainingState, launcher: StepLauncher, ledger: StepLedger, settle_each_step: bool
    ) -> None:
        self.last_loss: float | None = None
        self._state, self._launcher, self._ledger = state, launcher, ledger
        self._settle_each_step = settle_each_step
        self._plan = BatchPlan(state.cell)
        self._chunk: PlanChunk | None = None
        self._settled = True
        self._settled_iteration = state.iteration

    def step(self) -> int:
        """Take the next step, without waiting for it; return its batch size. Raises NonFiniteLoss as `settle` does."""
        chunk = self._current_chunk()
        position = self._state.iteration - chunk.first_iteration
        batch_size = int(chunk.batch_sizes[position])
        if self._settled:
            self._continue_ledger()
            self._settled = False
        self._launcher.launch(position, batch_size)
        self._state.iteration += 1
        self._state.loss_images += batch_size
        if self._settle_each_step:
            self.settle()
        return batch_size

    def settle(self) -> None:
        """Wait for all steps taken and bring the state up to date.

        Raises NonFiniteLoss where a step's loss was not finite; `state.iteration` is then the number of steps before
        it, and neither that step nor those after it changed a weight.
        """
        if self._settled:
            return
        state, ledger = self._state, self._ledger
        scalars = (
            ledger.loss_sum,
            ledger.last_loss,
            ledger.finite_steps,
            ledger.stopped,
            ledger.stopping_loss,
            ledger.largest_early_loss,
            ledger.largest_early_step,
        )
        loss_sum, last_loss, finite_steps, stopped, stopping_loss, early_loss, early_step = torch.stack(
            [scalar.double() for scalar in scalars]
        ).tolist()
        self._settled = True
        state.loss_sum = loss_sum
        state.largest_early_loss, state.largest_early_loss_iteration = early_loss, int(early_step)
        if finite_steps > self._settled_iteration:
            self.last_loss = last_loss
        if stopped:
            state.iteration = int(finite_steps)
            raise NonFiniteLoss(stopping_loss)
        self._settled_iteration = state.iteration

    def _continue_ledger(self) -> None:
        """Bring to the device what the next steps go on from.

        Sums of floating-point numbers depend on their order: they go on from the very sum that stands in the state.
        """
        state, ledger = self._state, self._ledger
        ledger.loss_sum.fill_(state.loss_sum)
        ledger.finite_steps.fill_(state.iteration)
        ledger.early_steps.fill_(early_steps(state.cell.iterations))
        ledger.largest_early_loss.fill_(state.largest_early_loss)
        ledger.largest_early_step.fill_(state.largest_early_loss_iteration)

    def _current_chunk(self) -> PlanChunk:
        number, position = divmod(self._state.iteration, self._plan.iterations_per_chunk)
        chunk = self._chunk
        if chunk is None or position == 0:
            # Drawn while the device still works on the chunk before; then that one is waited for.
            chunk = self._plan.chunk(number)
            self.settle()
            self._launcher.load(chunk, position)
            self._chunk = chunk
        return chunk


def upload(chunk: PlanChunk, device: torch.device) -> BatchRow:
    """A whole chunk's tables on the device: as a BatchRow whose tensors have the iterations in front."""
    return BatchRow(
        **{
            part.name: torch.from_numpy(getattr(chunk, part.name)).to(device, non_blocking=True)
            for part in dataclasses.fields(BatchRow)
        }
    )


def row_of(table: BatchRow, position: int, batch_size: int) -> BatchRow:
    """One row of a chunk's tables, cut to its batch: views."""
    return BatchRow(
        rows=table.rows[position, :batch_size],
        crop_y=table.crop_y[position, :batch_size],
        crop_x=table.crop_x[position, :batch_size],
        flip=table.flip[position, :batch_size],
        partner=table.partner[position, :batch_size],
        image_weight=table.image_weight[position],
        label_weight=table.label_weight[position],
        learning_rate=table.learning_rate[position],
    )
