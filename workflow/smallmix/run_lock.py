"""One Snakemake at a time a study, and no lock that outlives its owner.

Snakemake marks a folder as locked by files. They stay behind when it is killed, and it asks for --unlock then, without
knowing whether another one is at work. Here the kernel keeps the lock, and drops it with its holder: where nobody holds
one, Snakemake's files are leftovers and can go; where somebody does, a second run of the same study is refused by name.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import math
import os
import socket
import time
from pathlib import Path
from typing import IO

from smallmix.errors import SmallmixError

SNAKEMAKE_FOLDER = Path(".snakemake")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PATIENCE_SECONDS = 3.0  # a Snakemake that only looks holds all locks for a moment

_held: list[IO[bytes]] = []  # open until this process ends


def hold_run_lock(study: str, folder: Path = SNAKEMAKE_FOLDER) -> None:
    """Be the one Snakemake that runs `study` in this project, until this process ends.

    Raises SmallmixError where another one is. A file system without locks is let pass: Snakemake's own marks remain.
    """
    path = _locks(folder) / f"{study}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = _open(path, create=True)
    except OSError:
        return  # Snakemake itself needs the folder, and says so better
    if stream is None:
        return  # something strange stands in the lock's place: Snakemake's own marks remain
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _try_to_lock(stream):
        if time.monotonic() >= deadline:
            with stream:
                raise SmallmixError(_describe_holder(study, _holder_of(stream)))
        time.sleep(0.05)
    _write_holder(stream, f"process {os.getpid()} on {socket.gethostname()}, kernel {_kernel()}")
    _held.append(stream)
    atexit.register(_end_well, stream, os.getpid())


def find_holders(root: Path) -> list[str]:
    """Who works in the project's folder `root` now, in words: Snakemakes, and trainers with a cell of the store."""
    found: list[str] = []
    locks = [(path, f"study {path.stem}") for path in sorted(_locks(root / SNAKEMAKE_FOLDER).glob("*.lock"))]
    locks += [(path, f"cell {path.parent.name}") for path in sorted((root / "results" / "store").glob("*/lock"))]
    for path, what in locks:
        with contextlib.suppress(OSError):
            stream = _open(path)
            if stream is None:
                continue
            with stream:
                if not _try_to_lock(stream):
                    found.append(f"{what}, by {_holder_of(stream).partition(', kernel ')[0] or 'another process'}")
    return found


def clear_stale_locks(study: str, folder: Path = SNAKEMAKE_FOLDER) -> str | None:
    """Remove what a killed Snakemake left locked; where one is still running `study`, return a sentence that says so.

    Nothing is removed while any Snakemake of this project runs. Where a run began under another kernel (a machine whose
    locks may not be seen from here), the marks that it may have set are left: those that are not younger than its lock.
    """
    warning: str | None = None
    alone, not_before = True, -math.inf
    with contextlib.ExitStack() as probes:
        for path in sorted(_locks(folder).glob("*.lock")):
            try:
                stream = _open(path)
                began = path.stat().st_mtime
            except OSError:
                stream, began = None, _time_of(path)
            if stream is None:
                not_before = max(not_before, began if path.is_file() else -math.inf)
                continue
            probes.enter_context(stream)
            holder = _holder_of(stream)
            if not _try_to_lock(stream):
                alone = False
                if path.stem == study or warning is None:
                    warning = (
                        _describe_holder(study, holder) if path.stem == study else _describe_other(path.stem, holder)
                    )
            elif holder and not _is_ours(holder):
                not_before = max(not_before, began)
        if alone:
            _remove_marks(folder / "locks", not_before)
    return warning


def _locks(folder: Path) -> Path:
    return folder / "smallmix-runs"


def _open(path: Path, create: bool = False) -> IO[bytes] | None:
    """The lock file, also one that another user wrote (a container's root, say) and that can only be read.

    None where something else has its name (a folder, a pipe). Raises OSError where it cannot even be read.
    """
    if path.exists() and not path.is_file():
        return None
    flags = os.O_RDWR | (os.O_CREAT if create else 0)
    try:
        return os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)
    except PermissionError:
        return open(path, "rb", buffering=0)


def _holder_of(stream: IO[bytes]) -> str:
    try:
        stream.seek(0)
        return stream.read(1000).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _write_holder(stream: IO[bytes], holder: str) -> None:
    with contextlib.suppress(OSError):
        os.ftruncate(stream.fileno(), 0)
        os.pwrite(stream.fileno(), holder.encode(), 0)


def _end_well(stream: IO[bytes], process: int) -> None:
    """Leave no name behind: a run that ended can hold nothing, wherever the next one runs."""
    if os.getpid() == process and not stream.closed:
        _write_holder(stream, "")


def _kernel() -> str:
    """What tells this machine since its last start from all others, for all containers and host names on it."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return "unknown"


def _is_ours(holder: str) -> bool:
    """Whether a lock of that holder, were it held, would be seen from here: same host name, or same running kernel."""
    place, _, kernel = holder.partition(", kernel ")
    return place.endswith(f" on {socket.gethostname()}") or (kernel == _kernel() != "unknown")


def _remove_marks(marks: Path, not_before: float) -> None:
    """Remove Snakemake's marks that were set after `not_before` (seconds since 1970)."""
    with contextlib.suppress(OSError):
        for mark in list(os.scandir(marks)):
            with contextlib.suppress(OSError):
                if mark.is_file(follow_symlinks=False) and mark.stat().st_mtime > not_before:
                    os.unlink(mark.path)
        marks.rmdir()  # as Snakemake does; it stays where something is left


def _time_of(path: Path) -> float:
    try:
        return path.stat().st_mtime
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


def _try_to_lock(stream: IO[bytes]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks on this file system
    return True
