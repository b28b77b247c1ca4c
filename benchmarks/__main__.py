"""`python -m benchmarks`: measure smallmix against a reference in the usual structure, and Snakemake's own cost."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.pages import Pages

PACKAGE_FOLDER = Path(__file__).resolve().parents[1] / "workflow"


def main(given: list[str] | None = None) -> int:
    """Measure, write the pages, and print where they are; return the exit code, 1 where something failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("reports/bench"), help="folder of bench.md and bench.json")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part alone; may be repeated")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of every comparison (default: 7)")
    parser.add_argument("--seconds", type=float, default=480.0, help="time for the GPU part (default: 480)")
    arguments = parser.parse_args(given)

    if str(PACKAGE_FOLDER) not in sys.path:
        sys.path.insert(0, str(PACKAGE_FOLDER))
    # Must be set before CUDA starts: deterministic matrix products need it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    failed = measure(arguments.only or tuple(PARTS), arguments)
    print(arguments.output / "bench.md")
    return 1 if failed else 0


def measure(parts: Sequence[str], arguments: argparse.Namespace) -> bool:
    """Measure the parts, writing the pages after each result; return whether something failed.

    Each part imports what it measures: the GPU part runs where Snakemake and the configuration's libraries are missing.
    A part that fails does not keep the others from being measured.
    """
    from benchmarks.machine import describe_machine
    from benchmarks.pages import Pages
    from benchmarks.worker_pool import describe_chain

    pages = Pages(arguments.output, describe_machine())
    pages.write()
    for name, measure_part in PARTS.items():
        if name in parts:
            try:
                measure_part(pages, arguments)
            except Exception as error:
                traceback.print_exc()
                pages.fail(f"the part {name}", describe_chain(error))
    return pages.failed


def measure_data_part(pages: Pages, arguments: argparse.Namespace) -> None:
    """Measure data and augmentation."""
    from benchmarks.cpu_speed import measure_data

    report("data and augmentation alone")
    for comparison in measure_data(arguments.rounds):
        pages.add_comparison(comparison)


def measure_cpu_part(pages: Pages, arguments: argparse.Namespace) -> None:
    """Measure loops, a study on all cores, and a job."""
    from benchmarks.cpu_speed import compare_studies, measure_loops
    from benchmarks.job_cost import measure_job
    from benchmarks.workload import DEMO

    report("training loops on the CPU")
    for comparison in measure_loops(arguments.rounds):
        pages.add_comparison(comparison)
    report("a study on all cores")
    pages.add_comparison(compare_studies(DEMO, 32, arguments.rounds))
    report("start-up and memory of a job")
    pages.add_numbers("A job of one step, from process to process", measure_job())


def measure_snakemake_part(pages: Pages, arguments: argparse.Namespace) -> None:
    """Measure Snakemake's own cost."""
    from benchmarks.snakemake_cost import measure_snakemake

    report("Snakemake's own cost")
    for comparison in measure_snakemake({24: min(5, arguments.rounds), 1200: min(3, arguments.rounds)}):
        pages.add_comparison(comparison)


def measure_gpu_part(pages: Pages, arguments: argparse.Namespace) -> None:
    """Measure the GPU, where there is one."""
    import torch

    from benchmarks.gpu_speed import measure_gpu

    if not torch.cuda.is_available():
        pages.skip("everything on a GPU, because PyTorch sees none")
        return
    report("training on the GPU")
    measure_gpu(pages, arguments.rounds, arguments.seconds)


PARTS: dict[str, Callable[[Pages, argparse.Namespace], None]] = {
    "data": measure_data_part,
    "cpu": measure_cpu_part,
    "snakemake": measure_snakemake_part,
    "gpu": measure_gpu_part,
}


def report(what: str) -> None:
    """Print what is measured next."""
    print(f"measuring {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
