"""CUDA graphs of one training: how they are captured, and what becomes of a capture that fails.

All graphs of a training are captured on one stream, out of one pool of memory. Streams have work space of their own in
CUDA's libraries, and graphs that are replayed one after the other can use the same memory. So nothing that lies in the
pool outlives a replay: graphs write their results elsewhere, or these are copied before the next replay.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

WARM_UPS = 3


class CaptureFailed(RuntimeError):
    """A graph could not be captured. `causes` are the errors that led to it, the first one first."""

    def __init__(self, causes: tuple[str, ...]) -> None:
        super().__init__("\n".join(causes))
        self.causes = causes


class BrokenContext(Exception):
    """CUDA answers nothing any more in this process. `causes` are the errors that led to it, the first one first."""

    def __init__(self, causes: tuple[str, ...]) -> None:
        super().__init__("\n".join(causes))
        self.causes = causes


class Captures:
    """Captures the graphs of one training; stream and pool are made for the first of them."""

    def __init__(self) -> None:
        self._stream: torch.cuda.Stream | None = None
        self._pool: torch.cuda._POOL_HANDLE | None = None

    def capture(self, work: Callable[[], None], prepare: Callable[[], None] = lambda: None) -> torch.cuda.CUDAGraph:
        """Do `work` a few times on the stream, each time after `prepare`; then capture it once, and return the graph.

        Raises CaptureFailed. The current stream is then as it was, but CUDA itself may be broken: see
        `require_working_context`.
        """
        before = torch.cuda.current_stream()
        try:
            if self._stream is None:
                self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
                self._pool = torch.cuda.graph_pool_handle()
            graph = torch.cuda.CUDAGraph()
            self._stream.wait_stream(before)
            try:
                with torch.cuda.stream(self._stream):
                    for _ in range(WARM_UPS):
                        prepare()
                        work()
            finally:
                # After a failure as well: whoever undoes the warm-up must come behind it.
                before.wait_stream(self._stream)
            prepare()
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                work()
        except RuntimeError as error:
            raise CaptureFailed(causes_of(error)) from error
        finally:
            # PyTorch (2.11 to 2.14) leaves the capture's stream current when the capture fails.
            torch.cuda.set_stream(before)
        return graph


def can_capture(device: torch.device) -> bool:
    """Return whether work on the device can be captured at all."""
    return device.type == "cuda"


def causes_of(error: BaseException) -> tuple[str, ...]:
    """Return an error with all that led to it, a line each, the first one first.

    A capture that fails ends with an error that only says so; the reason is the error before.
    """
    if isinstance(error, CaptureFailed | BrokenContext):
        return error.causes
    causes: list[str] = []
    current: BaseException | None = error
    while current is not None:
        first_line = str(current).strip().partition("\n")[0]
        causes.append(f"{type(current).__name__}: {first_line}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return tuple(reversed(causes))


def require_working_context(error: BaseException) -> None:
    """Raise BrokenContext where CUDA does not work any more after `error`, as after a failed assertion in a kernel."""
    try:
        torch.cuda.synchronize()
    except RuntimeError as later:
        raise BrokenContext(causes_of(error)) from later
