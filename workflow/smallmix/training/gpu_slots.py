"""One GPU for one job, where no scheduler hands GPUs out.

Snakemake counts GPUs but never says which one a job gets. Jobs of one machine therefore lease a slot (a GPU takes
`cells_per_card` of them) by locking a file. The kernel drops the lock when the holder ends, in whatever way.
Nothing here imports torch: the lease must be taken before CUDA starts.
"""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
import re
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from smallmix.errors import ConfigurationError, Interrupted, SmallmixError
from smallmix.file_locks import FileLock, locked

VISIBLE = "CUDA_VISIBLE_DEVICES"
OVERRIDE = "SMALLMIX_CARDS"
ALL = "all"
GPU_NAME = re.compile(r"\d+|(GPU|MIG)-.+")
# What batch systems call a job's identity. Each hands out GPUs itself and may number them from 0 in every job.
BATCH_JOB_VARIABLES = {"SLURM_JOB_ID": "slurm", "PBS_JOBID": "pbs", "LSB_JOBID": "lsf", "JOB_ID": "sge"}


@dataclass(frozen=True)
class GpuSlot:
    """A leased slot: the GPU as CUDA_VISIBLE_DEVICES names it, and which of its slots."""

    gpu: str
    number: int


def list_gpus(
    environment: Mapping[str, str] = os.environ, report: Callable[[str], None] = lambda line: None
) -> list[str]:
    """Return the GPUs that a training started here would choose from, as CUDA_VISIBLE_DEVICES names them.

    An empty list means CPU. The plan counts by this rule, and a training leases by it. In this order:

    1. CUDA_VISIBLE_DEVICES, read as CUDA does: an entry that names no GPU (-1, say) ends the list.
    2. SMALLMIX_CARDS: "0,1", "all" for the device files, empty or -1 for none. Raises ConfigurationError for others.
    3. A job of a batch system that set neither was given no GPU; `report` is called with a line that says so.
    4. The device files /dev/nvidia0, 1, ...
    """
    if VISIBLE in environment:
        return list(dict.fromkeys(itertools.takewhile(GPU_NAME.fullmatch, _entries(environment[VISIBLE]))))
    override = environment.get(OVERRIDE)
    if override is not None and override.strip() != ALL:
        return _read_override(override)
    job = batch_job(environment)
    if job is not None and override is None:
        report(
            f"the batch system gave job {job} no GPU ({VISIBLE} is not set), so this cell trains on the CPU; "
            f"request a GPU, or set {VISIBLE} where the site hands out whole nodes"
        )
        return []
    # Counted, not read off: a container may have only /dev/nvidia3, which CUDA numbers 0 there.
    return [str(index) for index in range(len(glob.glob("/dev/nvidia[0-9]*")))]


def batch_job(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the batch system's job that this process runs in, such as slurm-1234, or None."""
    for variable, system in BATCH_JOB_VARIABLES.items():
        # JOB_ID is too common a name to mean Grid Engine alone.
        if environment.get(variable) and (system != "sge" or "SGE_ROOT" in environment):
            return f"{system}-{environment[variable]}"
    return None


@contextlib.contextmanager
def lease_gpu(
    folder: Path,
    *,
    gpus: int = 1,
    cells_per_card: int = 1,
    stop: Callable[[], bool] = lambda: False,
    report: Callable[[str], None] = lambda line: None,
    environment: MutableMapping[str, str] = os.environ,
    poll_seconds: float = 0.5,
) -> Iterator[GpuSlot | None]:
    """Hold one slot while the block runs, with CUDA_VISIBLE_DEVICES set to its GPU; yield None if nothing is leased.

    Nothing is leased with `gpus` = 0 or where no GPU is visible (both CPU: CUDA_VISIBLE_DEVICES is emptied), and in a
    job of a batch system that gave one GPU (left as it is). Several GPUs given to one batch job are leased among the
    processes of that job. While all slots are held, it looks every `poll_seconds` for a free one and asks `stop`.

    Raises Interrupted if `stop` returns true, ConfigurationError for a count below 1, SmallmixError where `folder`
    cannot be written or locked.
    """
    if cells_per_card < 1 or gpus < 0:
        raise ConfigurationError(
            f"--cells-per-card must be 1 or more and --gpus 0 or more (given: {cells_per_card} and {gpus})."
        )
    job = batch_job(environment)
    visible = list_gpus(environment, report) if gpus else []
    if not visible:
        with changed(environment, {VISIBLE: ""}):
            yield None
        return
    if job is not None and len(visible) == 1:
        report(f"GPU {visible[0]}, given by {job}")
        yield None
        return
    pool = _pool_folder(folder, job)
    slot, lock = _wait_for_slot(pool, visible, cells_per_card, stop, report, poll_seconds)
    try:
        # By bus, so that numbers mean the same as in nvidia-smi; a preset order is kept with its preset numbers.
        order = {} if VISIBLE in environment else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        with changed(environment, {VISIBLE: slot.gpu, **order}):
            report(f"GPU {slot.gpu}, slot {slot.number + 1} of {cells_per_card}")
            yield slot
    finally:
        lock.release()


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",")]


def _read_override(text: str) -> list[str]:
    if text.strip() in ("", "-1"):
        return []
    entries = _entries(text)
    for entry in entries:
        if not GPU_NAME.fullmatch(entry):
            raise ConfigurationError(
                f"{OVERRIDE}={text}: {entry!r} names no GPU. Give numbers or UUIDs with commas between them "
                f"({OVERRIDE}=0,1), {OVERRIDE}={ALL} for all GPUs of this machine, or {OVERRIDE}= (empty) for the CPU."
            )
    return list(dict.fromkeys(entries))


def _pool_folder(folder: Path, job: str | None) -> Path:
    host = folder / urllib.parse.quote(socket.gethostname(), safe="")
    return host if job is None else host / urllib.parse.quote(job, safe="")


def _wait_for_slot(
    pool: Path,
    gpus: list[str],
    cells_per_card: int,
    stop: Callable[[], bool],
    report: Callable[[str], None],
    poll_seconds: float,
) -> tuple[GpuSlot, FileLock]:
    """Return a slot and its lock, which is held, as soon as there is a free one."""
    waiting = False
    while True:
        try:
            # For moments only, so that counting the free slots and taking one is a single step.
            with locked(pool / "lock", wait_seconds=float("inf"), poll_seconds=0.01):
                taken = _take_free_slot(pool, gpus, cells_per_card)
        except OSError as error:
            raise SmallmixError(
                f"cannot lock {error.filename or pool}: {error.strerror}. Make the folder writable for this user, or "
                "let results/slots be a link to a folder on a local disk that all users of the GPUs can write."
            ) from error
        if taken is not None:
            return taken
        if stop():
            raise Interrupted("stopped while waiting for a GPU; nothing was trained. Run it again.")
        if not waiting:
            waiting = True
            report(
                f"waiting for a GPU: all {len(gpus) * cells_per_card} slots are held "
                f"({len(gpus)} GPUs, {cells_per_card} cells a GPU)"
            )
        time.sleep(poll_seconds)


def _take_free_slot(pool: Path, gpus: list[str], cells_per_card: int) -> tuple[GpuSlot, FileLock] | None:
    """Return a free slot on the GPU with the fewest holders, with its lock held; None where all are held."""
    free: dict[GpuSlot, FileLock] = {}
    holders = dict.fromkeys(gpus, 0)
    with contextlib.ExitStack() as unused:
        for number in range(cells_per_card):
            for gpu in gpus:
                lock = FileLock(pool / f"gpu-{urllib.parse.quote(gpu, safe='')}.{number}")
                if lock.acquire():
                    free[GpuSlot(gpu, number)] = lock
                    unused.callback(lock.release)
                else:
                    holders[gpu] += 1
        if not free:
            return None
        chosen = min(free, key=lambda slot: (holders[slot.gpu], slot.number, gpus.index(slot.gpu)))
        unused.pop_all()
        for slot, lock in free.items():
            if slot != chosen:
                lock.release()
        return chosen, free[chosen]


@contextlib.contextmanager
def changed(environment: MutableMapping[str, str], values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment while the block runs, then put it back."""
    before = {name: environment.get(name) for name in values}
    environment.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                environment.pop(name, None)
            else:
                environment[name] = value
