"""Each contender on the CPU works in its own process, under its own settings: nothing of smallmix's helps the other."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from smallmix.training.kept_memory import KEPT, KEPT_IN_HUGE_PAGES

from benchmarks import cpu_speed
from benchmarks.cpu_speed import compare_data, compare_loops, compare_studies
from benchmarks.worker_pool import TakeSteps
from benchmarks.workload import DEMO

PROJECT = Path(__file__).resolve().parents[3]
PROGRAM = """
import ctypes, json, sys
sys.path[:0] = [sys.argv[1] + "/workflow", sys.argv[1]]
import torch
from benchmarks import cpu_speed
from benchmarks.cpu_speed import our_chunks, our_steps, reference_batches, reference_steps
from benchmarks.workload import DEMO

done = []
keep_memory = cpu_speed.keep_memory
cpu_speed.keep_memory = lambda reserved: done.append(keep_memory(reserved))
take = {build}
take(1)
library = ctypes.CDLL(None)
library.sbrk.restype, library.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
in_heap = torch.empty(2**23).data_ptr() < library.sbrk(0)
print(json.dumps([done, in_heap, torch.get_deterministic_debug_mode(), torch.get_num_threads()]))
"""
OURS = ["our_steps(DEMO, 1, 'fp32')", "our_chunks(DEMO)"]
THEIRS = ["reference_steps(DEMO, 1, 0)", "reference_batches(DEMO, 0)"]


def settings_of(build: str) -> Any:
    """How memory was kept, whether a large block lies in the heap, the mode of determinism, and the threads."""
    command = [sys.executable, "-c", PROGRAM.format(build=build), str(PROJECT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("build", OURS)
def test_ours_works_as_a_training_does(build: str) -> None:
    (memory,), in_heap, determinism, threads = settings_of(build)
    assert (determinism, threads) == (2, 1)
    assert in_heap == (memory in (KEPT, KEPT_IN_HUGE_PAGES))


@pytest.mark.parametrize("build", THEIRS)
def test_the_reference_has_usual_memory_and_pytorchs_defaults(build: str) -> None:
    memory, in_heap, determinism, _ = settings_of(build)
    assert (memory, in_heap, determinism) == ([], False, 0)


def test_no_two_contenders_share_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the pools, which notes what each would run, and how much work it was asked for."""
    begun: list[str] = []
    taken: dict[str, list[int]] = {}

    @contextlib.contextmanager
    def pool(build: Any, arguments: tuple[Any, ...], count: int, environment: dict[str, str]) -> Iterator[TakeSteps]:
        name = f"{count} x {build.__name__}{arguments[1:]}"
        begun.append(name)
        yield taken.setdefault(name, []).append

    monkeypatch.setattr(cpu_speed, "worker_pool", pool)
    monkeypatch.setattr(cpu_speed, "cores", lambda: 2)
    compare_loops(DEMO, 1, 16, 3)
    assert begun == ["1 x our_steps(1, 'fp32')", "1 x reference_steps(1, 0)", "1 x reference_steps(1, 2)"]
    assert [len(one) for one in taken.values()] == [7, 4, 4], "ours twice a round"
    assert {count for one in taken.values() for count in one} == {16}
    begun.clear()
    taken.clear()
    compare_data(DEMO, 12, 1)
    assert begun == ["1 x our_chunks()", "1 x reference_batches(0,)", "1 x reference_batches(2,)"]
    assert list(taken.values()) == [[1, 1, 1], [12, 12], [12, 12]]
    begun.clear()
    taken.clear()
    compare_studies(DEMO, 32, 1)
    assert begun == [
        "2 x our_steps(1, 'fp32')",
        "2 x reference_steps(1, 0)",
        "2 x reference_steps(1, 2)",
        "1 x reference_steps(1, 2)",
    ]
    assert [set(one) for one in taken.values()] == [{16}, {16}, {16}, {32}]
