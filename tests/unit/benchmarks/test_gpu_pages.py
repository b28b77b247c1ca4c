"""Protects the benchmark of a GPU where there is none: its course and its pages, with stand-ins for what needs one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu_sharing, gpu_speed
from benchmarks.comparison import Comparison
from benchmarks.gpu_sharing import compare_sharing
from benchmarks.gpu_speed import CONFIGURATIONS, measure_gpu
from benchmarks.pages import write_pages
from benchmarks.roofline import Roofline

BROKEN = ("bf16", "graph-compiled")


def resting_streams(count: int) -> Callable[[int], None]:
    """Stand in for captured steps: each takes a moment; three streams do not work."""
    if count == 3:
        raise RuntimeError("three streams do not fit on this GPU")
    return lambda steps: time.sleep(1e-5 * steps)


def resting_steps(precision: str, executor: str, count: int) -> Callable[[], None]:
    if (precision, executor) == BROKEN:
        raise RuntimeError("no compiler\nfor a GPU that is not there")
    return lambda: time.sleep(1e-3)


class RestingReference:
    def __init__(self, *_: Any) -> None:
        pass

    def steps(self, count: int) -> None:
        time.sleep(4e-3)


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no multi-process service
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(gpu_sharing, "captured_streams", resting_streams)
    monkeypatch.setattr(gpu_speed, "our_steps", resting_steps)
    monkeypatch.setattr(gpu_speed, "ReferenceTraining", RestingReference)
    monkeypatch.setattr(gpu_speed, "measure_roofline", lambda: Roofline(bf16_product=8e14, copy=4e12))


@pytest.mark.usefixtures("stand_ins")
def test_ways_of_sharing_that_fail_are_named_and_the_others_measured() -> None:
    comparison, missing = compare_sharing(2)
    assert comparison.others == ["two processes", "three processes", "two CUDA streams of a process"]
    assert missing["three CUDA streams of a process"].startswith("a process of the benchmark ended early")
    for count in ("two", "three"):
        reason = missing[f"{count} processes, multi-process service"]
        assert reason == "nvidia-cuda-mps-control could not be started"


@pytest.mark.usefixtures("stand_ins")
def test_the_pages_hold_every_configuration_and_name_those_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Comparison(
        "sharing", "step", 240, "one process", {"one process": (0.4, 0.4), "one process (again)": (0.4, 0.4),
                                                "two CUDA streams of a process": (0.3, 0.3)},
    )  # fmt: skip
    reason = "nvidia-cuda-mps-control could not be started"
    monkeypatch.setattr(gpu_speed, "compare_sharing", lambda rounds: (shared, {"two processes": reason}))
    comparisons, numbers = measure_gpu(2)
    write_pages(tmp_path, {"GPU": "a GPU"}, comparisons, numbers, [])
    page = (tmp_path / "bench.md").read_text(encoding="utf-8")
    working = [
        f"smallmix, {precision}, {executor}"
        for precision, executor in CONFIGURATIONS
        if (precision, executor) != BROKEN
    ]
    for name in [*working, "reference"]:
        for what in ("ms a step", "images a second", "TFLOP/s", "share of the compute bound", "minutes (predicted)"):
            assert any(line.startswith(f"| {name}: ") and what in line for line in page.splitlines()), (name, what)
    assert "| smallmix, bf16, graph-compiled | failed: RuntimeError: no compiler |" in page
    assert "| two CUDA streams of a process: effective ms a step | 1.25 |" in page
    assert f"| two processes | not measured: {reason} |" in page
    everything = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    bounds = everything["numbers"]["Roofline in the same run"]
    # 427 GFLOP and 2.46 GB a step, at the rates of the stand-ins.
    assert bounds["a step's arithmetic at the rate of the product, ms"] == pytest.approx(0.533, abs=0.001)
    assert bounds["a step's memory traffic at the rate of the copy, ms"] == pytest.approx(0.615, abs=0.001)
    ratios = everything["comparisons"][0]["times_as_long_as_ours"]
    assert ratios["reference"] > 1.5
