"""Speed on a GPU: each configuration of a step, several cells at once, and the GPU's roofline in the same run.

This process computes nothing on the GPU itself. Every measurement runs in a process of its own, so that a configuration
that breaks its CUDA context, or hangs, hides none of the others.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

import torch
from smallmix.science.arithmetic import fix_arithmetic
from smallmix.study.cell import Executor, Precision

from benchmarks.comparison import Block, Comparison
from benchmarks.contenders import compare_working
from benchmarks.gpu_sharing import compare_sharing
from benchmarks.pages import Pages
from benchmarks.roofline import Roofline, measure_roofline, step_bytes, step_flops
from benchmarks.time_limit import TimeLimit
from benchmarks.worker_pool import TakeSteps, WorkerError, run_alone, worker_pool
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
LONGEST_WAIT = 200.0  # seconds for a process to begin and take its first steps; compiling may take two minutes
WHOLE_SECONDS = 480.0
SHARE_OF_SHARING = 0.3


def measure_gpu(pages: Pages, rounds: int, seconds: float = WHOLE_SECONDS) -> None:
    """Measure roofline, configurations and sharing, within `seconds`; each result goes to the pages as it comes."""
    limit = TimeLimit.after(seconds)
    gpu = pages.machine["GPU"]
    roofline = _measure_roofline(pages, limit)
    _compare_configurations(pages, gpu, rounds, TimeLimit(limit.end - SHARE_OF_SHARING * seconds), roofline)
    _compare_sharing(pages, gpu, rounds, limit)


def our_steps(precision: Precision, executor: Executor) -> TakeSteps:
    """Return smallmix's own loop on the GPU."""
    fix_arithmetic(1)
    runner = ARTICLE.begin(torch.device("cuda"), precision, executor)

    def take(count: int) -> None:
        for _ in range(count):
            runner.step()
        runner.synchronize()
        torch.cuda.synchronize()

    return take


def reference_steps() -> TakeSteps:
    """Return the reference's loop on the GPU, under PyTorch's defaults."""
    # Here, because it needs torchvision and Pillow: where they are missing, the reference alone is.
    from benchmarks.reference import ReferenceTraining

    training = ReferenceTraining(ARTICLE, min(8, os.cpu_count() or 1), torch.device("cuda"))

    def take(count: int) -> None:
        training.steps(count)
        torch.cuda.synchronize()

    return take


def _measure_roofline(pages: Pages, limit: TimeLimit) -> Roofline | None:
    try:
        roofline = run_alone(measure_roofline, limit=limit.within(LONGEST_WAIT))
    except WorkerError as error:
        pages.fail("the roofline", str(error))
        return None
    flops, traffic = _work()
    pages.add_numbers(
        "Roofline in the same run",
        {
            "bf16 product, TFLOP/s": roofline.bf16_product / 1e12,
            "copy, TB/s": roofline.copy / 1e12,
            "a step's arithmetic at the rate of the product, ms": 1e3 * flops / roofline.bf16_product,
            "a step's memory traffic at the rate of the copy, ms": 1e3 * traffic / roofline.copy,
        },
    )
    return roofline


def _compare_configurations(pages: Pages, gpu: str, rounds: int, limit: TimeLimit, roofline: Roofline | None) -> None:
    with contextlib.ExitStack() as running:

        def start(build: Callable[..., TakeSteps], *arguments: Any) -> Callable[[], Block]:
            def begin() -> Block:
                pool = worker_pool(build, arguments, 1, {}, limit, LONGEST_WAIT)
                take = running.enter_context(pool)
                return lambda: take(STEPS)

            return begin

        starts = {f"smallmix, {one}, {other}": start(our_steps, one, other) for one, other in CONFIGURATIONS}
        starts["reference"] = start(reference_steps)
        outcome = compare_working(f"{ARTICLE.name}, batch {BATCH_SIZE}, on {gpu}", "step", STEPS, starts, rounds, limit)
    failed = {name: f"failed: {reason}" for name, reason in outcome.failures.items()}
    pages.add_numbers(
        "Seconds from nothing to the end of the first block (capture and compilation included)",
        {name: outcome.first_block.get(name, failed.get(name)) for name in starts},
    )
    for name, reason in outcome.failures.items():
        pages.fail(name, reason)
    if outcome.comparison is not None:
        pages.add_comparison(outcome.comparison)
        pages.add_numbers("Rates", _rates(outcome.comparison, roofline))


def _compare_sharing(pages: Pages, gpu: str, rounds: int, limit: TimeLimit) -> None:
    outcome = compare_sharing(gpu, rounds, limit)
    table: dict[str, Any] = {}
    if outcome.comparison is not None:
        sharing = outcome.comparison
        pages.add_comparison(sharing)
        table |= {f"{name}: effective ms a step": 1e3 * sharing.median(name) for name in sharing.seconds}
        fastest = min(sharing.median(name) for name in sharing.seconds)
        table["the article's 24 cells in the fastest way, minutes (predicted)"] = GRID_ITERATIONS * fastest / 60
    table |= {name: f"not measured: {reason}" for name, reason in outcome.failures.items()}
    pages.add_numbers("Cells that share the GPU", table)


def _rates(comparison: Comparison, roofline: Roofline | None) -> dict[str, Any]:
    flops, traffic = _work()
    table: dict[str, Any] = {}
    for name in comparison.seconds:
        step = comparison.median(name)
        table[f"{name}: ms a step"] = 1e3 * step
        table[f"{name}: images a second"] = BATCH_SIZE / step
        table[f"{name}: TFLOP/s"] = flops / step / 1e12
        if roofline is not None:
            table[f"{name}: share of the compute bound"] = flops / roofline.bf16_product / step
            table[f"{name}: share of the memory bound"] = traffic / roofline.copy / step
        table[f"{name}: the article's 24 cells one after the other, minutes (predicted)"] = GRID_ITERATIONS * step / 60
    return table


def _work() -> tuple[int, int]:
    """Return operations and bytes of a step."""
    shape = (ARTICLE.cell().model, ARTICLE.side, ARTICLE.channels, CLASSES, BATCH_SIZE)
    return step_flops(*shape), step_bytes(*shape)
