"""Several cells on one GPU: processes, processes under NVIDIA's multi-process service, or CUDA streams of one process.

Each has its own captured steps (bf16). Compared is the time of the GPU that a step takes, over all cells together.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping

import torch
from smallmix.errors import SmallmixError
from smallmix.science.arithmetic import fix_arithmetic

from benchmarks.comparison import Block, Comparison, compare
from benchmarks.worker_pool import TakeSteps, worker_pool
from benchmarks.workload import ARTICLE, BATCH_SIZE

CONTROL = "nvidia-cuda-mps-control"
STEPS = 240
ALONE = "one process"


def compare_sharing(rounds: int) -> tuple[Comparison, dict[str, str]]:
    """Compare seconds a step over all cells, by the way of sharing; also return which ways failed, with the reason."""
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as running:
        service = running.enter_context(multi_process_service())
        blocks: dict[str, Block] = {}
        for name, streams, processes, environment in (
            (ALONE, 1, 1, {}),
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
            take = running.enter_context(worker_pool(captured_streams, (streams,), processes, environment))
            try:
                take(1)
            except SmallmixError as error:  # one way that does not work must not hide the others
                if name == ALONE:
                    raise
                missing[name] = str(error)
                continue
            blocks[name] = _share(take, STEPS // (streams * processes))
        title = f"cells that share {torch.cuda.get_device_name()}, {ARTICLE.name}, batch {BATCH_SIZE}, bf16"
        return compare(title, "step", STEPS, blocks, rounds), missing


def captured_streams(count: int) -> TakeSteps:
    """Start `count` trainings in this process, each on its own CUDA stream; a step of all is one step of each."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
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


@contextlib.contextmanager
def multi_process_service() -> Iterator[Mapping[str, str] | None]:
    """Run NVIDIA's multi-process service for this user alone; yield what its clients need in their environment.

    Yields None where it cannot be started. It needs no change of the GPU's settings and ends with the block.
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
