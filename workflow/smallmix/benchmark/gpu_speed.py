"""On a card: each way of starting steps, several processes at once, and the card's own ceilings in the same run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from smallmix.benchmark.interleaved import Block, Comparison, compare
from smallmix.benchmark.reference import ReferenceTraining
from smallmix.benchmark.workload import ARTICLE, BATCH_SIZE, CLASSES
from smallmix.errors import SmallmixError
from smallmix.science.network_shape import forward_flops
from smallmix.study.cell import Executor, Precision
from smallmix.training.devices import choose_memory_format, fix_arithmetic
from smallmix.training.graph_executor import build_executor
from smallmix.training.training_state import TrainingState

STEPS = 240
GRID_ITERATIONS = 1_024_500
PROCESS_COUNTS = (1, 2, 3)
PROCESS_SECONDS = 12.0
RUNGS: tuple[tuple[Precision, Executor], ...] = (
    ("bf16", "graph"),
    ("bf16", "graph-compiled"),
    ("bf16", "eager"),
    ("fp32", "graph"),
    ("fp32", "eager"),
)


def measure_gpu(rounds: int) -> tuple[list[Comparison], dict[str, dict[str, Any]]]:
    """All rungs against each other and the reference; tables of rates, ceilings, and several processes."""
    device = torch.device("cuda")
    fix_arithmetic(1)
    blocks: dict[str, Block] = {}
    set_up: dict[str, Any] = {}
    for precision, executor in RUNGS:
        name = f"smallmix, {precision}, {executor}"
        began = time.perf_counter()
        try:
            block = our_steps(precision, executor, STEPS)
            block()
        except RuntimeError as fault:  # one rung that does not work must not hide the others
            set_up[name] = f"failed: {type(fault).__name__}: {str(fault).splitlines()[0]}"
            continue
        set_up[name] = round(time.perf_counter() - began, 2)
        blocks[name] = block
    training = ReferenceTraining(ARTICLE, min(8, os.cpu_count() or 1), device)

    def reference() -> None:
        torch.set_deterministic_debug_mode("default")
        training.steps(STEPS)
        torch.cuda.synchronize()
        torch.set_deterministic_debug_mode("error")

    blocks["reference"] = reference
    title = f"{ARTICLE.name}, batch {BATCH_SIZE}, on {torch.cuda.get_device_name()}"
    comparison = compare(title, "step", STEPS, blocks, rounds)
    product, copied = measure_ceilings()
    tables = {
        "Seconds from nothing to the end of the first block (capture and compilation included)": set_up,
        "Rates": _rates(comparison, product),
        "Ceilings in the same run": {"bf16 product, TFLOP/s": product / 1e12, "copy, TB/s": copied / 1e12},
        "Several processes on the card (bf16, graph)": _processes(),
    }
    return [comparison], tables


def our_steps(precision: Precision, executor: Executor, count: int) -> Block:
    """A block of `count` steps of smallmix's own loop on the card."""
    device = torch.device("cuda")
    cell = ARTICLE.cell(precision, executor)
    data = ARTICLE.training_data(device, choose_memory_format(device, ARTICLE.width))
    state = TrainingState.fresh(cell, data, device)
    state.model.train()
    runner = build_executor(data, state)

    def block() -> None:
        for _ in range(count):
            runner.step()
        runner.settle()
        torch.cuda.synchronize()

    return block


def measure_ceilings() -> tuple[float, float]:
    """Operations a second of a large bf16 product, and bytes a second (read and written) of a large copy."""
    side = 8192
    left, right = (torch.randn(side, side, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    source = torch.zeros(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    product = _seconds(lambda: left @ right)
    copy = _seconds(lambda: target.copy_(source))
    return 2 * side**3 / product, 2 * source.numel() / copy


def _seconds(work: Callable[[], object], repetitions: int = 20, rounds: int = 5) -> float:
    taken = []
    for _ in range(rounds + 1):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(repetitions):
            work()
        torch.cuda.synchronize()
        taken.append((time.perf_counter() - began) / repetitions)
    return statistics.median(taken[1:])


def _rates(comparison: Comparison, product: float) -> dict[str, Any]:
    flops = 3 * BATCH_SIZE * forward_flops(ARTICLE.cell().model, ARTICLE.side, ARTICLE.channels, CLASSES)
    table: dict[str, Any] = {}
    for name in comparison.seconds:
        step = comparison.median(name)
        table[f"{name}: ms a step"] = 1e3 * step
        table[f"{name}: images a second"] = BATCH_SIZE / step
        table[f"{name}: TFLOP/s"] = flops / step / 1e12
        table[f"{name}: share of the bf16 product"] = flops / step / product
        table[f"{name}: the article's 24 cells one after the other, minutes (predicted)"] = GRID_ITERATIONS * step / 60
    return table


def _processes() -> dict[str, Any]:
    """Steps a second of one, two and three processes at once, each with its own graph."""
    table: dict[str, Any] = {}
    package = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", "from smallmix.benchmark.gpu_speed import run_beside; run_beside()"]
    for count in PROCESS_COUNTS:
        # All begin to count at one moment, by when all have captured their steps.
        begin = time.time() + 40.0
        text = {**environment, "SMALLMIX_BENCHMARK_BEGIN": repr(begin)}
        running = [subprocess.Popen(command, env=text, stdout=subprocess.PIPE) for _ in range(count)]
        results = [process.communicate()[0] for process in running]
        if any(process.returncode for process in running):
            raise SmallmixError("a process of the benchmark failed on the card; its message stands above")
        steps = sum(json.loads(result)["steps"] for result in results)
        table[f"{count} at once: effective ms a step"] = 1e3 * PROCESS_SECONDS / steps
    return table


def run_beside() -> None:
    """What each of several processes runs: steps for a while from a given moment on; prints their number as JSON."""
    begin = float(os.environ["SMALLMIX_BENCHMARK_BEGIN"])
    fix_arithmetic(1)
    block = our_steps("bf16", "graph", 40)
    block()
    if time.time() > begin:
        raise SmallmixError("capturing took longer than 40 seconds")
    time.sleep(max(0.0, begin - time.time()))
    blocks = 0
    while time.time() < begin + PROCESS_SECONDS:
        block()
        blocks += 1
    print(json.dumps({"steps": 40 * blocks}))
