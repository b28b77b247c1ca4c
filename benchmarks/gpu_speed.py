"""Speed on a GPU: each configuration of a step, several cells at once, and the GPU's roofline in the same run."""

from __future__ import annotations

import os
import time
from typing import Any

import torch
from smallmix.science.arithmetic import fix_arithmetic
from smallmix.study.cell import Executor, Precision

from benchmarks.comparison import Block, Comparison, compare
from benchmarks.gpu_sharing import compare_sharing
from benchmarks.reference import ReferenceTraining
from benchmarks.roofline import Roofline, measure_roofline, step_bytes, step_flops
from benchmarks.workload import ARTICLE, BATCH_SIZE, CLASSES

STEPS = 240
GRID_ITERATIONS = 1_024_500
CONFIGURATIONS: tuple[tuple[Precision, Executor], ...] = (
    ("bf16", "graph"),
    ("bf16", "graph-compiled"),
    ("bf16", "eager"),
    ("fp32", "graph"),
    ("fp32", "eager"),
)


def measure_gpu(rounds: int) -> tuple[list[Comparison], dict[str, dict[str, Any]]]:
    """Compare all configurations and the reference; also return tables of rates, roofline and sharing."""
    device = torch.device("cuda")
    fix_arithmetic(1)
    blocks: dict[str, Block] = {}
    set_up: dict[str, Any] = {}
    for precision, executor in CONFIGURATIONS:
        name = f"smallmix, {precision}, {executor}"
        began = time.perf_counter()
        try:
            block = our_steps(precision, executor, STEPS)
            block()
        except RuntimeError as error:  # one configuration that does not work must not hide the others
            set_up[name] = f"failed: {type(error).__name__}: {str(error).splitlines()[0]}"
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
    roofline = measure_roofline()
    sharing, missing = compare_sharing(rounds)
    fastest = min(sharing.median(name) for name in sharing.seconds)
    tables = {
        "Seconds from nothing to the end of the first block (capture and compilation included)": set_up,
        "Rates": _rates(comparison, roofline),
        "Roofline in the same run": _bounds(roofline),
        "Cells that share the GPU": {
            **{f"{name}: effective ms a step": 1e3 * sharing.median(name) for name in sharing.seconds},
            "the article's 24 cells in the fastest way, minutes (predicted)": GRID_ITERATIONS * fastest / 60,
            **{name: f"not measured: {reason}" for name, reason in missing.items()},
        },
    }
    return [comparison, sharing], tables


def our_steps(precision: Precision, executor: Executor, count: int) -> Block:
    """Return a block of `count` steps of smallmix's own loop on the GPU."""
    runner = ARTICLE.begin(torch.device("cuda"), precision, executor)

    def block() -> None:
        for _ in range(count):
            runner.step()
        runner.synchronize()
        torch.cuda.synchronize()

    return block


def _bounds(roofline: Roofline) -> dict[str, Any]:
    flops, traffic = _work()
    return {
        "bf16 product, TFLOP/s": roofline.bf16_product / 1e12,
        "copy, TB/s": roofline.copy / 1e12,
        "a step's arithmetic at the rate of the product, ms": 1e3 * flops / roofline.bf16_product,
        "a step's memory traffic at the rate of the copy, ms": 1e3 * traffic / roofline.copy,
    }


def _rates(comparison: Comparison, roofline: Roofline) -> dict[str, Any]:
    flops, traffic = _work()
    table: dict[str, Any] = {}
    for name in comparison.seconds:
        step = comparison.median(name)
        table[f"{name}: ms a step"] = 1e3 * step
        table[f"{name}: images a second"] = BATCH_SIZE / step
        table[f"{name}: TFLOP/s"] = flops / step / 1e12
        table[f"{name}: share of the compute bound"] = flops / roofline.bf16_product / step
        table[f"{name}: share of the memory bound"] = traffic / roofline.copy / step
        table[f"{name}: the article's 24 cells one after the other, minutes (predicted)"] = GRID_ITERATIONS * step / 60
    return table


def _work() -> tuple[int, int]:
    """Return operations and bytes of a step."""
    shape = (ARTICLE.cell().model, ARTICLE.side, ARTICLE.channels, CLASSES, BATCH_SIZE)
    return step_flops(*shape), step_bytes(*shape)
