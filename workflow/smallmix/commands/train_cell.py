"""`train-cell`: train one cell, or continue it, or find it in the store."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from smallmix.errors import ConfigurationError
from smallmix.version import VERSION

SUMMARY = "train one cell (size x method x seed), continuing from its checkpoint where there is one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The cell, where its data lie, and where it runs."""
    parser.add_argument(
        "--cell", required=True, help="the cell's value as JSON, or (with --study) its place: n500/label-mix/seed0"
    )
    parser.add_argument("--study", type=Path, help="study.json, to look up a cell by its place")
    parser.add_argument("--dataset", type=Path, required=True, help="folder of the data set's arrays")
    parser.add_argument("--subset", type=Path, required=True, help="table of the cell's training images")
    parser.add_argument("--store", type=Path, default=Path("results/store"), help="store of trained cells")
    parser.add_argument("--output", type=Path, required=True, help="the cell's folder")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--gpus", type=int, default=1, help="0 trains on the CPU, whatever cards there are")
    parser.add_argument("--checkpoint-seconds", type=float, default=60.0, help="time between two checkpoints")


def run(arguments: argparse.Namespace) -> int:
    """Train; messages go to standard error, which Snakemake keeps as the job's log."""
    # Must be set before CUDA starts; deterministic matrix products need it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    from smallmix.training.interruption import StopRequest

    stop = StopRequest().listen()
    from smallmix.study.cell import Cell
    from smallmix.study.study import Study
    from smallmix.training.train_cell import TrainingJob, train_cell

    if arguments.study is not None:
        cell = Study.load(arguments.study).cell(arguments.cell).value
    else:
        try:
            cell = Cell.from_dict(json.loads(arguments.cell))
        except (ValueError, KeyError, TypeError) as fault:
            raise ConfigurationError(
                f"--cell is not a cell's value in JSON ({type(fault).__name__}: {fault}). To name a cell by its place, "
                "give --study results/<study>/study.json as well."
            ) from fault
    train_cell(
        TrainingJob(
            cell=cell,
            dataset=arguments.dataset,
            subset=arguments.subset,
            store=arguments.store,
            output=arguments.output,
            version=VERSION,
            device="cpu" if arguments.gpus == 0 else arguments.device,
            checkpoint_seconds=arguments.checkpoint_seconds,
        ),
        stop,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    return 0
