"""Whole training steps as CUDA graphs, which the host replays.

One graph per batch size holds a whole step: gather, crop, flip, normalise, mix, forward, loss, backward, SGD, sums, and
a counter on the device that picks the row of the plan's tables. Nothing is drawn inside a graph, and nothing waits for
the host within an epoch. The same step can run without a graph (`capture=False`, any device), which is how its logic
is tested where there is no GPU.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from smallmix.science.batch_plan import BatchPlan, PlanChunk
from smallmix.science.batch_row import BatchRow
from smallmix.science.captures import Captures
from smallmix.science.method import find_method
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.science.training_step import LossFunction, StepStats, batch_loss, traceable_step

# Above PyTorch's default of 8, behind which it goes on uncompiled without a word; here it is an error.
COMPILED_FORMS = 64


class PlanTables:
    """The tables of one chunk at fixed places on the device, and the counter that picks the next row.

    I iterations a chunk, B images a batch; both are the largest of the plan, and shorter chunks leave the rest unread.
    """

    def __init__(self, plan: BatchPlan, device: torch.device) -> None:
        self._iterations = min(plan.iterations_per_chunk, plan.cell.iterations)
        self._tables: dict[str, Tensor] | None = None  # until a chunk shows their shapes
        self.position = torch.zeros((1,), dtype=torch.int64, device=device)

    def load(self, chunk: PlanChunk, position: int) -> None:
        """Overwrite the tables, in the order of the device's stream: steps started before still read the old ones."""
        sources = {name: torch.from_numpy(np.ascontiguousarray(table)) for name, table in chunk.tables.items()}
        if self._tables is None:
            self._tables = {name: self._place_for(source) for name, source in sources.items()}
        for name, source in sources.items():
            # Pinned memory is copied while the host goes on; PyTorch keeps it until the copy is done.
            waiting = source.pin_memory() if self.position.is_cuda else source
            self._tables[name][: len(chunk)].copy_(waiting, non_blocking=True)
        self.position.fill_(position)

    def _place_for(self, values: Tensor) -> Tensor:
        """Return zeros on the device that hold a table as `values` of the longest chunk."""
        shape = (self._iterations, *values.shape[1:])
        return torch.zeros(shape, dtype=values.dtype, device=self.position.device)

    def next_row(self, batch_size: int) -> BatchRow:
        """Return the row at the counter, cut to its batch; the host does not know which row that is."""

        def select(table: Tensor) -> Tensor:
            row = table.index_select(0, self.position)[0]
            return row[:batch_size] if row.ndim else row

        assert self._tables is not None
        return BatchRow.of({name: select(table) for name, table in self._tables.items()})


class GraphSteps:
    """Steps that find their own row, captured once per batch size and replayed (a StepLauncher)."""

    def __init__(
        self,
        data: TrainingData,
        state: TrainingState,
        stats: StepStats,
        *,
        compiled: bool = False,
        captures: Captures | None = None,
        capture: bool = True,
    ) -> None:
        self._data, self._state, self._stats, self._capture = data, state, stats, capture
        self._captures = captures or Captures()
        self._method = find_method(state.cell.method)
        self._tables = PlanTables(BatchPlan(state.cell), data.training.labels.device)
        self._loss_function = compile_loss() if compiled else batch_loss
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}

    def load(self, chunk: PlanChunk, position: int) -> None:
        """Bring the chunk's tables to the device; capture the batch sizes that are new. Raises CaptureFailed."""
        self._tables.load(chunk, position)
        if not self._capture:
            return
        for batch_size in sorted({int(size) for size in chunk.batch_sizes}, reverse=True):
            if batch_size not in self._graphs:
                row = int((chunk.batch_sizes == batch_size).argmax())
                self._graphs[batch_size] = self._captured(batch_size, row)

    def launch(self, position: int, batch_size: int) -> None:
        """See StepLauncher; the counter on the device stands at `position` already."""
        if self._capture:
            self._graphs[batch_size].replay()
        else:
            self._step(batch_size)

    def _step(self, batch_size: int) -> None:
        state, row = self._state, self._tables.next_row(batch_size)
        traceable_step(
            state.model,
            self._method,
            state.optimizer,
            self._data.training,
            row,
            state.cell.recipe.precision,
            self._stats,
            self._loss_function,
        )
        self._tables.position.add_(1)

    def _captured(self, batch_size: int, row: int) -> torch.cuda.CUDAGraph:
        """Capture a step of `batch_size` images. Its warm-up takes `row` of the tables, which must be of that size.

        Partners of a larger batch lie outside of a smaller one.
        """

        def prepare() -> None:
            self._tables.position.fill_(row)
            # Gradients must be born inside the capture, in the graph's own memory.
            self._state.optimizer.zero_grad()

        with self._everything_kept():
            return self._captures.capture(lambda: self._step(batch_size), prepare)

    @contextmanager
    def _everything_kept(self) -> Iterator[None]:
        """Undo what warm-up steps do to weights, statistics, momentum, sums and counter."""
        kept = [
            *self._state.model.parameters(),
            *self._state.model.buffers(),
            *self._state.momentum(),
            *(getattr(self._stats, part.name) for part in dataclasses.fields(StepStats)),
            self._tables.position,
        ]
        copies = [tensor.detach().clone() for tensor in kept]
        try:
            yield
        finally:
            # After a failure as well: the steps may then be taken in another way.
            with torch.no_grad():
                for tensor, copy in zip(kept, copies, strict=True):
                    tensor.copy_(copy)


def compile_loss(backend: str = "inductor") -> LossFunction:
    """Return `batch_loss` compiled as one piece, forward and backward; one form a batch size."""
    # What `fix_arithmetic` asked of PyTorch is to hold for compiled code as well.
    torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled())
    torch._dynamo.config.recompile_limit = COMPILED_FORMS
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    compiled: LossFunction = torch.compile(batch_loss, fullgraph=True, dynamic=False, backend=backend)
    return compiled
