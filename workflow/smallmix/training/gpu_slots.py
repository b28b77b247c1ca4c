"""One GPU for one job, where no scheduler hands GPUs out.

Snakemake counts GPUs but never says which one a job gets. Jobs of one machine therefore lease a slot (a GPU takes
`cells_per_card` of them) by locking a file. The kernel holds the lock and so releases it on any death of the holder.
Nothing here imports torch: the lease must be taken before CUDA starts.
"""

from __future__ import annotations

import contextlib
import fcntl
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
from typing import IO

from smallmix.errors import ConfigurationError, Interrupted, SmallmixError

VISIBLE = "CUDA_VISIBLE_DEVICES"
GPUS_OVERRIDE = "SMALLMIX_CARDS"
TICKET_NAME = re.compile(r"[0-9]{12,}")
GPU_NAME = re.compile(r"\d+|(GPU|MIG)-.+")
# What batch systems call a job's identity. Each hands out GPUs itself and may number them from 0 in every job.
BATCH_JOB_VARIABLES = {"SLURM_JOB_ID": "slurm", "PBS_JOBID": "pbs", "LSB_JOBID": "lsf", "JOB_ID": "sge"}


@dataclass(frozen=True)
class GpuSlot:
    """A leased slot: the GPU as CUDA_VISIBLE_DEVICES names it, and which of its slots."""

    gpu: str
    number: int


def list_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; empty means CPU.

    A preset CUDA_VISIBLE_DEVICES decides (empty or -1: none; as for CUDA, an entry that names no GPU ends the list).
    Without one, SMALLMIX_CARDS ("0,1", or empty for none) overrides the count of the device files /dev/nvidia0, 1, ...
    """
    for variable in (VISIBLE, GPUS_OVERRIDE):
        if variable in environment:
            entries = (entry.strip() for entry in environment[variable].split(","))
            return list(dict.fromkeys(itertools.takewhile(GPU_NAME.fullmatch, entries)))
    # Counted, not read off: a container may have only /dev/nvidia3, which CUDA numbers 0 there.
    return [str(index) for index in range(len(glob.glob("/dev/nvidia[0-9]*")))]


def batch_job(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the batch system's job that this process runs in, such as slurm-1234, or None."""
    for variable, system in BATCH_JOB_VARIABLES.items():
        # JOB_ID is too common a name to mean Grid Engine alone.
        if environment.get(variable) and (system != "sge" or "SGE_ROOT" in environment):
            return f"{system}-{environment[variable]}"
    return None


def gpus_of_this_process(
    environment: Mapping[str, str] = os.environ, report: Callable[[str], None] = lambda line: None
) -> list[str]:
    """Return the GPUs that a training started here chooses from; `report` where a batch job was given none."""
    job = batch_job(environment)
    if job is not None and VISIBLE not in environment and GPUS_OVERRIDE not in environment:
        report(
            f"the batch system gave job {job} no GPU ({VISIBLE} is not set), so this cell trains on the CPU; "
            f"request a GPU, or set {VISIBLE} where the site hands out whole nodes"
        )
        return []
    return list_gpus(environment)


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
    """Hold one slot while the block runs, with CUDA_VISIBLE_DEVICES set to its GPU; None means: nothing was leased.

    Nothing is leased with `gpus` = 0 or where no GPU is visible (both CPU: CUDA_VISIBLE_DEVICES is emptied), and in a
    job of a batch system that gave one GPU (left as it is). Several GPUs given to one batch job are leased among the
    processes of that job. Waits, first come first served, while all slots are held; `stop` is asked meanwhile.

    Raises Interrupted when `stop` says so, ConfigurationError for a count below 1, SmallmixError where `folder` cannot
    be written or locked.
    """
    if cells_per_card < 1 or gpus < 0:
        raise ConfigurationError(
            f"--cells-per-card must be 1 or more and --gpus 0 or more (given: {cells_per_card} and {gpus})."
        )
    job = batch_job(environment)
    visible = gpus_of_this_process(environment, report) if gpus else []
    if not visible:
        with _set(environment, {VISIBLE: ""}):
            yield None
        return
    if job is not None and len(visible) == 1:
        report(f"GPU {visible[0]}, given by {job}")
        yield None
        return
    pool = SlotPool(_pool_folder(folder, job), visible, cells_per_card)
    with pool.lease(stop, report, poll_seconds) as slot:
        # By bus, so that numbers mean the same as in nvidia-smi; a preset order is kept with its preset numbers.
        order = {} if VISIBLE in environment else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        with _set(environment, {VISIBLE: slot.gpu, **order}):
            report(f"GPU {slot.gpu}, slot {slot.number + 1} of {cells_per_card}")
            yield slot


def _pool_folder(folder: Path, job: str | None) -> Path:
    host = folder / urllib.parse.quote(socket.gethostname(), safe="")
    return host if job is None else host / urllib.parse.quote(job, safe="")


@dataclass(frozen=True)
class SlotPool:
    """The slots of one machine as files in a folder: card-<GPU>.<number>, locked by their holders."""

    folder: Path
    gpus: list[str]
    cells_per_card: int

    @contextlib.contextmanager
    def lease(self, stop: Callable[[], bool], report: Callable[[str], None], poll_seconds: float) -> Iterator[GpuSlot]:
        """Hold one slot while the block runs; wait in the queue while there is none."""
        queue = self.folder / "queue"
        try:
            queue.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SmallmixError(
                f"cannot use the folder of GPU slots {self.folder}: {error.strerror}. Make it writable for "
                "this user, or let results/slots be a link to a folder that all users of the GPUs can write."
            ) from error
        with _Ticket(queue, self._mutex) as ticket:
            reported = False
            while True:
                with self._mutex():
                    taken = self._take_free_slot(ticket.waiting_before())
                    if taken is not None:
                        break
                if stop():
                    raise Interrupted("stopped while waiting for a GPU; nothing was trained. Run it again.")
                if not reported:
                    reported = True
                    report(
                        f"waiting for a GPU: all {len(self.gpus) * self.cells_per_card} slots are held or promised "
                        f"({len(self.gpus)} GPUs, {self.cells_per_card} cells a GPU)"
                    )
                time.sleep(poll_seconds)
        slot, stream = taken
        with stream:
            yield slot

    @contextlib.contextmanager
    def _mutex(self) -> Iterator[None]:
        """Held for moments only, so that counting the free slots and taking one is a single step."""
        with _open(self.folder / "lock") as stream:
            while not _try_lock(stream):
                time.sleep(0.01)
            yield

    def _take_free_slot(self, waiting_before: int) -> tuple[GpuSlot, IO[str]] | None:
        """A free slot on the GPU with the fewest holders, unless earlier jobs wait for all that are free."""
        free: dict[GpuSlot, IO[str]] = {}
        holders = dict.fromkeys(self.gpus, 0)
        with contextlib.ExitStack() as others:
            for number in range(self.cells_per_card):
                for gpu in self.gpus:
                    stream = _open(self.folder / f"card-{urllib.parse.quote(gpu, safe='')}.{number}")
                    if _try_lock(stream):
                        free[GpuSlot(gpu, number)] = others.enter_context(stream)
                    else:
                        stream.close()
                        holders[gpu] += 1
            if len(free) <= waiting_before:
                return None
            chosen = min(free, key=lambda slot: (holders[slot.gpu], slot.number, self.gpus.index(slot.gpu)))
            others.pop_all()
            for slot, stream in free.items():
                if slot != chosen:
                    stream.close()
            return chosen, free[chosen]


class _Ticket:
    """A place in the queue: a numbered file, locked while its owner lives."""

    def __init__(self, queue: Path, mutex: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self._queue = queue
        with mutex():
            last = max((int(path.name) for path in _numbered(queue)), default=0)
            self._path = queue / f"{last + 1:012d}"
            self._stream = _open(self._path)
            _try_lock(self._stream)

    def __enter__(self) -> _Ticket:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def waiting_before(self) -> int:
        """How many living owners stand further ahead. Removes the tickets of dead ones. Needs the mutex."""
        waiting = 0
        for path in _numbered(self._queue):
            if int(path.name) >= int(self._path.name):
                break
            try:
                stream = _open(path)
            except SmallmixError:
                continue  # nobody knows whether its owner lives: it must starve nobody
            with stream:
                if not _try_lock(stream):
                    waiting += 1
                    continue
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
        return waiting

    def leave(self) -> None:
        """Give the place up."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._stream.close()


def _numbered(queue: Path) -> list[Path]:
    """What has a ticket's name, in order. Whatever else lies in the folder (.nfs..., an editor's copies) has none."""
    return sorted(
        (path for path in queue.iterdir() if TICKET_NAME.fullmatch(path.name)), key=lambda path: int(path.name)
    )


def _open(path: Path) -> IO[str]:
    if path.exists() and not path.is_file():
        raise SmallmixError(
            f"the place of the lock file {path} is taken by something that is no file. Remove that, then run the same "
            "command again."
        )
    try:
        return open(path, "a", encoding="utf-8")  # closing it releases the lock
    except OSError as error:
        with contextlib.suppress(OSError):  # another user's file: reading is enough for a lock
            return open(path, encoding="utf-8")
        raise SmallmixError(
            f"cannot use the GPU slot {path}: {error.strerror}. Make the file and its folder writable for this user, "
            "or let results/slots be a link to a folder that all users of the GPUs can write."
        ) from error


def _try_lock(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise SmallmixError(
            f"cannot lock {stream.name}: {error.strerror}. This file system has no file locks; "
            "let results/slots be a link to a folder on a local disk, the same for all jobs of this machine."
        ) from error
    return True


@contextlib.contextmanager
def _set(environment: MutableMapping[str, str], values: Mapping[str, str]) -> Iterator[None]:
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
