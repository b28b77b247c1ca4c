"""Several cells on one GPU: processes, processes under NVIDIA's multi-process service, or CUDA streams of one process.

Each has its own captured steps (bf16). Compared is the time of the GPU that a step takes, over all cells together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch
from smallmix.science.arithmetic import fix_arithmetic

from benchmarks.comparison import Block
from benchmarks.contenders import Outcome, compare_working
from benchmarks.multi_process_service import CONTROL, multi_process_service
from benchmarks.time_limit import TimeLimit
from benchmarks.worker_pool import TakeSteps, worker_pool
from benchmarks.workload import ARTICLE, BATCH_SIZE

STEPS = 240
LONGEST_WAIT = 120.0  # seconds; a client that hangs in the service must not keep the others from being measured


def compare_sharing(gpu: str, rounds: int, limit: TimeLimit) -> Outcome:
    """Compare seconds a step over all cells, by the way of sharing; ways that fail are named, the others measured.

    `gpu` is its name for the title.
    """
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as running:
        service = running.enter_context(multi_process_service())
        starts: dict[str, Callable[[], Block]] = {}
        for name, streams, processes, environment in (
            ("one process", 1, 1, {}),
            ("two processes", 1, 2, {}),
            ("three processes", 1, 3, {}),
            ("two processes, multi-process service", 1, 2, service),
            ("three processes, multi-process service", 1, 3, service),
            ("two CUDA streams of a process", 2, 1, {}),
            ("three CUDA streams of a process", 3, 1, {}),
        ):
            if environment is None:
                missing[name] = f"{CONTROL} could not be started"
                continue
            # All begin at once: most of a start is importing PyTorch.
            pool = worker_pool(captured_streams, (streams,), processes, environment, limit, LONGEST_WAIT)
            starts[name] = _start(running.enter_context(pool), STEPS // (streams * processes))
        title = f"cells that share {gpu}, {ARTICLE.name}, batch {BATCH_SIZE}, bf16"
        outcome = compare_working(title, "step", STEPS, starts, rounds, limit)
    outcome.failures |= missing
    return outcome


def captured_streams(count: int) -> TakeSteps:
    """Start `count` trainings in this process, each on its own CUDA stream; a step of all is one step of each."""
    fix_arithmetic(1)
    device = torch.device("cuda")
    trainings = [(torch.cuda.Stream(), ARTICLE.begin(device, "bf16", "graph")) for _ in range(count)]  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()

    def take(steps: int) -> None:
        for _ in range(steps):
            for stream, executor in trainings:
                with torch.cuda.stream(stream):
                    executor.step()
        for stream, executor in trainings:
            with torch.cuda.stream(stream):
                executor.synchronize()
        torch.cuda.synchronize()

    return take


def _start(take: TakeSteps, steps: int) -> Callable[[], Block]:
    return lambda: lambda: take(steps)
