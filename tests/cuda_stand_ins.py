"""Stand-ins for torch.cuda on the CPU, so that captures, replays and their failures run where there is no GPU.

A capture writes down every operation with its very tensors. A replay performs the list again on these tensors, and
nothing else: whatever the host decided during the capture is fixed, as in a CUDA graph. It spoils all that was born in
the other graphs of its pool, which share their memory. Unlike a GPU's, a stand-in's capture also executes what it
writes down; the executor undoes that, like its warm-up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# What asks a device for a value, which no capture allows.
QUESTIONS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select")


class Stream:
    """A stream that does all work at once, and notes for whom it would have waited."""

    def __init__(self) -> None:
        self.waited_for: list[Stream] = []

    def wait_stream(self, other: Stream) -> None:
        self.waited_for.append(other)


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operation, with the tensors that it took and gave, and the tensors in new memory."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = graph

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function.overloadpacket.__name__ in QUESTIONS:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nCompile with …")
        result = function(*args, **(kwargs or {}))
        self.graph.operations.append((function, args, kwargs or {}, result))
        taken = {memory_of(one) for one in tensors_of((args, kwargs))}
        self.graph.born += [one for one in tensors_of(result) if memory_of(one) not in taken]
        return result


def tensors_of(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def memory_of(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


class Graph:
    """The operations of one capture, and the tensors in its pool's memory."""

    def __init__(self, card: Card) -> None:
        self.card, self.operations, self.born = card, list[Any](), list[torch.Tensor]()
        self.pool: Any = None

    @torch.no_grad()
    def replay(self) -> None:
        assert self.operations, "a graph that was never captured"
        self.card.replays += 1
        for other in self.card.graphs:
            if other is not self and other.pool == self.pool:
                for tensor in other.born:
                    tensor.fill_(float("nan") if tensor.is_floating_point() else 1)
        for function, args, kwargs, result in self.operations:
            again = function(*args, **kwargs)
            for kept, new in zip(tensors_of(result), tensors_of(again), strict=True):
                # Views, and results in place, are there already.
                if memory_of(kept) != memory_of(new):
                    kept.copy_(new)


class Card:
    """The GPU of one test: its streams and pools, what was captured on which, and how often graphs were replayed.

    A `dead` one answers every question with the error that killed it, as a CUDA context does after a failed assertion.
    """

    def __init__(self) -> None:
        self.current, self.dead, self.replays = Stream(), False, 0
        self.capturing = False
        self.captures: list[tuple[Any, Any]] = []  # stream, pool
        self.graphs: list[Graph] = []
        self.streams: list[Stream] = []
        self.pools = 0

    @classmethod
    def install(cls, patch: pytest.MonkeyPatch) -> Card:
        """Put a new card in the place of torch.cuda's."""
        card = cls()
        for name, value in (
            ("Stream", card.new_stream),
            ("CUDAGraph", lambda: Graph(card)),
            ("graph_pool_handle", card.new_pool),
            ("stream", card.stream),
            ("current_stream", lambda: card.current),
            ("set_stream", card.set_stream),
            ("synchronize", card.synchronize),
            ("graph", card.graph),
        ):
            patch.setattr(torch.cuda, name, value)
        return card

    def new_stream(self) -> Stream:
        self.streams.append(Stream())
        return self.streams[-1]

    def new_pool(self) -> tuple[int, int]:
        self.pools += 1
        return (0, self.pools)

    def set_stream(self, stream: Stream) -> None:
        self.current = stream

    def synchronize(self) -> None:
        if self.dead:
            raise RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be …")

    @contextlib.contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextlib.contextmanager
    def graph(self, graph: Graph, pool: Any = None, stream: Any = None) -> Iterator[None]:
        """Like torch.cuda.graph of PyTorch 2.11, which leaves its stream current after a capture that failed.

        Nor does it let anything be captured in that process again.
        """
        self.synchronize()
        if self.capturing:
            raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED")
        before, self.current, self.capturing = self.current, stream, True
        try:
            with Tape(graph):
                yield
        except RuntimeError:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")  # noqa: B904
        self.current, self.capturing = before, False
        graph.pool = self.new_pool() if pool is None else pool
        self.captures.append((stream, graph.pool))
        self.graphs.append(graph)
