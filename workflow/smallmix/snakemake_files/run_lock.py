"""One Snakemake per study at a time, and no lock that outlives its owner.

Snakemake marks a folder as locked by files in .snakemake/locks. They stay behind when it is killed, and the next run
asks for --unlock, without knowing whether another one is at work. The lock here is kept by the kernel. If nobody holds
one, Snakemake's files are leftovers and are removed. If somebody does, a second run of the same study is refused.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import socket
from pathlib import Path

from smallmix.errors import SmallmixError
from smallmix.file_locks import FileLock

SNAKEMAKE_FOLDER = Path(".snakemake")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PATIENCE_SECONDS = 3.0  # a Snakemake that only looks holds all locks for a moment

_held: list[FileLock] = []  # until this process ends


def hold_run_lock(study: str, folder: Path = SNAKEMAKE_FOLDER) -> None:
    """Be the one Snakemake that runs `study` in this project, until this process ends.

    Raises SmallmixError where another one is. Where the lock file cannot be used, or the file system has no locks,
    nothing is locked: Snakemake's own marks remain, and Snakemake reports what is wrong with the folder.
    """
    lock = _lock(_locks(folder) / f"{study}.lock", create=True)
    try:
        if not lock.acquire(PATIENCE_SECONDS):
            raise SmallmixError(_describe_holder(study, lock.read_holder()))
    except OSError:
        return
    lock.write_holder(f"process {os.getpid()} on {socket.gethostname()}, kernel {_kernel()}")
    _held.append(lock)
    atexit.register(_forget_holder, lock, os.getpid())


def find_holders(root: Path) -> list[str]:
    """Describe who works in the project's folder `root` now: Snakemakes, and trainers with a cell of the store."""
    found: list[str] = []
    locks = [(path, f"study {path.stem}") for path in sorted(_locks(root / SNAKEMAKE_FOLDER).glob("*.lock"))]
    locks += [(path, f"cell {path.parent.name}") for path in sorted((root / "results" / "store").glob("*/lock"))]
    for path, what in locks:
        lock = _lock(path)
        with contextlib.suppress(OSError):
            if not lock.acquire():
                found.append(f"{what}, by {lock.read_holder().partition(', kernel ')[0] or 'another process'}")
        lock.release()
    return found


def clear_stale_locks(study: str, folder: Path = SNAKEMAKE_FOLDER) -> str | None:
    """Remove what a killed Snakemake left locked; return a warning where one is still running here.

    Nothing is removed while any Snakemake of this project runs. Where a run began under another kernel (a machine whose
    locks may not be seen from here), the marks that it may have set are left: those that are not younger than its lock.
    """
    warning: str | None = None
    alone, not_before = True, -math.inf
    with contextlib.ExitStack() as probes:
        for path in sorted(_locks(folder).glob("*.lock")):
            lock = _lock(path)
            probes.callback(lock.release)
            holder = lock.read_holder()
            try:
                free = lock.acquire()
            except OSError:
                not_before = max(not_before, _time_of(path))
                continue
            if not free:
                alone = False
                if path.stem == study or warning is None:
                    warning = (
                        _describe_holder(study, holder) if path.stem == study else _describe_other(path.stem, holder)
                    )
            elif holder and not _is_ours(holder):
                not_before = max(not_before, _time_of(path))
        if alone:
            _remove_marks(folder / "locks", not_before)
    return warning


def _locks(folder: Path) -> Path:
    return folder / "smallmix-runs"


def _lock(path: Path, create: bool = False) -> FileLock:
    return FileLock(path, required=False, create=create)


def _forget_holder(lock: FileLock, process: int) -> None:
    """Leave no name behind: a run that ended can hold nothing, wherever the next one runs."""
    if os.getpid() == process:
        lock.write_holder("")


def _kernel() -> str:
    """Return an identifier of this machine since its last start, the same in all its containers."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return "unknown"


def _is_ours(holder: str) -> bool:
    """Tell whether a lock held by `holder` could be seen from here: same host name, or same running kernel."""
    process_and_host, _, kernel = holder.partition(", kernel ")
    return process_and_host.endswith(f" on {socket.gethostname()}") or (kernel == _kernel() != "unknown")


def _remove_marks(marks: Path, not_before: float) -> None:
    """Remove Snakemake's marks that were set after `not_before` (seconds since 1970)."""
    with contextlib.suppress(OSError):
        for mark in list(os.scandir(marks)):
            with contextlib.suppress(OSError):
                if mark.is_file(follow_symlinks=False) and mark.stat().st_mtime > not_before:
                    os.unlink(mark.path)
        marks.rmdir()  # as Snakemake does; it stays where something is left


def _time_of(path: Path) -> float:
    """Return when a lock file was last written; minus infinity for what is gone or is no file."""
    try:
        return path.stat().st_mtime if path.is_file() else -math.inf
    except OSError:
        return -math.inf


def _describe_holder(study: str, holder: str) -> str:
    holder = holder.partition(", kernel ")[0]
    return (
        f"study {study} is being run here already, by Snakemake's {holder or 'other process'}. "
        "Wait until it has finished, or stop it; cells that are being trained are continued by the next run."
    )


def _describe_other(study: str, holder: str) -> str:
    holder = holder.partition(", kernel ")[0]
    return (
        f"study {study} is being run in this folder too, by Snakemake's {holder or 'other process'}. "
        "Where it makes what this run needs as well (the data set), Snakemake says that the folder is locked. Wait "
        "until it has finished. Do not use --unlock."
    )
