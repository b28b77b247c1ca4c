"""Processes that wait to be told how many steps to take: what a study, or a shared card, has running at once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

from smallmix.errors import SmallmixError

STOP = 0
TakeSteps = Callable[[int], None]


@contextlib.contextmanager
def crew(
    build: Callable[..., TakeSteps], arguments: tuple[Any, ...], count: int, environment: Mapping[str, str]
) -> Iterator[TakeSteps]:
    """`count` processes, each with the steps that `build(*arguments)` makes there; yields what sets all to work.

    `take(n)` lets every process take n steps and returns when the last is done; the first call waits until all are
    ready. It raises SmallmixError where a process ended instead. `environment` is added to that of the processes.
    """
    context = multiprocessing.get_context("spawn")
    lines, processes = [], []
    try:
        with _added_to_environment(environment):
            for _ in range(count):
                here, there = context.Pipe()
                process = context.Process(target=_serve, args=(there, build, arguments))
                process.start()
                there.close()
                lines.append(here)
                processes.append(process)

        def take(steps: int) -> None:
            try:
                for line in lines:
                    line.send(steps)
                for line in lines:
                    line.recv()
            except (EOFError, OSError) as fault:
                raise SmallmixError("a process of the benchmark ended early; its message stands above") from fault

        yield take
    finally:
        for line in lines:
            with contextlib.suppress(OSError):
                line.send(STOP)
        for process in processes:
            process.join(30)
            process.kill()


def _serve(line: Connection[Any, Any], build: Callable[..., TakeSteps], arguments: tuple[Any, ...]) -> None:
    take = build(*arguments)
    with contextlib.suppress(EOFError):
        while (steps := line.recv()) != STOP:
            take(steps)
            line.send(steps)


@contextlib.contextmanager
def _added_to_environment(added: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
