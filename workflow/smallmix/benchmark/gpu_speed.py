"""On a card: each way of starting steps, several cells at once, and the card's own ceilings in the same run."""

from __future__ import annotations

import os
import time
from typing import Any

import torch

from smallmix.benchmark.card_sharing import compare_sharing
from smallmix.benchmark.ceilings import Ceilings, measure_ceilings, step_bytes, step_flops
from smallmix.benchmark.interleaved import Block, Comparison, compare
from smallmix.benchmark.reference import ReferenceTraining
from smallmix.benchmark.workload import ARTICLE, BATCH_SIZE, CLASSES
from smallmix.science.arithmetic import fix_arithmetic
from smallmix.study.cell import Executor, Precision

STEPS = 240
GRID_ITERATIONS = 1_024_500
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
    ceilings = measure_ceilings()
    sharing, missing = compare_sharing(rounds)
    fastest = min(sharing.median(name) for name in sharing.seconds)
    tables = {
        "Seconds from nothing to the end of the first block (capture and compilation included)": set_up,
        "Rates": _rates(comparison, ceilings),
        "Floors in the same run": _floors(ceilings),
        "Cells that share the card": {
            **{f"{name}: effective ms a step": 1e3 * sharing.median(name) for name in sharing.seconds},
            "the article's 24 cells in the fastest way, minutes (predicted)": GRID_ITERATIONS * fastest / 60,
            **{name: f"not measured: {reason}" for name, reason in missing.items()},
        },
    }
    return [comparison, sharing], tables


def our_steps(precision: Precision, executor: Executor, count: int) -> Block:
    """A block of `count` steps of smallmix's own loop on the card."""
    runner = ARTICLE.begin(torch.device("cuda"), precision, executor)

    def block() -> None:
        for _ in range(count):
            runner.step()
        runner.synchronize()
        torch.cuda.synchronize()

    return block


def _floors(ceilings: Ceilings) -> dict[str, Any]:
    flops, traffic = _work()
    return {
        "bf16 product, TFLOP/s": ceilings.bf16_product / 1e12,
        "copy, TB/s": ceilings.copy / 1e12,
        "a step's arithmetic at the rate of the product, ms": 1e3 * flops / ceilings.bf16_product,
        "a step's memory traffic at the rate of the copy, ms": 1e3 * traffic / ceilings.copy,
    }


def _rates(comparison: Comparison, ceilings: Ceilings) -> dict[str, Any]:
    flops, traffic = _work()
    table: dict[str, Any] = {}
    for name in comparison.seconds:
        step = comparison.median(name)
        table[f"{name}: ms a step"] = 1e3 * step
        table[f"{name}: images a second"] = BATCH_SIZE / step
        table[f"{name}: TFLOP/s"] = flops / step / 1e12
        table[f"{name}: share of the arithmetic floor"] = flops / ceilings.bf16_product / step
        table[f"{name}: share of the memory floor"] = traffic / ceilings.copy / step
        table[f"{name}: the article's 24 cells one after the other, minutes (predicted)"] = GRID_ITERATIONS * step / 60
    return table


def _work() -> tuple[int, int]:
    """Operations and bytes of a step."""
    shape = (ARTICLE.cell().model, ARTICLE.side, ARTICLE.channels, CLASSES, BATCH_SIZE)
    return step_flops(*shape), step_bytes(*shape)
