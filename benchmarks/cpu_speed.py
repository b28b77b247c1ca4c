"""Speed on the CPU against the reference: the training loop, data and augmentation alone, and a study on all cores."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch
from smallmix.science.arithmetic import choose_memory_format, fix_arithmetic
from smallmix.science.batch_plan import BatchPlan
from smallmix.science.steps import row_of, upload
from smallmix.study.cell import Precision
from smallmix.training.hardware import bfloat16_support

from benchmarks.comparison import Block, Comparison, compare
from benchmarks.machine import cores
from benchmarks.reference import ReferenceTraining, batches_without_end
from benchmarks.worker_pool import TakeSteps, worker_pool
from benchmarks.workload import ARTICLE, BATCH_SIZE, DEMO, Workload

CPU = torch.device("cpu")
OURS = "smallmix"
WORKER_COUNTS = (0, 2)


def reference_name(workers: int) -> str:
    """Return the contender's name."""
    return f"reference, {workers} workers"


def with_arithmetic(ours: bool, threads: int, block: Block) -> Block:
    """Return the block run under smallmix's settings, or under PyTorch's defaults, which the reference keeps."""

    def run() -> None:
        if ours:
            fix_arithmetic(threads)
        else:
            torch.set_num_threads(threads)
            torch.set_flush_denormal(False)
            torch.set_deterministic_debug_mode("default")
        block()

    return run


def our_steps(workload: Workload, threads: int, count: int, precision: Precision = "fp32") -> Block:
    """Return a block of `count` steps of smallmix's own loop; tables are drawn as they are needed."""
    executor = workload.begin(CPU, precision, threads=threads)

    def block() -> None:
        for _ in range(count):
            executor.step()
        executor.synchronize()

    return block


def compare_loops(
    workload: Workload,
    threads: int,
    steps: int,
    rounds: int,
    worker_counts: tuple[int, ...] = WORKER_COUNTS,
    precision: Precision = "fp32",
) -> Comparison:
    """Compare whole loops without evaluations: data, forward, backward, optimiser, loss on the host.

    The reference keeps PyTorch's default precision, float32.
    """
    blocks: dict[str, Block] = {OURS: with_arithmetic(True, threads, our_steps(workload, threads, steps, precision))}
    for workers in worker_counts:
        training = ReferenceTraining(workload, workers, CPU)
        blocks[reference_name(workers)] = with_arithmetic(False, threads, _bound(training.steps, steps))
    title = f"whole training loop, {workload.name}, batch {BATCH_SIZE}, {threads} thread{'s' if threads > 1 else ''}"
    title += f", smallmix in {precision}"
    return compare(title, "step", steps, blocks, rounds)


def compare_data(workload: Workload, batches: int, rounds: int) -> Comparison:
    """Compare tables, gathering and augmentation on one thread with DataLoader and transforms on all cores."""
    cell = workload.cell()
    images = workload.training_data(CPU, choose_memory_format(CPU, workload.width)).training
    plan, drawn = BatchPlan(cell), [0]

    def ours() -> None:
        # A whole chunk and its drawing: more work than the reference's block, counted in full.
        chunk = plan.chunk(drawn[0])
        drawn[0] += 1
        table = upload(chunk, CPU)
        for position, size in enumerate(chunk.batch_sizes):
            images.batch(row_of(table, position, int(size)))

    def theirs(workers: int) -> Block:
        source = batches_without_end(workload, workers)

        def block() -> None:
            for _ in range(batches):
                next(source)

        return block

    images_of_ours = plan.epochs_per_chunk * workload.images
    images_of_theirs = batches * workload.images / cell.batches_per_epoch
    blocks = {OURS: with_arithmetic(True, 1, ours)}
    for workers in WORKER_COUNTS:
        blocks[reference_name(workers)] = with_arithmetic(False, cores(), theirs(workers))
    title = f"data and augmentation alone, {workload.side} x {workload.side}"
    raw = compare(title, "image", 1, blocks, rounds)
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

        def block(workers: int | None, trainings: int) -> Block:
            take = running.enter_context(worker_pool(single_threaded, (workload, workers), trainings, {}))
            return lambda: take(max(1, steps // trainings))

        blocks = {
            f"{OURS}, a cell a core": block(None, count),
            "reference, a training a core, 0 workers": block(0, count),
            "reference, a training a core, 2 workers": block(2, count),
            "reference, one training, 2 workers": block(2, 1),
        }
        title = f"a study on {count} core{'s' if count > 1 else ''}, {workload.name}, batch {BATCH_SIZE}"
        return compare(title, "step", steps, blocks, rounds)


def single_threaded(workload: Workload, workers: int | None) -> TakeSteps:
    """Return the steps of smallmix's loop (`workers` None) or of the reference's, on one thread of this process."""
    if workers is not None:
        torch.set_num_threads(1)
        return ReferenceTraining(workload, workers, CPU).steps
    fix_arithmetic(1)
    step = our_steps(workload, 1, 1)

    def take(count: int) -> None:
        for _ in range(count):
            step()

    return take


def _bound(steps: Callable[[int], None], count: int) -> Block:
    def block() -> None:
        steps(count)

    return block
