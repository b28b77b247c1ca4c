"""Protects the benchmark of a GPU where there is none: its course and its pages, with stand-ins for what needs one."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu_sharing, gpu_speed
from benchmarks.gpu_sharing import compare_sharing
from benchmarks.gpu_speed import CONFIGURATIONS, measure_gpu
from benchmarks.pages import Pages
from benchmarks.roofline import Roofline
from benchmarks.time_limit import TimeLimit
from benchmarks.worker_pool import WorkerError, describe_chain

BROKEN = ("bf16", "graph-compiled")
OURS_MS, REFERENCE_MS = 2, 5


def resting_streams(count: int) -> Callable[[int], None]:
    """Stand in for captured steps: each takes a moment; three streams do not work."""
    if count == 3:
        raise RuntimeError("three streams do not fit on this GPU")
    return lambda steps: time.sleep(1e-5 * steps)


def resting_steps(precision: str, executor: str) -> Callable[[int], None]:
    if (precision, executor) == BROKEN:
        raise RuntimeError("no compiler\nfor a GPU that is not there")
    return lambda steps: time.sleep(1e-3 * OURS_MS)


def resting_reference() -> Callable[[int], None]:
    return lambda steps: time.sleep(1e-3 * REFERENCE_MS)


@contextlib.contextmanager
def pool_here(build: Callable[..., Any], arguments: tuple[Any, ...], *_: Any) -> Iterator[Callable[[int], None]]:
    """Like a pool of processes, but in this one: the steps are built at the first call, and errors come as its own."""
    built: list[Callable[[int], None]] = []

    def take(steps: int) -> None:
        try:
            if not built:
                built.append(build(*arguments))
            built[0](steps)
        except RuntimeError as error:
            raise WorkerError(describe_chain(error)) from error

    yield take


def roofline_here(work: Callable[[], Roofline], limit: TimeLimit) -> Roofline:
    return Roofline(bf16_product=8e14, copy=4e12)


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no multi-process service
    for module in (gpu_sharing, gpu_speed):
        monkeypatch.setattr(module, "worker_pool", pool_here)
    monkeypatch.setattr(gpu_sharing, "captured_streams", resting_streams)
    monkeypatch.setattr(gpu_speed, "our_steps", resting_steps)
    monkeypatch.setattr(gpu_speed, "reference_steps", resting_reference)
    monkeypatch.setattr(gpu_speed, "run_alone", roofline_here)


def page_of(folder: Path) -> str:
    return (folder / "bench.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("stand_ins")
def test_ways_of_sharing_that_fail_are_named_and_the_others_measured() -> None:
    outcome = compare_sharing("a GPU", 2, TimeLimit())
    assert outcome.comparison is not None
    assert outcome.comparison.ours == "one process"
    assert outcome.comparison.others == ["two processes", "three processes", "two CUDA streams of a process"]
    assert outcome.failures["three CUDA streams of a process"] == "RuntimeError: three streams do not fit on this GPU"
    for count in ("two", "three"):
        reason = outcome.failures[f"{count} processes, multi-process service"]
        assert reason == "nvidia-cuda-mps-control could not be started"


@pytest.mark.usefixtures("stand_ins")
def test_sharing_is_measured_without_the_process_that_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the first of all ways, and everything was lost where it failed."""
    monkeypatch.setattr(gpu_sharing, "captured_streams", failing_alone())
    outcome = compare_sharing("a GPU", 1, TimeLimit())
    assert outcome.comparison is not None
    assert outcome.comparison.ours == "two processes"
    assert outcome.failures["one process"] == "RuntimeError: no memory"


def failing_alone() -> Callable[[int], Callable[[int], None]]:
    begun: list[int] = []

    def build(streams: int) -> Callable[[int], None]:
        begun.append(streams)
        if len(begun) == 1:
            raise RuntimeError("no memory")
        return lambda steps: time.sleep(1e-4)

    return build


@pytest.mark.usefixtures("stand_ins")
def test_the_pages_hold_every_configuration_and_say_which_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = Pages(tmp_path, {"GPU": "a GPU"})
    measure_gpu(pages, 2)
    page = page_of(tmp_path)
    working = [
        f"smallmix, {precision}, {executor}"
        for precision, executor in CONFIGURATIONS
        if (precision, executor) != BROKEN
    ]
    for name in [*working, "reference"]:
        for what in ("ms a step", "images a second", "TFLOP/s", "share of the compute bound", "minutes (predicted)"):
            assert any(line.startswith(f"| {name}: ") and what in line for line in page.splitlines()), (name, what)
    assert "| smallmix, bf16, graph-compiled | failed: RuntimeError: no compiler |" in page
    assert any(line.startswith("| two CUDA streams of a process: effective ms a step | ") for line in page.splitlines())
    reason = "nvidia-cuda-mps-control could not be started"
    assert f"| two processes, multi-process service | not measured: {reason} |" in page
    everything = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    bounds = everything["numbers"]["Roofline in the same run"]
    # 427 GFLOP and 2.46 GB a step, at the rates of the stand-ins.
    assert bounds["a step's arithmetic at the rate of the product, ms"] == pytest.approx(0.533, abs=0.001)
    assert bounds["a step's memory traffic at the rate of the copy, ms"] == pytest.approx(0.615, abs=0.001)
    assert everything["comparisons"][0]["times_as_long_as_ours"]["reference"] > 1.5
    assert pages.failed, "the exit code must tell of the configuration that failed"
    printed = capsys.readouterr().err
    assert "failed: smallmix, bf16, graph-compiled: RuntimeError: no compiler" in printed
    assert "a step:\n  " in printed, "medians are printed as they come"


@pytest.mark.usefixtures("stand_ins")
def test_what_was_measured_is_on_the_page_before_the_rest_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gpu_speed, "compare_sharing", killed)
    with pytest.raises(KeyboardInterrupt):
        measure_gpu(Pages(tmp_path, {"GPU": "a GPU"}), 2)
    assert "| smallmix, bf16, graph: ms a step |" in page_of(tmp_path)


@pytest.mark.usefixtures("stand_ins")
def test_without_a_roofline_the_rates_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: Any, limit: TimeLimit) -> Roofline:
        raise WorkerError("OutOfMemoryError: none left")

    monkeypatch.setattr(gpu_speed, "run_alone", out_of_memory)
    pages = Pages(tmp_path, {"GPU": "a GPU"})
    measure_gpu(pages, 1)
    assert "Not measured: the roofline: OutOfMemoryError: none left." in page_of(tmp_path)
    assert "| reference: TFLOP/s |" in page_of(tmp_path)
    assert "share of the compute bound" not in page_of(tmp_path)


@pytest.mark.usefixtures("stand_ins")
def test_a_run_whose_time_is_up_ends_and_says_so(tmp_path: Path) -> None:
    pages = Pages(tmp_path, {"GPU": "a GPU"})
    measure_gpu(pages, 2, seconds=0.0)
    assert "| reference | failed: the time for the benchmark was up |" in page_of(tmp_path)
    assert "| two processes | not measured: the time for the benchmark was up |" in page_of(tmp_path)
