"""The store: trainings addressed by what decides their result.

results/store/<key>/ holds one training: its lock, checkpoints, lasting log and, at the end, the finished record. The
key is a hash of the cell's value, the training data, the training code and the format of the record, so a stale
checkpoint cannot be picked up, a reverted change is found again, and equal cells of different studies are trained once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from smallmix import atomic_files
from smallmix.errors import CellBusyError, SmallmixError
from smallmix.fingerprints import canonical_json, fingerprint_file, fingerprint_value
from smallmix.study.cell import Cell

RECORD_FORMAT = 1
RECORD_FILES = ("history.csv", "metrics.json", "predictions.npz")
KEY_LENGTH = 32


def store_key(cell: Cell, data_fingerprint: str, code_fingerprint: str) -> str:
    """The name of a training's folder in the store."""
    parts = {
        "cell": cell.to_dict(),
        "data": data_fingerprint,
        "code": code_fingerprint,
        "format": RECORD_FORMAT,
    }
    return fingerprint_value(parts)[:KEY_LENGTH]


@dataclass
class StoreEntry:
    """One training's folder. Everything but `is_finished` and `publish` needs the lock."""

    folder: Path
    _lock: IO[str] | None = None

    @property
    def log_file(self) -> Path:
        """The log that outlives attempts; Snakemake wipes its own at each."""
        return self.folder / "log.txt"

    @property
    def finished(self) -> Path:
        """The folder of the finished record."""
        return self.folder / "finished"

    @property
    def has_checkpoint(self) -> bool:
        """Whether an unfinished training can be continued."""
        return any(self.folder.glob("checkpoint*.pt"))

    def acquire(self) -> None:
        """Take the entry's lock, which the kernel releases on any death. Raises CellBusyError where another holds it.

        The holder also removes the temporary files that killed writers left behind.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            stream = open(self.folder / "lock", "a+", encoding="utf-8")  # noqa: SIM115 - held until release
        except OSError as fault:
            raise SmallmixError(
                f"cannot use the store's folder {self.folder}: {fault.strerror}. Make it writable for this user."
            ) from fault
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            stream.seek(0)
            holder = stream.read().strip() or "an unknown process"
            stream.close()
            raise CellBusyError(
                f"this very cell is being trained by {holder}. Wait until it has finished, or stop it, "
                "then run the same command again; it continues from the last checkpoint."
            ) from fault
        stream.seek(0)
        stream.truncate()
        stream.write(f"process {os.getpid()} on {socket.gethostname()}")
        stream.flush()
        self._lock = stream
        atomic_files.remove_stale_temporaries(self.folder, older_than_seconds=0)
        atomic_files.remove_stale_temporaries(self.finished, older_than_seconds=0)

    def release(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                fcntl.flock(self._lock, fcntl.LOCK_UN)
            self._lock.close()
            self._lock = None

    def log(self, line: str) -> None:
        """Append a line to the lasting log; a full disk must not end a training over its log."""
        with contextlib.suppress(OSError), open(self.log_file, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def log_tail(self, lines: int = 15) -> list[str]:
        """The last lines of the lasting log."""
        with contextlib.suppress(OSError):
            return self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        return []

    def is_finished(self) -> bool:
        """Whether the record is complete and its files are those that were written (checksums)."""
        try:
            checksums = json.loads((self.finished / "checksums.json").read_text(encoding="utf-8"))
            return set(checksums) == set(RECORD_FILES) and all(
                fingerprint_file(self.finished / name) == checksum for name, checksum in checksums.items()
            )
        except (OSError, ValueError, TypeError):
            return False

    def finish(self, record: dict[str, bytes]) -> None:
        """Write the finished record, its checksums last, and remove the checkpoints, which nothing needs any more."""
        for name in RECORD_FILES:
            atomic_files.write_bytes(self.finished / name, record[name])
        checksums: dict[str, Any] = {name: fingerprint_file(self.finished / name) for name in RECORD_FILES}
        atomic_files.write_text(self.finished / "checksums.json", canonical_json(checksums) + "\n")
        for checkpoint in self.folder.glob("checkpoint*.pt"):
            with contextlib.suppress(OSError):
                checkpoint.unlink()

    def publish(self, output: Path) -> None:
        """Copy the finished record to a study's cell folder, metrics.json last: it says that the cell is complete."""
        atomic_files.remove_stale_temporaries(output, older_than_seconds=0)
        for name in ("history.csv", "predictions.npz", "metrics.json"):
            atomic_files.copy_file(self.finished / name, output / name)
        (output / "failure.json").unlink(missing_ok=True)
