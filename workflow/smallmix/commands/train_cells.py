"""`train-cells`: train several cells in one process, in turns of a step each."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallmix.commands.options import Command, add_training, lock_patience, quick_imports, report_line
from smallmix.errors import ConfigurationError
from smallmix.version import VERSION

if TYPE_CHECKING:
    from smallmix.training.train_cell import TrainingJob

JOB_KEYS = ("cell", "dataset", "subset", "output")


def _declare(parser: argparse.ArgumentParser) -> None:
    cells = parser.add_mutually_exclusive_group(required=True)
    cells.add_argument("--study", type=Path, help="the resolved study, results/<study>/study.json")
    cells.add_argument(
        "--jobs",
        type=Path,
        help=f"a JSON list of jobs, each with {', '.join(JOB_KEYS)}: the cell's value and paths, as of train-cell "
        "(and validation, where the cell has validation images); keep_weights: true keeps the trained network",
    )
    parser.add_argument(
        "--cell",
        action="append",
        metavar="ID",
        help="with --study: a cell such as n500/label-mix/seed0; may be given again (default: all, the longest first)",
    )
    parser.add_argument(
        "--at-once",
        type=int,
        default=1,
        metavar="N",
        help="how many cells train at the same time, in turns; on a GPU each has a CUDA stream of its own "
        "(default: 1, one cell after the other)",
    )
    parser.add_argument(
        "--store-only",
        action="store_true",
        help="leave the cells' folders to Snakemake: its job of each cell then finds the result in the store",
    )
    add_training(parser)


def _train(arguments: argparse.Namespace) -> int:
    """Train; each line on standard error begins with the cell that it is about."""
    # Must be set before CUDA starts; deterministic matrix products need it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    from smallmix.training.gpu_slots import batch_job, lease_gpu, list_gpus
    from smallmix.training.signals import StopRequest

    stop = StopRequest().listen()
    if arguments.at_once < 1:
        raise ConfigurationError(f"--at-once must be 1 or more (given: {arguments.at_once}).")
    gpus = 0 if arguments.device == "cpu" else arguments.gpus
    available = list_gpus() if gpus else []
    with (
        lease_gpu(arguments.slots, gpus=gpus, stop=lambda: bool(stop), report=report_line),
        tempfile.TemporaryDirectory(prefix="smallmix-") as scratch,
    ):
        # Only now: importing torch may start CUDA, which reads CUDA_VISIBLE_DEVICES once.
        with quick_imports():
            from smallmix.training.train_cells import describe_outcomes, exit_code_of, train_cells

        place = {
            "store": arguments.store,
            "version": VERSION,
            "device": "cpu" if gpus == 0 else arguments.device,
            "checkpoint_seconds": arguments.checkpoint_seconds,
            "gpus": tuple(available),
        }
        jobs = _jobs_of_file(arguments, place) if arguments.study is None else _jobs_of_study(arguments, place)
        if arguments.store_only:
            jobs = {
                name: replace(job, output=Path(scratch) / str(number))
                for number, (name, job) in enumerate(jobs.items())
            }
        patience = lock_patience(arguments.wait_for_lock, batch_job() is not None)
        outcomes = train_cells(jobs, arguments.at_once, stop, report_line, patience)
    report_line(f"smallmix train-cells: {describe_outcomes(outcomes)}")
    return exit_code_of(outcomes.values())


def _jobs_of_study(arguments: argparse.Namespace, place: dict[str, Any]) -> dict[str, TrainingJob]:
    from smallmix.study.layout import Layout
    from smallmix.study.study import Study
    from smallmix.training.train_cell import TrainingJob

    study = Study.load(arguments.study)
    layout = Layout(study)
    if arguments.cell:
        cells = [study.cell(place) for place in dict.fromkeys(arguments.cell)]
    else:
        # The longest first: begun last, they would go on alone.
        cells = sorted(study.cells, key=lambda cell: -cell.value.iterations)
    return {
        cell.id: TrainingJob(
            cell=cell.value,
            dataset=layout.dataset,
            subset=layout.subset(cell),
            output=layout.cell(cell),
            validation=layout.validation,
            keep_weights=study.keeps_weights,
            **place,
        )
        for cell in cells
    }


def _jobs_of_file(arguments: argparse.Namespace, place: dict[str, Any]) -> dict[str, TrainingJob]:
    """Read the jobs; a cell's name in messages is its output folder."""
    from smallmix.study.cell import Cell
    from smallmix.training.train_cell import TrainingJob

    if arguments.cell:
        raise ConfigurationError("--cell names cells of --study; with --jobs, the file alone says which are trained.")
    jobs: dict[str, TrainingJob] = {}
    try:
        listed = json.loads(arguments.jobs.read_text(encoding="utf-8"))
        if not isinstance(listed, list) or not listed:
            raise ValueError("it is no list of jobs")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--jobs: cannot read {arguments.jobs}: {error}.") from error
    for number, entry in enumerate(listed, start=1):
        try:
            cell = Cell.from_dict(entry["cell"])
            dataset, subset, output = (Path(entry[key]) for key in JOB_KEYS[1:])
            validation = Path(entry["validation"]) if "validation" in entry else None
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"--jobs: job {number} of {arguments.jobs} is not one ({type(error).__name__}: {error}). "
                f"Each needs {', '.join(JOB_KEYS)}: the cell's value as train-cell takes it, and three paths."
            ) from error
        if str(output) in jobs:
            raise ConfigurationError(
                f"--jobs: two jobs of {arguments.jobs} have the output {output}. Give each its own."
            )
        keep = entry.get("keep_weights") is True
        jobs[str(output)] = TrainingJob(
            cell=cell,
            dataset=dataset,
            subset=subset,
            output=output,
            validation=validation,
            keep_weights=keep,
            **place,
        )
    return jobs


COMMANDS = {
    "train-cells": Command(
        "train several cells in one process, which may share a GPU in turns of a step each", _declare, _train
    )
}
