"""One Snakemake at a time a study, and no lock that outlives its owner.

Snakemake marks a folder as locked by files. They stay behind when it is killed, and it asks for --unlock then, without
knowing whether another one is at work. Here the kernel keeps the lock, and drops it with its holder: where nobody holds
one, Snakemake's files are leftovers and can go; where somebody does, a second run of the same study is refused by name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import time
from pathlib import Path
from typing import IO

from smallmix.errors import SmallmixError

SNAKEMAKE_FOLDER = Path(".snakemake")
PATIENCE_SECONDS = 3.0  # a Snakemake that only looks holds all locks for a moment

_held: list[IO[str]] = []  # open until this process ends


def hold_run_lock(study: str, folder: Path = SNAKEMAKE_FOLDER) -> None:
    """Be the one Snakemake that runs `study` in this project, until this process ends.

    Raises SmallmixError where another one is. A file system without locks is let pass: Snakemake's own marks remain.
    """
    path = _locks(folder) / f"{study}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - held until the process ends
    except OSError:
        return  # Snakemake itself needs the folder, and says so better
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _try_to_lock(stream):
        if time.monotonic() >= deadline:
            with stream:
                raise SmallmixError(_describe_holder(study, _holder_of(stream)))
        time.sleep(0.05)
    with contextlib.suppress(OSError):
        os.ftruncate(stream.fileno(), 0)
        os.write(stream.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())
    _held.append(stream)


def clear_stale_locks(study: str, folder: Path = SNAKEMAKE_FOLDER) -> str | None:
    """Remove what a killed Snakemake left locked; where one is still running `study`, return a sentence that says so.

    Nothing is removed while any Snakemake of this project runs, nor where the last one ran on another machine, whose
    locks may not be seen from here.
    """
    warning: str | None = None
    alone = True
    with contextlib.ExitStack() as probes:
        for path in sorted(_locks(folder).glob("*.lock")):
            try:
                stream = probes.enter_context(open(path, "a+", encoding="utf-8"))
            except OSError:
                alone = False
                continue
            holder = _holder_of(stream)
            if not _try_to_lock(stream):
                alone = False
                warning = _describe_holder(study, holder) if path.stem == study else warning
            elif holder and not holder.endswith(f" on {socket.gethostname()}"):
                alone = False
        if alone:
            shutil.rmtree(folder / "locks", ignore_errors=True)
    return warning


def _locks(folder: Path) -> Path:
    return folder / "smallmix-runs"


def _holder_of(stream: IO[str]) -> str:
    stream.seek(0)
    return stream.read().strip()


def _describe_holder(study: str, holder: str) -> str:
    return (
        f"study {study} is being run here already, by Snakemake's {holder or 'other process'}. "
        "Wait until it has finished, or stop it; cells that are being trained are continued by the next run."
    )


def _try_to_lock(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks on this file system
    return True
