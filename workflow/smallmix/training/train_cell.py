"""One cell from start to end: found in the store, or continued from its checkpoint, or trained from the beginning.

The code fingerprint of a result covers this module and everything that it imports.
"""

from __future__ import annotations

import contextlib
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
from smallmix.errors import CellBusyError, Interrupted, SmallmixError, TrainingError
from smallmix.fingerprints import fingerprint_code
from smallmix.science.model import count_parameters
from smallmix.study.cell import Cell
from smallmix.training.checkpoint import resume_from_checkpoint, save_checkpoint
from smallmix.training.devices import (
    DeviceChoice,
    choose_device,
    choose_memory_format,
    describe_device,
    describe_processor,
    explain_unusable_cards,
    fix_arithmetic,
    warn_of_emulation,
)
from smallmix.training.evaluation import Reading, calibrate
from smallmix.training.faults import describe_out_of_memory, is_out_of_memory, warn_of_remainder
from smallmix.training.history import history_csv, summarize
from smallmix.training.interruption import StopRequest
from smallmix.training.store import RECORD_FORMAT, StoreEntry, remove_file, store_key
from smallmix.training.training_data import load_training_data
from smallmix.training.training_loop import describe_seconds, train
from smallmix.training.training_state import TrainingState

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
    cards: tuple[str, ...] = ()  # that were counted where it runs; a training that cannot use them says so


def train_cell(job: TrainingJob, stop: StopRequest, report: Callable[[str], None]) -> None:
    """Bring history.csv, metrics.json and predictions.npz of the cell into `job.output`.

    Raises CellBusyError where another process trains this cell, Interrupted after a signal, TrainingError on training
    faults, SmallmixError on full disks and the like. Whatever ends a training, but for the first two, is also written
    to failure.json beside the outputs.
    """
    entry: StoreEntry | None = None
    try:
        data_fingerprint = fingerprint_data(job.subset, job.dataset)
        code_fingerprint = fingerprint_code(CODE)
        entry = StoreEntry(job.store / store_key(job.cell, data_fingerprint, code_fingerprint))
        _bring_record(job, entry, data_fingerprint, code_fingerprint, stop, report)
    except CellBusyError:
        raise  # another process writes the log and the outputs
    except Interrupted as fault:
        _log(entry, f"stopped: {fault}")
        raise
    except Exception as fault:
        reason = str(fault) if isinstance(fault, SmallmixError) else f"unexpected {type(fault).__name__}: {fault}"
        _log(entry, f"failed: {reason}")
        _write_failure(job, entry, reason)
        raise
    finally:
        if entry is not None:
            entry.release()


def _bring_record(
    job: TrainingJob,
    entry: StoreEntry,
    data_fingerprint: str,
    code_fingerprint: str,
    stop: StopRequest,
    report: Callable[[str], None],
) -> None:
    """Find the cell's record in the store or train it there, then publish it."""

    def log(line: str) -> None:
        report(line)
        _log(entry, line)

    found = f"found in the store: {entry.folder.name} (equal cell, data and code); nothing to train"
    if entry.is_finished:  # needs no lock, so a store may also be shared read-only
        report(found)
        entry.publish(job.output)
        return
    entry.acquire()
    if entry.is_finished:  # by the process that held the lock until now
        report(found)
        entry.discard_checkpoints()
    else:
        damage = entry.find_damage()
        if damage is not None:
            log(f"the finished record in the store is not used: {damage}; the cell is trained again")
        remove_file(job.output / "failure.json")  # of an earlier attempt
        entry.finish(_train_record(job, entry, data_fingerprint, code_fingerprint, stop, log))
    entry.publish(job.output)


def _log(entry: StoreEntry | None, line: str) -> None:
    if entry is not None:
        entry.log(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S} {line}")


def _write_failure(job: TrainingJob, entry: StoreEntry | None, reason: str) -> None:
    failure = {
        "reason": reason,
        "log_tail": entry.log_tail() if entry is not None else [],
        "cell_fingerprint": job.cell.fingerprint,
    }
    # Where even this cannot be written, the fault itself is what people must see.
    with contextlib.suppress(SmallmixError):
        atomic_files.write_text(job.output / "failure.json", json.dumps(failure, indent=1) + "\n")


def _train_record(
    job: TrainingJob,
    entry: StoreEntry,
    data_fingerprint: str,
    code_fingerprint: str,
    stop: StopRequest,
    log: Callable[[str], None],
) -> dict[str, bytes]:
    cell, key = job.cell, entry.folder.name
    stop.check("starting")
    fix_arithmetic(cell.recipe.cpu_threads)
    device = choose_device(job.device)
    memory_format = choose_memory_format(device, cell.model.width)
    environment = describe_environment(cell, device, memory_format, job.version)
    unusable = explain_unusable_cards(job.cards) if device.type == "cpu" else None
    if unusable is not None:
        log(f"warning: {unusable}")
        environment["card"] = f"counted, but not usable: {unusable}"
    for warning in (warn_of_emulation(cell.recipe.precision, device), warn_of_remainder(cell)):
        if warning is not None:
            log(warning)
    try:
        data = load_training_data(cell, job.dataset, job.subset, device, memory_format)
        stop.check("loading the images")
        state = TrainingState.fresh(cell, data, device)
        if resume_from_checkpoint(entry.folder, key, state.restore, log):
            log(f"continued from the checkpoint at iteration {state.iteration:,} of {cell.iterations:,}")
        else:
            state.started = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
            log(f"training {cell.iterations:,} iterations on {describe_device(device)}")
        changes = state.enter_environment(environment)
        if changes:
            log(f"continued elsewhere than it was begun, so the last digits may differ ({'; '.join(changes)})")
        reading = train(
            cell,
            data,
            state,
            save=lambda current: save_checkpoint(entry.folder, key, current.to_checkpoint()),
            save_every_seconds=job.checkpoint_seconds,
            stop=stop,
            log=log,
        )
    except (RuntimeError, MemoryError) as fault:
        if not is_out_of_memory(fault):
            raise
        raise TrainingError(describe_out_of_memory(cell, device, fault)) from fault
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
        "environment": environment,
        "earlier_environments": state.environments[:-1],
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
        "largest_early_loss": float(f"{state.largest_early_loss:.9g}"),
        "largest_early_loss_iteration": state.largest_early_loss_iteration,
        **summarize(state.history),
        **calibrate(reading.logits.numpy(), labels),
        "weights_sha256": state.weights_sha256(),
    }


def describe_environment(
    cell: Cell, device: torch.device, memory_format: torch.memory_format, version: str
) -> dict[str, str | int]:
    """Versions and hardware that a result was obtained with."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
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
