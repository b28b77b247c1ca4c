"""A study on all cores: trainings in processes of their own, a thread each, against the reference's ways to fill them.

One training alone says little of a study: the reference's workers use cores on which smallmix trains further cells.
"""

from __future__ import annotations

import contextlib

import torch

from smallmix.benchmark.cpu_speed import CPU, OURS, cores, our_steps
from smallmix.benchmark.crew import TakeSteps, crew
from smallmix.benchmark.interleaved import Block, Comparison, compare
from smallmix.benchmark.reference import ReferenceTraining
from smallmix.benchmark.workload import BATCH_SIZE, Workload
from smallmix.science.arithmetic import fix_arithmetic


def compare_studies(workload: Workload, steps: int, rounds: int) -> Comparison:
    """Seconds a step of all trainings together, where every core is given to one contender at a time."""
    count = cores()
    with contextlib.ExitStack() as running:

        def block(workers: int | None, trainings: int) -> Block:
            take = running.enter_context(crew(single_threaded, (workload, workers), trainings, {}))
            return lambda: take(max(1, steps // trainings))

        blocks = {
            f"{OURS}, a cell a core": block(None, count),
            "reference, a training a core, 0 workers": block(0, count),
            "reference, a training a core, 2 workers": block(2, count),
            "reference, one training, 2 workers": block(2, 1),
        }
        title = f"a study on {count} core{'s' if count > 1 else ''}, {workload.name}, batch {BATCH_SIZE}"
        return compare(title, "step", steps, blocks, rounds)


def single_threaded(workload: Workload, workers: int | None) -> TakeSteps:
    """The steps of smallmix's loop (`workers` None) or of the reference's, on one thread of this process."""
    if workers is not None:
        torch.set_num_threads(1)
        return ReferenceTraining(workload, workers, CPU).steps
    fix_arithmetic(1)
    step = our_steps(workload, 1, 1)

    def take(count: int) -> None:
        for _ in range(count):
            step()

    return take
