"""A pool of worker processes that take steps on demand: the trainings of a study, or those that share a GPU.

What breaks in a worker (a dead CUDA context, a failed capture, a lack of memory) stays in that worker.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from smallmix.errors import SmallmixError
from smallmix.training.gpu_slots import changed

from benchmarks.time_limit import TimeLimit

STOP = 0
DONE = True
LONGEST_WAIT = 600.0  # seconds for the steps of one call, or until a process is ready
SECONDS_TO_END = 20.0
TakeSteps = Callable[[int], None]
Value = TypeVar("Value")


class WorkerError(SmallmixError):
    """A process of the benchmark failed, or did not answer in time."""


@contextlib.contextmanager
def worker_pool(
    build: Callable[..., TakeSteps],
    arguments: tuple[Any, ...],
    count: int,
    environment: Mapping[str, str],
    limit: TimeLimit | None = None,
    longest_wait: float = LONGEST_WAIT,
) -> Iterator[TakeSteps]:
    """Run `count` processes, each with the steps that `build(*arguments)` returns there; yield what runs them all.

    `take(n)` lets every process take n steps and returns when the last is done. The first call also waits until all
    are ready. It raises WorkerError, with the whole chain of errors, where a process failed, and where one did not
    answer within `longest_wait` seconds or before the `limit`. `environment` is added to that of the processes.
    """
    workers: list[_Worker] = []
    try:
        with changed(os.environ, environment):
            workers += [_Worker(build, arguments) for _ in range(count)]

        def take(steps: int) -> None:
            until = (limit or TimeLimit()).within(longest_wait)
            for worker in workers:
                worker.ask(steps)
            for worker in workers:
                worker.answer(until)

        yield take
    finally:
        until = TimeLimit.after(SECONDS_TO_END)
        for worker in workers:
            worker.ask(STOP)
        for worker in workers:
            worker.end(until)


def run_alone(work: Callable[..., Value], *arguments: Any, limit: TimeLimit) -> Value:
    """Return what `work(*arguments)` returns in a process of its own. Raises WorkerError as `worker_pool` does."""
    worker = _Worker(_single, (work, arguments))
    try:
        worker.ask(1)
        value: Value = worker.answer(limit)
        return value
    finally:
        worker.ask(STOP)
        worker.end(TimeLimit.after(SECONDS_TO_END))


def describe_chain(error: BaseException) -> str:
    """Return an error and those that led to it, the first one first, one line of each.

    The first is the cause. What a failed CUDA capture raises last only says that something failed before it.
    """
    # As science/captures.py does, but free of PyTorch: where that cannot be imported, this has to say so.
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    lines = [f"{type(one).__name__}: {(str(one).strip().splitlines() or [''])[0]}" for one in reversed(chain)]
    return "; then ".join(lines)


class _Worker:
    """A process, the pipe to it, and whether it still answers."""

    def __init__(self, build: Callable[..., Callable[[int], Any]], arguments: tuple[Any, ...]) -> None:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        self._connection: Connection[Any, Any] = here
        self._process: BaseProcess = context.Process(target=_serve, args=(there, build, arguments))
        self._process.start()
        there.close()
        self._answers = True

    def ask(self, steps: int) -> None:
        """Send a request. A process that has ended is found by its missing answer, which says more."""
        with contextlib.suppress(OSError):
            self._connection.send(steps)

    def answer(self, limit: TimeLimit) -> Any:
        """Return the value that the process sends back."""
        self._answers = False
        began = time.monotonic()
        try:
            if not self._connection.poll(min(limit.left, LONGEST_WAIT)):
                raise WorkerError(f"a process gave no answer within {time.monotonic() - began:.0f} seconds")
            succeeded, value = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(5)
            raise WorkerError(f"a process ended early, with exit code {self._process.exitcode}") from error
        if not succeeded:
            raise WorkerError(value)
        self._answers = True
        return value

    def end(self, limit: TimeLimit) -> None:
        """Let the process end by itself if it still answers, else kill it."""
        if self._answers:
            self._process.join(limit.left)
        self._process.kill()
        self._process.join(5)
        self._connection.close()


def _serve(
    connection: Connection[Any, Any], build: Callable[..., Callable[[int], Any]], arguments: tuple[Any, ...]
) -> None:
    try:
        take = build(*arguments)
        while (steps := connection.recv()) != STOP:
            connection.send((DONE, take(steps)))
    except EOFError:
        pass  # the other side has gone
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        with contextlib.suppress(OSError):
            connection.send((not DONE, describe_chain(error)))


def _single(work: Callable[..., Value], arguments: tuple[Any, ...]) -> Callable[[int], Value]:
    return lambda _: work(*arguments)
