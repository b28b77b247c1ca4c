"""`python -m benchmarks`: measure smallmix against a reference in the usual structure, and Snakemake's own cost."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

PACKAGE_FOLDER = Path(__file__).resolve().parents[1] / "workflow"
PARTS = ("cpu", "data", "snakemake", "gpu")


def main(given: list[str] | None = None) -> int:
    """Measure, write the pages, and print where they are; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("reports/bench"), help="folder of bench.md and bench.json")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part alone; may be repeated")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of every comparison (default: 7)")
    arguments = parser.parse_args(given)

    sys.path.insert(0, str(PACKAGE_FOLDER))
    # Must be set before CUDA starts: deterministic matrix products need it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    from smallmix.errors import SmallmixError

    try:
        measure(arguments.output, arguments.only or PARTS, arguments.rounds)
    except SmallmixError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code
    print(arguments.output / "bench.md")
    return 0


def measure(output: Path, parts: list[str] | tuple[str, ...], rounds: int) -> None:
    """Measure the parts and write their pages.

    Each part imports what it measures: the GPU part runs where Snakemake and the configuration's libraries are missing.
    """
    import torch

    from benchmarks.machine import describe_machine
    from benchmarks.pages import write_pages

    machine = describe_machine()
    comparisons, skipped = [], []
    numbers: dict[str, dict[str, Any]] = {}
    if "data" in parts:
        from benchmarks.cpu_speed import measure_data

        report("data and augmentation alone")
        comparisons += measure_data(rounds)
    if "cpu" in parts:
        from benchmarks.cpu_speed import compare_studies, measure_loops
        from benchmarks.job_cost import measure_job
        from benchmarks.workload import DEMO

        report("training loops on the CPU")
        comparisons += measure_loops(rounds)
        report("a study on all cores")
        comparisons.append(compare_studies(DEMO, 32, rounds))
        report("start-up and memory of a job")
        numbers["A job of one step, from process to process"] = measure_job()
    if "snakemake" in parts:
        from benchmarks.snakemake_cost import measure_snakemake

        report("Snakemake's own cost")
        comparisons += measure_snakemake({24: min(5, rounds), 1200: min(3, rounds)})
    if "gpu" in parts and torch.cuda.is_available():
        from benchmarks.gpu_speed import measure_gpu

        report("training on the GPU")
        gpu_comparisons, gpu_numbers = measure_gpu(rounds)
        comparisons += gpu_comparisons
        numbers |= gpu_numbers
    elif "gpu" in parts:
        skipped.append("everything on a GPU, because PyTorch sees none")
    write_pages(output, machine, comparisons, numbers, skipped)


def report(what: str) -> None:
    """Print what is measured next."""
    print(f"measuring {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
