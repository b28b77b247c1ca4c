"""The store: trainings addressed by what decides their result.

results/store/<key>/ holds one training: its lock, what it trains (cell.json), checkpoints, lasting log and, at the end,
the finished record. The trained network is part of a record where a study asked for it. The key is a hash of the cell's
value, the training data, the training code and the format of the record, so a stale checkpoint cannot be picked up, a
reverted change is found again, and equal cells of different studies are trained once.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smallmix import atomic_files
from smallmix.errors import CellBusyError, SmallmixError
from smallmix.file_locks import FileLock, HeldLocks, NoFileLocksError
from smallmix.fingerprints import canonical_json, fingerprint_file, fingerprint_value
from smallmix.study.cell import Cell
from smallmix.study.layout import WEIGHTS_FILE

RECORD_FORMAT = 3
RECORD_FILES = ("history.csv", "predictions.npz", "metrics.json")  # in the order of publishing
KEY_LENGTH = 32
# Publishing takes moments. Younger temporary files may be another study's, being written right now.
STALE_OUTPUT_SECONDS = 3600.0
HOLDER = re.compile(r"process (\d+) on (.+)")
# Where a lock cannot be seen: three times as long as the usual time between two checkpoints.
RECENT_SECONDS = 180.0
SIGNS_OF_LIFE = ("log.txt", "progress.json", "checkpoint.pt", "checkpoint-next.pt", "finished")


def store_key(cell: Cell, data_fingerprint: str, code_fingerprint: str) -> str:
    """Return the name of a training's folder in the store."""
    parts = {
        "cell": cell.to_dict(),
        "data": data_fingerprint,
        "code": code_fingerprint,
        "format": RECORD_FORMAT,
    }
    return fingerprint_value(parts)[:KEY_LENGTH]


@dataclass(frozen=True)
class Trainer:
    """A process that trains a cell now. `holder` is what it wrote about itself, possibly nothing.

    `by_lock` says that its lock was seen. Else it is inferred: the files of the training are only `seconds_silent` old.
    """

    holder: str
    by_lock: bool
    seconds_silent: float


@dataclass
class StoreEntry:
    """One training's folder. Everything that writes into it needs the lock."""

    folder: Path
    _lock: FileLock | None = None

    @property
    def log_file(self) -> Path:
        """Return the log that outlives attempts; Snakemake wipes its own at each."""
        return self.folder / "log.txt"

    @property
    def finished(self) -> Path:
        """Return the folder of the finished record."""
        return self.folder / "finished"

    @property
    def description_file(self) -> Path:
        """Return the file that says what is trained here."""
        return self.folder / "cell.json"

    @property
    def has_checkpoint(self) -> bool:
        """Return whether an unfinished training can be continued."""
        return any(self.folder.glob("checkpoint*.pt"))

    @property
    def progress_file(self) -> Path:
        """Return the file by which a running training says how far it is."""
        return self.folder / "progress.json"

    def last_written(self) -> float | None:
        """Return when the training last wrote a file, in seconds since 1970; None where there is none."""
        times = []
        for name in SIGNS_OF_LIFE:
            with contextlib.suppress(OSError):
                times.append((self.folder / name).stat().st_mtime)
        return max(times, default=None)

    def find_trainer(self, locks: HeldLocks | None = None, now: float | None = None) -> Trainer | None:
        """Return who trains this cell now, None where nobody does. No lock is taken.

        Where the lock of another machine or container cannot be seen, files younger than RECENT_SECONDS stand for it.
        `locks` are those held now, `now` is in seconds since 1970; both by default as they are.
        """
        lock = FileLock(self.folder / "lock", create=False)
        holder = lock.read_holder()
        found = HOLDER.fullmatch(holder)
        is_here = found is not None and found[2] == socket.gethostname()
        process = int(found[1]) if found is not None and is_here else None
        state = (locks or HeldLocks()).look(lock.path, process)
        written = self.last_written()
        # A clock that was set back makes files of the future: they are recent.
        silent = 0.0 if written is None else max(0.0, (time.time() if now is None else now) - written)
        if state == "held":
            return Trainer(holder, by_lock=True, seconds_silent=silent)
        if state == "free" and (is_here or found is None):
            return None
        is_recent = written is not None and silent < RECENT_SECONDS
        return Trainer(holder, by_lock=False, seconds_silent=silent) if is_recent else None

    def acquire(self) -> None:
        """Take the entry's lock, which the kernel releases on any death.

        Raises CellBusyError where another process holds it, SmallmixError where the folder cannot be written or locked.
        The holder also removes the temporary files that killed writers left behind.
        """
        holder = self._try_to_lock()
        if holder is not None:
            raise CellBusyError(
                f"this very cell is being trained by {holder}. Wait until it has finished, or stop it, "
                "then run the same command again; it continues from the last checkpoint."
            )
        atomic_files.remove_stale_temporaries(self.folder, older_than_seconds=0)
        atomic_files.remove_stale_temporaries(self.finished, older_than_seconds=0)

    def release(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def log(self, line: str) -> None:
        """Append a line to the lasting log; a full disk must not end a training over its log."""
        with contextlib.suppress(OSError), open(self.log_file, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def log_tail(self, lines: int = 15) -> list[str]:
        """Return the last lines of the lasting log."""
        with contextlib.suppress(OSError):
            return self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        return []

    @property
    def has_record(self) -> bool:
        """Return whether a finished record is there, whole or not."""
        return (self.finished / "checksums.json").exists()

    @property
    def is_finished(self) -> bool:
        """Return whether the record is there, is this training's, and has the files that were written (checksums)."""
        return self.has_record and self.find_damage() is None

    @property
    def keeps_weights(self) -> bool:
        """Return whether the finished record has a trained network, whole or not."""
        return self.has_record and (self.finished / WEIGHTS_FILE).exists()

    def serves(self, *, weights: bool) -> bool:
        """Return whether nothing is to be trained: the record is whole and, with `weights`, its network, too."""
        return self.is_finished and not (weights and self.explain_lost_weights())

    def find_damage(self) -> str | None:
        """Say what is wrong with a finished record; None where it is whole, or where there is none."""
        return self._compare_checksums(RECORD_FILES) if self.has_record else None

    def explain_lost_weights(self) -> str | None:
        """Say why a finished record cannot give the trained network; None where it can."""
        if not self.keeps_weights:
            return "its network was not kept"
        return self._compare_checksums((WEIGHTS_FILE,))

    def describe(self, cell: Cell, data_fingerprint: str, code_fingerprint: str) -> None:
        """Note what is trained here, for `store list`; the key tells it only to who knows the cell."""
        origin = {"cell": cell.to_dict(), "data_fingerprint": data_fingerprint, "code_fingerprint": code_fingerprint}
        with contextlib.suppress(SmallmixError):  # a full disk must not end a training over its description
            if not self.description_file.exists():
                atomic_files.write_text(self.description_file, canonical_json(origin) + "\n")

    def finish(self, record: dict[str, bytes]) -> None:
        """Write the finished record, its checksums last, and remove the checkpoints, which nothing needs any more.

        `record` has the content of RECORD_FILES, and of WEIGHTS_FILE where the trained network is kept.
        """
        names = [name for name in (WEIGHTS_FILE, *RECORD_FILES) if name in record or name in RECORD_FILES]
        for name in names:
            atomic_files.write_bytes(self.finished / name, record[name])
        self._seal({name: fingerprint_file(self.finished / name) for name in names})
        if WEIGHTS_FILE not in record:  # of a record that this one replaces
            with contextlib.suppress(OSError):
                (self.finished / WEIGHTS_FILE).unlink(missing_ok=True)
        self.discard_checkpoints()

    def add_weights(self, weights: bytes) -> None:
        """Add the trained network to a whole record that lacks it, and remove the checkpoints."""
        manifest = json.loads((self.finished / "checksums.json").read_text(encoding="utf-8"))
        atomic_files.write_bytes(self.finished / WEIGHTS_FILE, weights)
        self._seal({**manifest["files"], WEIGHTS_FILE: fingerprint_file(self.finished / WEIGHTS_FILE)})
        self.discard_checkpoints()

    def discard_checkpoints(self) -> None:
        """Remove the checkpoints and the progress; where that fails they are only a waste of space."""
        for checkpoint in self.folder.glob("checkpoint*.pt"):
            with contextlib.suppress(OSError):
                checkpoint.unlink()
        self.discard_progress()

    def discard_progress(self) -> None:
        """Remove what an attempt said about how far it was."""
        with contextlib.suppress(OSError):
            self.progress_file.unlink(missing_ok=True)

    def publish(self, output: Path, *, weights: bool = False) -> None:
        """Copy the finished record to a study's cell folder, metrics.json last: it says that the cell is complete.

        With `weights`, the trained network is copied, too; else one that lies there from before is removed.
        """
        atomic_files.remove_stale_temporaries(output, older_than_seconds=STALE_OUTPUT_SECONDS)
        # An older one must not vouch for newer files beside it, should the copying stop half way.
        remove_file(output / "metrics.json")
        if not weights:
            remove_file(output / WEIGHTS_FILE)
        for name in (WEIGHTS_FILE, *RECORD_FILES) if weights else RECORD_FILES:
            atomic_files.copy_file(self.finished / name, output / name)
        remove_file(output / "failure.json")

    def _compare_checksums(self, names: Sequence[str]) -> str | None:
        """Say which of these files of the record is not the one that was written; None where all are."""
        try:
            manifest = json.loads((self.finished / "checksums.json").read_text(encoding="utf-8"))
            if manifest["key"] != self.folder.name:
                return "it is another training's"
            for name in names:
                if fingerprint_file(self.finished / name) != manifest["files"].get(name):
                    return f"{name} is not the file that was written (checksum)"
        except OSError as error:
            return f"{Path(str(error.filename)).name} cannot be read ({error.strerror})"
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return "checksums.json is damaged"
        return None

    def _seal(self, files: Mapping[str, str]) -> None:
        """Write the checksums of the record's files, by which it counts as finished."""
        manifest = canonical_json({"key": self.folder.name, "files": files})
        atomic_files.write_text(self.finished / "checksums.json", manifest + "\n")

    def _try_to_lock(self) -> str | None:
        """Take the lock. Return None, or who holds it."""
        lock = FileLock(self.folder / "lock")
        try:
            taken = lock.acquire()
        except NoFileLocksError as error:
            raise SmallmixError(
                f"cannot lock {lock.path}: {error.strerror}. The store must lie on a file system with file locks; let "
                "results/store be a link to a folder on one."
            ) from error
        except OSError as error:
            raise SmallmixError(
                f"cannot use the store's folder {self.folder}: {error.strerror}. Make it writable for this user, or "
                "free some space, or let results/store be a link to a folder of your own."
            ) from error
        if not taken:
            return lock.read_holder() or "another process"
        lock.write_holder(f"process {os.getpid()} on {socket.gethostname()}")
        self._lock = lock
        return None


def remove_file(path: Path) -> None:
    """Remove a file, if it is there. Raises SmallmixError where that is not allowed."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SmallmixError(
            f"cannot remove {path}: {error.strerror}. Make the folder {path.parent} writable for this user, "
            "then run the same command again."
        ) from error
