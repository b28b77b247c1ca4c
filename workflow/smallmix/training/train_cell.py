"""One cell from start to end: found in the store, or continued from its checkpoint, or trained from the beginning.

What decides its numbers lies in `science/`. The code fingerprint covers that and what it imports, nothing of this room.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import io
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smallmix import atomic_files
from smallmix.code_fingerprint import fingerprint_training
from smallmix.datasets.data_fingerprint import fingerprint_data
from smallmix.datasets.description import load_description
from smallmix.errors import CellBusyError, Interrupted, SmallmixError, TrainingError
from smallmix.science.arithmetic import choose_memory_format, fix_arithmetic
from smallmix.science.evaluation import Evaluation, stored_logits
from smallmix.science.history import history_csv
from smallmix.science.results import final_numbers
from smallmix.science.training_state import TrainingState
from smallmix.study.cell import Cell
from smallmix.study.layout import WEIGHTS_FILE
from smallmix.training.cell_data import load_training_data
from smallmix.training.checkpoint import resume_from_checkpoint, save_checkpoint
from smallmix.training.hardware import DeviceChoice, choose_device, describe_device, describe_tf32, peak_memory
from smallmix.training.kept_memory import MEMORY, expected_bytes, keep_memory
from smallmix.training.messages import (
    describe_nondeterministic,
    describe_seconds,
    explain_unusable_gpus,
    is_nondeterministic,
    warn_of_emulation,
    warn_of_remainder,
)
from smallmix.training.out_of_memory import describe_out_of_memory, is_out_of_memory
from smallmix.training.processor import describe_processor
from smallmix.training.progress import ProgressFile
from smallmix.training.resumable import ResumableTraining
from smallmix.training.signals import StopRequest
from smallmix.training.store import RECORD_FORMAT, StoreEntry, remove_file, store_key
from smallmix.training.stored_weights import OtherWeights, WantedWeights
from smallmix.training.training_loop import Turns, finish, train
from smallmix.training.weights import NetworkDescription, require_safetensors, weights_file


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
    gpus: tuple[str, ...] = ()  # counted where it runs; a training that cannot use them says so
    validation: Path | None = None  # the table of the validation images, where the cell has any
    keep_weights: bool = False  # the trained network becomes an output, which changes no other one


def train_cell(job: TrainingJob, stop: StopRequest, report: Callable[[str], None]) -> None:
    """Bring the cell's outputs into `job.output`, as `train_cell_in_turns` does, without a pause."""
    finish(train_cell_in_turns(job, stop, report))


def train_cell_in_turns(job: TrainingJob, stop: StopRequest, report: Callable[[str], None]) -> Turns[None]:
    """Bring history.csv, metrics.json and predictions.npz of the cell into `job.output`, a step a turn.

    With `job.keep_weights`, also model.safetensors.

    Raises CellBusyError where another process trains this cell, Interrupted after a signal, TrainingError on training
    errors, SmallmixError on full disks and the like. Whatever ends a training, but for the first two, is also written
    to failure.json beside the outputs.
    """
    entry: StoreEntry | None = None
    try:
        data_fingerprint = fingerprint_data(job.subset, job.dataset, job.validation)
        code_fingerprint = fingerprint_training(job.cell)
        entry = StoreEntry(job.store / store_key(job.cell, data_fingerprint, code_fingerprint))
        yield from _bring_record(job, entry, data_fingerprint, code_fingerprint, stop, report)
    except CellBusyError:
        raise  # another process writes the log and the outputs
    except Interrupted as error:
        _log(entry, f"stopped: {error}")
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, SmallmixError) else f"unexpected {type(error).__name__}: {error}"
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
) -> Turns[None]:
    """Find the cell's record in the store or train it there, then publish it."""

    def log(line: str) -> None:
        report(line)
        _log(entry, line)

    found = f"found in the store: {entry.folder.name} (equal cell, data and code); nothing to train"
    if job.keep_weights:
        require_safetensors()  # before hours of training, not behind them
    if entry.serves(weights=job.keep_weights):  # needs no lock, so a store may also be shared read-only
        report(found)
        entry.publish(job.output, weights=job.keep_weights)
        return
    entry.acquire()
    entry.discard_progress()  # of an earlier attempt
    entry.describe(job.cell, data_fingerprint, code_fingerprint)
    if entry.serves(weights=job.keep_weights):  # by the process that held the lock until now
        report(found)
        entry.discard_checkpoints()
    elif entry.is_finished:
        log(f"trained again, to the same weights, because {entry.explain_lost_weights()}")
        remove_file(job.output / "failure.json")  # of an earlier attempt
        wanted = WantedWeights.of(entry)
        try:
            record = yield from _train_record(job, entry, data_fingerprint, code_fingerprint, stop, log, wanted)
            wanted.check_end(record)
        except OtherWeights:
            entry.discard_checkpoints()  # they lead to the same other weights
            raise
        entry.add_weights(record[WEIGHTS_FILE])
    else:
        damage = entry.find_damage()
        if damage is not None:
            log(f"the finished record in the store is not used: {damage}; the cell is trained again")
        remove_file(job.output / "failure.json")  # of an earlier attempt
        entry.finish((yield from _train_record(job, entry, data_fingerprint, code_fingerprint, stop, log)))
    entry.publish(job.output, weights=job.keep_weights)


def _log(entry: StoreEntry | None, line: str) -> None:
    if entry is not None:
        entry.log(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S} {line}")


def _write_failure(job: TrainingJob, entry: StoreEntry | None, reason: str) -> None:
    failure = {
        "reason": reason,
        "log_tail": entry.log_tail() if entry is not None else [],
        "cell_fingerprint": job.cell.fingerprint,
    }
    # Where even this cannot be written, the error itself is what people must see.
    with contextlib.suppress(SmallmixError):
        atomic_files.write_text(job.output / "failure.json", json.dumps(failure, indent=1) + "\n")


def _train_record(
    job: TrainingJob,
    entry: StoreEntry,
    data_fingerprint: str,
    code_fingerprint: str,
    stop: StopRequest,
    log: Callable[[str], None],
    wanted: WantedWeights | None = None,
) -> Turns[dict[str, bytes]]:
    """Train to the end; return the record's files. `wanted` are the weights that must come out, if they are known."""
    cell, key = job.cell, entry.folder.name
    stop.check("starting")
    fix_arithmetic(cell.recipe.cpu_threads)
    device = choose_device(job.device)
    memory_format = choose_memory_format(device, cell.model.width, load_description(job.dataset).image_shape[0])
    environment = describe_environment(cell, device, memory_format, job.version)
    unusable = explain_unusable_gpus(job.gpus) if device.type == "cpu" else None
    if unusable is not None:
        log(f"warning: {unusable}")
        environment["card"] = f"counted, but not usable: {unusable}"
    for warning in (warn_of_emulation(cell.recipe.precision, device), warn_of_remainder(cell)):
        if warning is not None:
            log(warning)
    try:
        data = load_training_data(cell, job.dataset, job.subset, device, memory_format, job.validation)
        stop.check("loading the images")
        if device.type == "cpu":
            environment[MEMORY] = keep_memory(expected_bytes(cell, data.image_shape, data.classes))
        state = TrainingState.fresh(cell, data, device)
        training = ResumableTraining(state)
        if resume_from_checkpoint(entry.folder, key, training.restore, log):
            log(f"continued from the checkpoint at iteration {state.iteration:,} of {cell.iterations:,}")
        else:
            training.started = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
            log(f"training {cell.iterations:,} iterations on {describe_device(device)}")
        changes = training.enter_environment(environment)
        if changes:
            log(f"continued elsewhere than it was begun, so the last digits may differ ({'; '.join(changes)})")
        progress = ProgressFile(entry.progress_file, cell.iterations)
        progress.begin(state.iteration, _last_accuracy(state))

        def save(current: ResumableTraining) -> None:
            save_checkpoint(entry.folder, key, current.to_checkpoint())
            progress.note_saved(current.state.iteration)

        def note_progress(state: TrainingState) -> None:
            progress.note(state.iteration, lambda: _last_accuracy(state))
            if wanted is not None:
                wanted.check_early(state.early_digests)

        evaluation = yield from train(
            data,
            training,
            save=save,
            save_every_seconds=job.checkpoint_seconds,
            stop=stop,
            log=log,
            note_progress=note_progress,
        )
    except (RuntimeError, MemoryError) as error:
        if is_nondeterministic(error):
            raise TrainingError(describe_nondeterministic(cell, device, error)) from error
        if not is_out_of_memory(error):
            raise
        raise TrainingError(describe_out_of_memory(cell, device, error)) from error
    log(
        f"finished: test accuracy {100 * evaluation.accuracy:.2f} % after {cell.iterations:,} iterations, "
        f"{describe_seconds(training.training_seconds + training.evaluation_seconds)}"
    )
    labels = data.test.labels.cpu().numpy()
    metrics = {
        "format": RECORD_FORMAT,
        "cell": cell.to_dict(),
        "cell_fingerprint": cell.fingerprint,
        "data_fingerprint": data_fingerprint,
        "code_fingerprint": code_fingerprint,
        **final_numbers(state, evaluation, labels),
        "environment": environment,
        "earlier_environments": training.environments[:-1],
        "execution": training.executions[-1],
        "earlier_executions": training.distinct_executions()[:-1],
        "timing": _timing(training),
    }
    record = {
        "history.csv": history_csv(state.history),
        "metrics.json": (json.dumps(metrics, indent=1, allow_nan=False) + "\n").encode("ascii"),
        "predictions.npz": _predictions(evaluation, labels),
    }
    if job.keep_weights:
        dataset = load_description(job.dataset)
        description = NetworkDescription.of(cell, dataset, job.version, metrics["weights_sha256"])
        record[WEIGHTS_FILE] = weights_file(state.model.state_dict(), description)
    return record


def _last_accuracy(state: TrainingState) -> float | None:
    return state.history[-1].test_accuracy if state.history else None


def describe_environment(
    cell: Cell, device: torch.device, memory_format: torch.memory_format, version: str
) -> dict[str, str | int]:
    """Return the versions and hardware that a result was obtained with."""
    library = {"torchvision": importlib.metadata.version("torchvision")}
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        **(library if cell.model.name.startswith("torchvision:") else {}),
        "numpy": np.__version__,
        "smallmix": version,
        "platform": f"{sys.platform} {platform.machine()}",
        "processor": describe_processor(),
        "device": describe_device(device),
        "threads": cell.recipe.cpu_threads,
        "precision": cell.recipe.precision,
        "memory_format": str(memory_format).removeprefix("torch."),
        "tf32": describe_tf32(device, cell.recipe.precision),
    }


def _timing(training: ResumableTraining) -> dict[str, Any]:
    seconds = training.training_seconds + training.evaluation_seconds
    return {
        "started": training.started,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "training_seconds": round(training.training_seconds, 3),
        "evaluation_seconds": round(training.evaluation_seconds, 3),
        "total_seconds": round(seconds, 3),
        "images_per_second": round(training.state.cell.images_seen / max(training.training_seconds, 1e-9), 1),
        "runs": training.runs,
        **({"peak_memory_bytes": peak} if (peak := peak_memory()) else {}),
    }


def _predictions(evaluation: Evaluation, labels: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, logits=stored_logits(evaluation), labels=labels)
    return buffer.getvalue()
