"""Speed on the CPU against the reference: the training loop, data and augmentation alone, and a study on all cores.

Each contender works in processes of its own. Smallmix keeps freed memory and fixes its arithmetic, as its trainings do.
The reference keeps the C library's usual memory and PyTorch's defaults, and one process cannot have both.
"""

from __future__ import annotations

import contextlib

import torch
from smallmix.science.arithmetic import choose_memory_format, fix_arithmetic
from smallmix.science.batch_plan import BatchPlan
from smallmix.science.steps import row_of, upload
from smallmix.study.cell import Precision
from smallmix.training.hardware import bfloat16_support
from smallmix.training.kept_memory import expected_bytes, keep_memory

from benchmarks.comparison import Block, Comparison, compare
from benchmarks.machine import cores
from benchmarks.reference import ReferenceTraining, batches_without_end
from benchmarks.worker_pool import TakeSteps, worker_pool
from benchmarks.workload import ARTICLE, BATCH_SIZE, CLASSES, DEMO, Workload

CPU = torch.device("cpu")
OURS = "smallmix"
WORKER_COUNTS = (0, 2)


def reference_name(workers: int) -> str:
    """Return the contender's name."""
    return f"reference, {workers} workers"


def begin_ours(workload: Workload, threads: int) -> None:
    """Set this process up as a training on the CPU does."""
    fix_arithmetic(threads)
    keep_memory(expected_bytes(workload.cell(), (workload.side, workload.side, workload.channels), CLASSES))


def our_steps(workload: Workload, threads: int, precision: Precision) -> TakeSteps:
    """Return the steps of smallmix's own loop in this process; tables are drawn as they are needed."""
    begin_ours(workload, threads)
    executor = workload.begin(CPU, precision, threads=threads)

    def take(count: int) -> None:
        for _ in range(count):
            executor.step()
        executor.synchronize()

    return take


def reference_steps(workload: Workload, threads: int, workers: int) -> TakeSteps:
    """Return the steps of the reference's loop in this process, in PyTorch's default precision, float32."""
    torch.set_num_threads(threads)
    return ReferenceTraining(workload, workers, CPU).steps


def compare_loops(
    workload: Workload,
    threads: int,
    steps: int,
    rounds: int,
    worker_counts: tuple[int, ...] = WORKER_COUNTS,
    precision: Precision = "fp32",
) -> Comparison:
    """Compare whole loops without evaluations: data, forward, backward, optimiser, loss on the host."""
    with contextlib.ExitStack() as running:
        take = running.enter_context(worker_pool(our_steps, (workload, threads, precision), 1, {}))
        blocks: dict[str, Block] = {OURS: _times(take, steps)}
        for workers in worker_counts:
            take = running.enter_context(worker_pool(reference_steps, (workload, threads, workers), 1, {}))
            blocks[reference_name(workers)] = _times(take, steps)
        title = (
            f"whole training loop, {workload.name}, batch {BATCH_SIZE}, {threads} thread{'s' if threads > 1 else ''}"
        )
        title += f", smallmix in {precision}"
        return compare(title, "step", steps, blocks, rounds)


def our_chunks(workload: Workload) -> TakeSteps:
    """Return the drawing of a chunk's table and the gathering of all its batches, in this process on one thread."""
    begin_ours(workload, 1)
    images = workload.training_data(CPU, choose_memory_format(CPU, workload.width)).training
    plan, drawn = BatchPlan(workload.cell()), 0

    def take(count: int) -> None:
        nonlocal drawn
        for _ in range(count):
            chunk = plan.chunk(drawn)
            drawn += 1
            table = upload(chunk, CPU)
            for position, size in enumerate(chunk.batch_sizes):
                images.batch(row_of(table, position, int(size)))

    return take


def reference_batches(workload: Workload, workers: int) -> TakeSteps:
    """Return the batches of the reference's DataLoader in this process."""
    source = batches_without_end(workload, workers)

    def take(count: int) -> None:
        for _ in range(count):
            next(source)

    return take


def compare_data(workload: Workload, batches: int, rounds: int) -> Comparison:
    """Compare tables, gathering and augmentation on one thread with DataLoader and transforms on all cores.

    Our block is a whole chunk, more work than the reference's: images are counted in full.
    """
    cell = workload.cell()
    with contextlib.ExitStack() as running:
        blocks = {OURS: _times(running.enter_context(worker_pool(our_chunks, (workload,), 1, {})), 1)}
        for workers in WORKER_COUNTS:
            take = running.enter_context(worker_pool(reference_batches, (workload, workers), 1, {}))
            blocks[reference_name(workers)] = _times(take, batches)
        title = f"data and augmentation alone, {workload.side} x {workload.side}"
        raw = compare(title, "image", 1, blocks, rounds)
    images_of_ours = BatchPlan(cell).epochs_per_chunk * workload.images
    images_of_theirs = batches * workload.images / cell.batches_per_epoch
    counts = {name: images_of_theirs if name in raw.others else images_of_ours for name in raw.seconds}
    seconds = {name: tuple(one / counts[name] for one in taken) for name, taken in raw.seconds.items()}
    return Comparison(title, "image", 1, raw.ours, seconds)


def measure_loops(rounds: int) -> list[Comparison]:
    """Compare whole loops of both networks, the wide one also in bfloat16 where the processor computes in it.

    A step of the article's network takes seconds, so its blocks are one step.
    """
    precisions: tuple[Precision, ...] = ("fp32", "bf16") if bfloat16_support(CPU) == "native" else ("fp32",)
    wide = [compare_loops(ARTICLE, cores(), 1, rounds, (0,), precision) for precision in precisions]
    return [compare_loops(DEMO, 1, 16, rounds), *wide]


def measure_data(rounds: int) -> list[Comparison]:
    """Compare data alone at both image sizes."""
    return [compare_data(DEMO, 12, rounds), compare_data(ARTICLE, 12, rounds)]


def compare_studies(workload: Workload, steps: int, rounds: int) -> Comparison:
    """Compare seconds a step over all trainings, each contender in turn with every core to itself.

    One training alone says little of a study: the reference's workers use cores on which smallmix trains more cells.
    """
    count = cores()
    with contextlib.ExitStack() as running:

        def ours(trainings: int) -> Block:
            take = running.enter_context(worker_pool(our_steps, (workload, 1, "fp32"), trainings, {}))
            return _times(take, max(1, steps // trainings))

        def theirs(workers: int, trainings: int) -> Block:
            take = running.enter_context(worker_pool(reference_steps, (workload, 1, workers), trainings, {}))
            return _times(take, max(1, steps // trainings))

        blocks = {
            f"{OURS}, a cell a core": ours(count),
            "reference, a training a core, 0 workers": theirs(0, count),
            "reference, a training a core, 2 workers": theirs(2, count),
            "reference, one training, 2 workers": theirs(2, 1),
        }
        title = f"a study on {count} core{'s' if count > 1 else ''}, {workload.name}, batch {BATCH_SIZE}"
        return compare(title, "step", steps, blocks, rounds)


def _times(take: TakeSteps, count: int) -> Block:
    return lambda: take(count)
