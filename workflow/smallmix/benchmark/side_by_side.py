"""A study on all cores: trainings in processes of their own, a thread each, against the reference's ways to fill them.

One training alone says little of a study: the reference's workers use cores on which smallmix trains further cells.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

import torch

from smallmix.benchmark.cpu_speed import CPU, OURS, cores, our_steps
from smallmix.benchmark.interleaved import Block, Comparison, compare
from smallmix.benchmark.reference import ReferenceTraining
from smallmix.benchmark.workload import BATCH_SIZE, Workload
from smallmix.training.devices import fix_arithmetic

STOP = 0


def compare_studies(workload: Workload, steps: int, rounds: int) -> Comparison:
    """Seconds a step of all trainings together, where every core is given to one contender at a time."""
    count = cores()
    with contextlib.ExitStack() as running:

        def block(workers: int | None, trainings: int) -> Block:
            crew = running.enter_context(_crew(workload, workers, trainings))
            each = max(1, steps // trainings)

            def run() -> None:
                for line in crew:
                    line.send(each)
                for line in crew:
                    line.recv()

            return run

        blocks = {
            f"{OURS}, a cell a core": block(None, count),
            "reference, a training a core, 0 workers": block(0, count),
            "reference, a training a core, 2 workers": block(2, count),
            "reference, one training, 2 workers": block(2, 1),
        }
        title = f"a study on {count} core{'s' if count > 1 else ''}, {workload.name}, batch {BATCH_SIZE}"
        return compare(title, "step", steps, blocks, rounds)


@contextlib.contextmanager
def _crew(workload: Workload, workers: int | None, trainings: int) -> Iterator[list[Connection[Any, Any]]]:
    """Processes that wait for numbers of steps to take, one training each, and answer when they are done."""
    context = multiprocessing.get_context("spawn")
    lines, processes = [], []
    try:
        for _ in range(trainings):
            here, there = context.Pipe()
            process = context.Process(target=_train_on_demand, args=(there, workload, workers))
            process.start()
            there.close()
            lines.append(here)
            processes.append(process)
        yield lines
    finally:
        for line in lines:
            with contextlib.suppress(OSError):
                line.send(STOP)
        for process in processes:
            process.join(30)
            process.kill()


def _train_on_demand(line: Connection[Any, Any], workload: Workload, workers: int | None) -> None:
    """smallmix's loop (`workers` None) or the reference's, on one thread."""
    take: Block
    if workers is None:
        fix_arithmetic(1)
        take = our_steps(workload, 1, 1)
    else:
        torch.set_num_threads(1)
        training = ReferenceTraining(workload, workers, CPU)

        def take() -> None:
            training.steps(1)

    with contextlib.suppress(EOFError):
        while (count := line.recv()) != STOP:
            for _ in range(count):
                take()
            line.send(count)
