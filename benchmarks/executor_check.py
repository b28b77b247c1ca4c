"""Are the steps of all executors equal here, and how long does each take?

The first thing to ask of a GPU. Every executor runs in a process of its own. Weights, statistics and momentum after
some steps are compared with those of eager steps, and eager steps with themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from smallmix import atomic_files
from smallmix.science.arithmetic import choose_memory_format, fix_arithmetic
from smallmix.science.steps import StepExecutor, build_executor
from smallmix.science.training_state import TrainingState
from smallmix.study.cell import Executor, Precision

from benchmarks.time_limit import TimeLimit
from benchmarks.worker_pool import WorkerError, run_alone
from benchmarks.workload import ARTICLE, DEMO, Workload

EAGER = "eager"
CONFIGURATIONS: tuple[tuple[Precision, Executor], ...] = (
    ("bf16", "eager"),
    ("bf16", "eager"),
    ("bf16", "graph"),
    ("bf16", "automatic"),
    ("fp32", "eager"),
    ("fp32", "graph"),
    ("fp32", "automatic"),
    ("bf16", "graph-compiled"),  # last: compiling may take two minutes
)
# An epoch of the workload has 16 batches, the last one smaller: its graph is compared as well.
COMPARED_STEPS = 40
BLOCKS = 5
LONGEST_WAIT = 150.0
PROFILED_STEPS = 10

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Measured:
    """One executor: arrays after the compared steps, seconds a step, of which the host's, until the first, bytes."""

    arrays: Arrays
    step: float
    host: float
    begin: float
    peak: int
    check: str


def main(given: list[str] | None = None) -> int:
    """Measure all executors; return 1 where one failed or computes otherwise than eager steps, though it must not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.executor_check", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder of executors.json and of the profiles")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu tries it on a small network")
    parser.add_argument("--seconds", type=float, default=240.0, help="time for everything (default: 240)")
    arguments = parser.parse_args(given)
    # Must be set before CUDA starts: deterministic matrix products need it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    workload = ARTICLE if arguments.device == "cuda" else DEMO
    return check_executors(workload, arguments.device, arguments.output, TimeLimit.after(arguments.seconds))


def check_executors(workload: Workload, device: str, output: Path, limit: TimeLimit, steps: int = 50) -> int:
    """Measure blocks of `steps` steps of each executor; print a line each and write all into `output`."""
    lines: list[dict[str, object]] = []
    eager: dict[Precision, Arrays] = {}
    failed = False
    for precision, executor in CONFIGURATIONS:
        line: dict[str, object] = {"precision": precision, "executor": executor}
        try:
            arguments = (workload, device, precision, executor, steps)
            measured = run_alone(measure_executor, *arguments, limit=limit.within(LONGEST_WAIT))
        except WorkerError as error:
            line["failure"] = str(error)
            failed = failed or device == "cuda"
        else:
            line |= {
                "ms_a_step": 1e3 * measured.step,
                "ms_of_the_host": 1e3 * measured.host,
                "seconds_until_the_first_step": measured.begin,
                "peak_bytes": measured.peak,
                "automatic_check": measured.check,
            }
            if precision not in eager:
                eager[precision] = measured.arrays
            else:
                line["compared_with_eager"] = difference = describe_difference(eager[precision], measured.arrays)
                # Compiled kernels round otherwise. All others promise equal bits.
                failed = failed or (difference != "" and executor != "graph-compiled")
        lines.append(line)
        _print(line)
        atomic_files.write_text(output / "executors.json", json.dumps(lines, indent=1) + "\n")
    if device == "cuda":
        for precision, executor in (("bf16", "graph"), ("bf16", "eager"), ("fp32", "eager")):
            _profile(workload, precision, executor, output, limit)
    return int(failed)


def measure_executor(workload: Workload, device: str, precision: Precision, executor: Executor, steps: int) -> Measured:
    """Train the workload in this process and return what was measured."""
    fix_arithmetic(1)
    began = time.perf_counter()
    state, running = _begin(workload, torch.device(device), precision, executor)
    running.step()
    _finish(running, device)
    begin = time.perf_counter() - began
    for _ in range(COMPARED_STEPS - 1):
        running.step()
    _finish(running, device)
    arrays = _arrays(state)
    whole, host = [], []
    for _ in range(BLOCKS):
        began = time.perf_counter()
        for _ in range(steps):
            running.step()
        host.append((time.perf_counter() - began) / steps)
        _finish(running, device)
        whole.append((time.perf_counter() - began) / steps)
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    check = "" if running.check is None else str(running.check)
    return Measured(arrays, statistics.median(whole), statistics.median(host), begin, peak, check)


def describe_difference(expected: Arrays, found: Arrays) -> str:
    """Return which arrays differ, the first of them, and by how much; nothing where all are equal to the last bit."""
    names = [name for name in expected if not np.array_equal(expected[name], found[name], equal_nan=True)]
    if not names:
        return ""
    first = names[0]
    distance = np.abs(expected[first] - found[first]).max()
    return (
        f"{len(names)} of {len(expected)} arrays differ, first {first}: by up to {distance:.3g}, "
        f"of values up to {np.abs(expected[first]).max():.3g}"
    )


def profile_steps(workload: Workload, device: str, precision: Precision, executor: Executor) -> str:
    """Return the table of the kernels that some steps took on the device, by time."""
    fix_arithmetic(1)
    _, running = _begin(workload, torch.device(device), precision, executor)
    for _ in range(COMPARED_STEPS):
        running.step()
    _finish(running, device)
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if device == "cuda":
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    order = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    with torch.profiler.profile(activities=kinds) as profile:
        for _ in range(PROFILED_STEPS):
            running.step()
        _finish(running, device)
    return str(profile.key_averages().table(sort_by=order, row_limit=60, max_name_column_width=100))


def _begin(
    workload: Workload, device: torch.device, precision: Precision, executor: Executor
) -> tuple[TrainingState, StepExecutor]:
    data = workload.training_data(device, choose_memory_format(device, workload.width))
    state = TrainingState.fresh(workload.cell(precision, executor), data, device)
    state.model.train()
    return state, build_executor(data, state)


def _finish(running: StepExecutor, device: str) -> None:
    running.synchronize()
    if device == "cuda":
        torch.cuda.synchronize()


def _arrays(state: TrainingState) -> Arrays:
    """Return copies of weights, statistics and momentum by name."""
    tensors = dict(state.model.state_dict())
    names = [name for name, _ in state.model.named_parameters()]
    tensors |= {f"momentum of {name}": one for name, one in zip(names, state.momentum(), strict=True)}
    return {name: tensor.detach().float().cpu().numpy().copy() for name, tensor in tensors.items()}


def _profile(workload: Workload, precision: Precision, executor: Executor, output: Path, limit: TimeLimit) -> None:
    try:
        table = run_alone(profile_steps, workload, "cuda", precision, executor, limit=limit.within(LONGEST_WAIT))
    except WorkerError as error:
        print(f"profile of {precision}, {executor}: failed: {error}", flush=True)
        return
    atomic_files.write_text(output / f"profile-{precision}-{executor}.txt", table + "\n")


def _print(line: dict[str, object]) -> None:
    name = f"{line['precision']}, {line['executor']}"
    if "failure" in line:
        print(f"{name}: failed: {line['failure']}", flush=True)
        return
    equal = {None: "", "": "; equal to eager steps, bit for bit"}
    difference = line.get("compared_with_eager")
    words = equal.get(difference, f"; not equal to eager steps: {difference}")  # type: ignore[call-overload]
    check = f"; {line['automatic_check']}" if line["automatic_check"] else ""
    print(f"{name}: {line['ms_a_step']:.3f} ms a step, the host {line['ms_of_the_host']:.3f}{words}{check}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
