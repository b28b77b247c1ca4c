"""Several cells on one card: processes side by side, the same under NVIDIA's multi-process service, lanes of a process.

Each has its own captured steps (bf16). What is compared is the time that a step takes of the card, all cells together.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping

import torch

from smallmix.benchmark.crew import TakeSteps, crew
from smallmix.benchmark.interleaved import Block, Comparison, compare
from smallmix.benchmark.workload import ARTICLE, BATCH_SIZE
from smallmix.errors import SmallmixError
from smallmix.science.arithmetic import fix_arithmetic

CONTROL = "nvidia-cuda-mps-control"
STEPS = 240
ALONE = "one process"


def compare_sharing(rounds: int) -> tuple[Comparison, dict[str, str]]:
    """Seconds a step of all cells together, by the way of sharing; and which ways could not be measured, and why."""
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as running:
        service = running.enter_context(multi_process_service())
        blocks: dict[str, Block] = {}
        for name, lanes, processes, environment in (
            (ALONE, 1, 1, {}),
            ("two processes", 1, 2, {}),
            ("three processes", 1, 3, {}),
            ("two processes, multi-process service", 1, 2, service),
            ("three processes, multi-process service", 1, 3, service),
            ("two lanes of a process", 2, 1, {}),
            ("three lanes of a process", 3, 1, {}),
        ):
            if environment is None:
                missing[name] = f"{CONTROL} could not be started"
                continue
            take = running.enter_context(crew(captured_lanes, (lanes,), processes, environment))
            try:
                take(1)
            except SmallmixError as fault:  # one way that does not work must not hide the others
                if name == ALONE:
                    raise
                missing[name] = str(fault)
                continue
            blocks[name] = _share(take, STEPS // (lanes * processes))
        title = f"cells that share {torch.cuda.get_device_name()}, {ARTICLE.name}, batch {BATCH_SIZE}, bf16"
        return compare(title, "step", STEPS, blocks, rounds), missing


def captured_lanes(count: int) -> TakeSteps:
    """`count` trainings in this process, each on a stream of its own; a step of all is one step of each."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    fix_arithmetic(1)
    device = torch.device("cuda")
    lanes = [(torch.cuda.Stream(), ARTICLE.begin(device, "bf16", "graph")) for _ in range(count)]  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()

    def take(steps: int) -> None:
        for _ in range(steps):
            for stream, executor in lanes:
                with torch.cuda.stream(stream):
                    executor.step()
        for stream, executor in lanes:
            with torch.cuda.stream(stream):
                executor.synchronize()
        torch.cuda.synchronize()

    return take


@contextlib.contextmanager
def multi_process_service() -> Iterator[Mapping[str, str] | None]:
    """NVIDIA's multi-process service for this user alone; yields what its clients need in their environment.

    Yields None where it cannot be had. It needs no change of the card's settings and ends with the block.
    """
    control = shutil.which(CONTROL)
    if control is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="multi-process-service-") as folder:
        own = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        environment = {**os.environ, **own}
        if subprocess.run([control, "-d"], env=environment, capture_output=True, check=False).returncode:
            yield None
            return
        try:
            yield own
        finally:
            subprocess.run([control], input=b"quit\n", env=environment, capture_output=True, timeout=60, check=False)


def _share(take: TakeSteps, steps: int) -> Block:
    return lambda: take(steps)
