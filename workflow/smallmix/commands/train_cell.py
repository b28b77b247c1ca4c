"""`train-cell`: train one cell, or continue it, or find it in the store."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from smallmix.commands.options import Command, add_own_code, add_training, lock_patience, quick_imports, report_line
from smallmix.errors import CellBusyError, ConfigurationError, Interrupted
from smallmix.version import VERSION

if TYPE_CHECKING:
    from smallmix.study.cell import Cell
    from smallmix.training.signals import StopRequest


def _declare_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cell", required=True, help="the cell's value as JSON, or (with --study) its id: n500/label-mix/seed0"
    )
    add_own_code(parser)
    parser.add_argument("--study", type=Path, help="study.json, to look up a cell by its id")
    parser.add_argument("--dataset", type=Path, required=True, help="folder of the data set's arrays")
    parser.add_argument("--subset", type=Path, required=True, help="table of the cell's training images")
    parser.add_argument("--output", type=Path, required=True, help="the cell's folder")
    parser.add_argument(
        "--validation", type=Path, nargs="?", help="table of the study's validation images, where it has any"
    )
    parser.add_argument(
        "--keep-weights", action="store_true", help="write the trained network, too, as model.safetensors"
    )
    parser.add_argument("--cells-per-card", type=int, default=1, help="how many cells train on one GPU at once")
    add_training(parser)


def _train(arguments: argparse.Namespace) -> int:
    """Train; messages go to standard error, which Snakemake keeps as the job's log."""
    # Must be set before CUDA starts; deterministic matrix products need it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    from smallmix.training.gpu_slots import batch_job, lease_gpu, list_gpus
    from smallmix.training.signals import StopRequest

    stop = StopRequest().listen()
    cell = _read_cell(arguments)
    gpus = 0 if arguments.device == "cpu" else arguments.gpus
    available = list_gpus() if gpus else []
    with lease_gpu(
        arguments.slots, gpus=gpus, cells_per_card=arguments.cells_per_card, stop=lambda: bool(stop), report=report_line
    ):
        # Only now: importing torch may start CUDA, which reads CUDA_VISIBLE_DEVICES once.
        with quick_imports():
            from smallmix.training.cell_data import refuse_other_data
            from smallmix.training.train_cell import TrainingJob, train_cell

        job = TrainingJob(
            cell=cell,
            dataset=arguments.dataset,
            subset=arguments.subset,
            store=arguments.store,
            output=arguments.output,
            version=VERSION,
            device="cpu" if gpus == 0 else arguments.device,
            checkpoint_seconds=arguments.checkpoint_seconds,
            gpus=tuple(available),
            validation=arguments.validation,
            keep_weights=arguments.keep_weights,
        )
        refuse_other_data(cell, job.dataset, job.subset, job.output, job.validation)
        patience = lock_patience(arguments.wait_for_lock, batch_job() is not None)
        _wait_while_busy(lambda: train_cell(job, stop, report=report_line), stop, patience)
    return 0


def _read_cell(arguments: argparse.Namespace) -> Cell:
    from smallmix.study.cell import Cell
    from smallmix.study.study import Study

    if arguments.study is not None:
        return Study.load(arguments.study).with_files(arguments.own_code).cell(arguments.cell).value
    try:
        return Cell.from_dict(json.loads(arguments.cell)).with_files(arguments.own_code)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"--cell is not a cell's value in JSON ({type(error).__name__}: {error}). To name a cell by its id, "
            "give --study results/<study>/study.json as well."
        ) from error


def _wait_while_busy(train: Callable[[], None], stop: StopRequest, seconds: float) -> None:
    """Train; while another process trains this very cell, wait for it, then find its result or continue its work.

    A scheduler that lost sight of a node starts the job again elsewhere while the first one may still be writing.
    """
    deadline = time.monotonic() + seconds
    reported = False
    while True:
        try:
            return train()
        except CellBusyError as busy:
            if time.monotonic() >= deadline:
                raise
            if stop:
                raise Interrupted(f"stopped ({stop.signal_name}) while waiting for another process") from busy
            if not reported:
                reported = True
                report_line(f"waiting up to {seconds:.0f} s, because {busy}")
            time.sleep(1.0)


COMMANDS = {
    "train-cell": Command(
        "train one cell (size x method x seed), continuing from its checkpoint where there is one",
        _declare_train,
        _train,
    )
}
