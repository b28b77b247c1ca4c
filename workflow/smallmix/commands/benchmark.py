"""`benchmark`: measure smallmix against a reference in one run."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

SUMMARY = "measure speed against a reference in the usual structure, and Snakemake's own cost"
PARTS = ("cpu", "data", "snakemake", "gpu")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to write, and what to measure."""
    parser.add_argument("--output", type=Path, default=Path("reports/bench"), help="folder of bench.md and bench.json")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part alone; may be repeated")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of every comparison")


def run(arguments: argparse.Namespace) -> int:
    """Measure, write the pages, and say where they are."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    from smallmix.benchmark.cpu_speed import measure_data, measure_loops
    from smallmix.benchmark.gpu_speed import measure_gpu
    from smallmix.benchmark.job_cost import measure_job
    from smallmix.benchmark.machine import describe_machine
    from smallmix.benchmark.pages import write_pages
    from smallmix.benchmark.side_by_side import compare_studies
    from smallmix.benchmark.snakemake_cost import measure_snakemake
    from smallmix.benchmark.workload import DEMO

    parts = arguments.only or PARTS
    machine = describe_machine()
    comparisons, skipped = [], []
    numbers: dict[str, dict[str, Any]] = {}

    def say(what: str) -> None:
        print(f"measuring {what}", file=sys.stderr, flush=True)

    if "data" in parts:
        say("data and augmentation alone")
        comparisons += measure_data(arguments.rounds)
    if "cpu" in parts:
        say("training loops on the CPU")
        comparisons += measure_loops(arguments.rounds)
        say("a study on all cores")
        comparisons.append(compare_studies(DEMO, 32, arguments.rounds))
        say("start-up and memory of a job")
        numbers["A job of one step, from process to process"] = measure_job()
    if "snakemake" in parts:
        say("Snakemake's own cost")
        comparisons += measure_snakemake({24: min(5, arguments.rounds), 1200: min(3, arguments.rounds)})
    if "gpu" in parts and torch.cuda.is_available():
        say("training on the card")
        gpu_comparisons, gpu_numbers = measure_gpu(arguments.rounds)
        comparisons += gpu_comparisons
        numbers |= gpu_numbers
    elif "gpu" in parts:
        skipped.append("everything on a card, because PyTorch sees none")
    write_pages(arguments.output, machine, comparisons, numbers, skipped)
    print(arguments.output / "bench.md")
    return 0
