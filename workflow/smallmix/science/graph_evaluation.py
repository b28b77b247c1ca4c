"""The forward pass of evaluations as CUDA graphs: one graph per batch size, which every evaluation replays.

Weights and running statistics change in place, so a graph sees them as they are when it is replayed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from smallmix.science.captures import Captures, causes_of, require_working_context
from smallmix.science.evaluation import Forward


class CapturedForward:
    """A forward pass that captures itself, batch size by batch size (a Forward).

    Each new graph must give the logits of the plain pass, bit by bit. Where one does not, or cannot be captured, the
    plain pass is taken from then on: it `fell_back`, and `causes` names the errors, the first one first, or nothing
    where logits differed. Call it in evaluation mode and without gradients, as `evaluate` does.
    """

    def __init__(self, plain: Forward, captures: Captures) -> None:
        self.fell_back = False
        self.causes: tuple[str, ...] = ()
        self._plain, self._captures = plain, captures
        self._graphs: dict[tuple[int, ...], tuple[torch.cuda.CUDAGraph, Tensor, list[Tensor]]] = {}

    @property
    def is_captured(self) -> bool:
        """Whether the batches so far were replayed from graphs, one at least."""
        return bool(self._graphs)

    def __call__(self, batch: Tensor) -> Tensor:
        """See Forward. Raises BrokenContext where a capture has left CUDA unusable."""
        shape = tuple(batch.shape)
        if self.fell_back:
            return self._plain(batch)
        if shape in self._graphs:
            return self._replay(shape, batch)
        expected = self._plain(batch)
        try:
            self._capture(shape, batch)
            self.fell_back = not _same_bits(self._replay(shape, batch), expected)
        except RuntimeError as error:
            require_working_context(error)
            self.fell_back, self.causes = True, causes_of(error)
        if self.fell_back:
            self._graphs.clear()
        return expected

    def _capture(self, shape: tuple[int, ...], batch: Tensor) -> None:
        # Outside of the graphs' memory, which the next graph may use.
        source = batch.clone()
        logits: list[Tensor] = []

        def work() -> None:
            logits[:] = [self._plain(source)]

        self._graphs[shape] = self._captures.capture(work), source, logits

    def _replay(self, shape: tuple[int, ...], batch: Tensor) -> Tensor:
        graph, source, logits = self._graphs[shape]
        source.copy_(batch)
        graph.replay()
        return logits[0].clone()


def _same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two float32 tensors are equal to the last bit, what is not a number included."""
    return torch.equal(one.view(torch.int32), other.view(torch.int32))
