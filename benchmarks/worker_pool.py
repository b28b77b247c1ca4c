"""A pool of worker processes that take steps on demand: the trainings of a study, or those that share a GPU."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

from smallmix.errors import SmallmixError
from smallmix.training.gpu_slots import changed

STOP = 0
TakeSteps = Callable[[int], None]


@contextlib.contextmanager
def worker_pool(
    build: Callable[..., TakeSteps], arguments: tuple[Any, ...], count: int, environment: Mapping[str, str]
) -> Iterator[TakeSteps]:
    """Run `count` processes, each with the steps that `build(*arguments)` returns there; yield what runs them all.

    `take(n)` lets every process take n steps and returns when the last is done. The first call also waits until all
    are ready. It raises SmallmixError where a process ended instead. `environment` is added to that of the processes.
    """
    context = multiprocessing.get_context("spawn")
    connections, processes = [], []
    try:
        with changed(os.environ, environment):
            for _ in range(count):
                here, there = context.Pipe()
                process = context.Process(target=_serve, args=(there, build, arguments))
                process.start()
                there.close()
                connections.append(here)
                processes.append(process)

        def take(steps: int) -> None:
            try:
                for connection in connections:
                    connection.send(steps)
                for connection in connections:
                    connection.recv()
            except (EOFError, OSError) as error:
                raise SmallmixError("a process of the benchmark ended early; its message stands above") from error

        yield take
    finally:
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.send(STOP)
        for process in processes:
            process.join(30)
            process.kill()


def _serve(connection: Connection[Any, Any], build: Callable[..., TakeSteps], arguments: tuple[Any, ...]) -> None:
    take = build(*arguments)
    with contextlib.suppress(EOFError):
        while (steps := connection.recv()) != STOP:
            take(steps)
            connection.send(steps)
