"""One cell from start to end: found in the store, or continued from its checkpoint, or trained from the beginning.

The code fingerprint of a result covers this module and everything that it imports.
"""

from __future__ import annotations

import datetime
import io
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch

from smallmix import atomic_files
from smallmix.datasets.data_fingerprint import fingerprint_data
from smallmix.errors import SmallmixError, TrainingError
from smallmix.fingerprints import fingerprint_code
from smallmix.science.model import count_parameters
from smallmix.study.cell import Cell
from smallmix.training.checkpoint import load_checkpoint, save_checkpoint
from smallmix.training.devices import (
    DeviceChoice,
    choose_device,
    choose_memory_format,
    describe_device,
    describe_processor,
    fix_arithmetic,
)
from smallmix.training.evaluation import Reading, calibrate
from smallmix.training.history import history_csv, summarize
from smallmix.training.interruption import StopRequest
from smallmix.training.store import RECORD_FORMAT, StoreEntry, store_key
from smallmix.training.training_data import load_training_data
from smallmix.training.training_loop import TrainingState, describe_seconds, train

CODE = "smallmix.training.train_cell"


@dataclass(frozen=True)
class TrainingJob:
    """What a training job is given: the cell, where its data lie, and where it runs (which decides no result)."""

    cell: Cell
    dataset: Path
    subset: Path
    store: Path
    output: Path
    version: str  # of smallmix, for the record
    device: DeviceChoice = "auto"
    checkpoint_seconds: float = 60.0


def train_cell(job: TrainingJob, stop: StopRequest, report: Callable[[str], None]) -> None:
    """Bring history.csv, metrics.json and predictions.npz of the cell into `job.output`.

    Raises CellBusyError where another process trains this cell, Interrupted after a signal, TrainingError on training
    faults (which are also written to failure.json beside the outputs), SmallmixError on full disks and the like.
    """
    data_fingerprint = fingerprint_data(job.subset, job.dataset)
    code_fingerprint = fingerprint_code(CODE)
    entry = StoreEntry(job.store / store_key(job.cell, data_fingerprint, code_fingerprint))

    def log(line: str) -> None:
        report(line)
        entry.log(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S} {line}")

    entry.acquire()
    try:
        if entry.is_finished():
            report(f"found in the store: {entry.folder.name} (equal cell, data and code); nothing to train")
        else:
            record = _train_record(job, entry, data_fingerprint, code_fingerprint, stop, log)
            entry.finish(record)
        entry.publish(job.output)
    except TrainingError as fault:
        log(f"failed: {fault}")
        failure = {
            "reason": str(fault),
            "log_tail": entry.log_tail(),
            "cell_fingerprint": job.cell.fingerprint,
        }
        atomic_files.write_text(job.output / "failure.json", json.dumps(failure, indent=1) + "\n")
        raise
    except SmallmixError as fault:
        log(f"stopped: {fault}")
        raise
    finally:
        entry.release()


def _train_record(
    job: TrainingJob,
    entry: StoreEntry,
    data_fingerprint: str,
    code_fingerprint: str,
    stop: StopRequest,
    log: Callable[[str], None],
) -> dict[str, bytes]:
    cell, key = job.cell, entry.folder.name
    fix_arithmetic(cell.recipe.cpu_threads)
    device = choose_device(job.device)
    memory_format = choose_memory_format(device, cell.model.width)
    saved = load_checkpoint(entry.folder, key, log)
    try:
        data = load_training_data(cell, job.dataset, job.subset, device, memory_format)
        state = TrainingState.fresh(cell, data, device)
        if saved is not None:
            state.restore(saved)
            log(f"continued from the checkpoint at iteration {state.iteration:,} of {cell.iterations:,}")
        else:
            state.started = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
            log(f"training {cell.iterations:,} iterations on {describe_device(device)}")
        reading = train(
            cell,
            data,
            state,
            save=lambda current: save_checkpoint(entry.folder, key, current.to_checkpoint()),
            save_every_seconds=job.checkpoint_seconds,
            stop=stop,
            log=log,
        )
    except (torch.OutOfMemoryError, MemoryError) as fault:
        raise TrainingError(_describe_out_of_memory(cell, device, fault)) from fault
    except RuntimeError as fault:
        if "can't allocate memory" not in str(fault):
            raise
        raise TrainingError(_describe_out_of_memory(cell, device, fault)) from fault
    log(
        f"finished: test accuracy {100 * reading.accuracy:.2f} % after {cell.iterations:,} iterations, "
        f"{describe_seconds(state.training_seconds + state.evaluation_seconds)}"
    )
    metrics = {
        "format": RECORD_FORMAT,
        "cell": cell.to_dict(),
        "cell_fingerprint": cell.fingerprint,
        "data_fingerprint": data_fingerprint,
        "code_fingerprint": code_fingerprint,
        **_results(cell, state, reading, data.test.labels.cpu().numpy()),
        "environment": describe_environment(cell, device, memory_format, job.version),
        "timing": _timing(cell, state),
    }
    return {
        "history.csv": history_csv(state.history),
        "metrics.json": (json.dumps(metrics, indent=1, allow_nan=False) + "\n").encode("ascii"),
        "predictions.npz": _predictions(reading, data.test.labels.cpu().numpy()),
    }


def _results(cell: Cell, state: TrainingState, reading: Reading, labels: Any) -> dict[str, Any]:
    return {
        "iterations": cell.iterations,
        "epochs": cell.iterations / cell.batches_per_epoch,
        "images_seen": cell.images_seen,
        "parameters": count_parameters(state.model),
        **summarize(state.history),
        **calibrate(reading.logits.numpy(), labels),
    }


def describe_environment(
    cell: Cell, device: torch.device, memory_format: torch.memory_format, version: str
) -> dict[str, Any]:
    """Versions and hardware that a result was obtained with."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "smallmix": version,
        "platform": f"{sys.platform} {platform.machine()}",
        "processor": describe_processor(),
        "device": describe_device(device),
        "threads": cell.recipe.cpu_threads,
        "precision": cell.recipe.precision,
        "memory_format": str(memory_format).removeprefix("torch."),
    }


def _timing(cell: Cell, state: TrainingState) -> dict[str, Any]:
    return {
        "started": state.started,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "training_seconds": round(state.training_seconds, 3),
        "evaluation_seconds": round(state.evaluation_seconds, 3),
        "total_seconds": round(state.training_seconds + state.evaluation_seconds, 3),
        "images_per_second": round(cell.images_seen / max(state.training_seconds, 1e-9), 1),
        "runs": state.runs,
    }


def _predictions(reading: Reading, labels: Any) -> bytes:
    buffer = io.BytesIO()
    logits = reading.logits.numpy().clip(-60000, 60000).astype(numpy.float16)
    numpy.savez_compressed(buffer, logits=logits, labels=labels)
    return buffer.getvalue()


def _describe_out_of_memory(cell: Cell, device: torch.device, fault: BaseException) -> str:
    place = "the CPU's memory"
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        place = f"{describe_device(device)} ({free:,} of {total:,} bytes free)"
    first_line = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
    return (
        f"out of memory on {place} with batches of {cell.recipe.batch_size} images at width {cell.model.width}: "
        f"{first_line} Lower recipe.batch_size or model.width, or run fewer jobs on the device at once; "
        "the batch size is never changed silently."
    )
