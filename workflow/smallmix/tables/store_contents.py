"""What lies in the store of trained cells, who needs it, and how it is removed.

A training is needed by a study whose cell it is: the same value, data and code. A result of older code is needed, too,
while the study has no result of that cell, since `adopt` may take it over. Where a study's images are not here, its
cells are compared by their values alone, so that nothing is taken for unneeded which may be needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from smallmix.code_fingerprint import fingerprint_training
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.file_locks import HeldLocks
from smallmix.study.cell import Cell
from smallmix.study.known_studies import KnownStudies
from smallmix.tables.collect import find_wanted
from smallmix.training.store import KEY_LENGTH, RECORD_FORMAT, StoreEntry, Trainer, store_key

State = Literal["finished", "unfinished", "outdated", "damaged", "empty"]
# finished: its record is there. outdated: the record is of older code, or of another version. unfinished: there are
# checkpoints alone. damaged: the record is not what was written. empty: neither record nor checkpoint.
STATES: tuple[State, ...] = ("finished", "unfinished", "outdated", "damaged", "empty")
KEY = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")


@dataclass(frozen=True)
class Origin:
    """What a training is of: the cell's value as it was written, and the fingerprints of cell, data and code."""

    value: Mapping[str, Any]
    cell_fingerprint: str
    data_fingerprint: str
    code_fingerprint: str
    record_format: int | None = None

    @property
    def cell(self) -> Cell | None:
        """Return the cell; None where another version wrote it."""
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            return Cell.from_dict(dict(self.value))
        return None


@dataclass(frozen=True)
class StoredTraining:
    """One training of the store.

    `uses` has the cells' ids by the names of the studies that need it. `may_be_needed` says why it cannot be told that
    no study does. `written` is when it last wrote a file, in seconds since 1970. `trainer` trains it now.
    """

    entry: StoreEntry
    state: State
    origin: Origin | None
    size: int  # bytes
    has_weights: bool
    written: float | None
    trainer: Trainer | None = None
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    may_be_needed: str = ""

    @property
    def key(self) -> str:
        """Return its name in the store."""
        return self.entry.folder.name

    @property
    def is_needed(self) -> bool:
        """Return whether a study needs it, or may need it, or a process trains it now."""
        return bool(self.uses or self.may_be_needed or self.trainer is not None)

    def is_older_than(self, seconds: float, now: float) -> bool:
        """Return whether it wrote its last file so long before `now` (in seconds since 1970)."""
        return self.written is None or now - self.written >= seconds


class _Needs:
    """What the known studies need: by the training's key, and by the cell's value where their data are not here."""

    def __init__(self, known: KnownStudies, store: Path) -> None:
        self.by_key: dict[str, list[tuple[str, str]]] = {}
        self.without_result: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self.without_data: dict[str, list[tuple[str, str]]] = {}
        for layout in known.layouts:
            for cell, wanted in zip(layout.study.cells, find_wanted(layout.study.cells, layout).values(), strict=True):
                use = (layout.study.name, cell.id)
                if wanted.data is None:
                    self.without_data.setdefault(cell.value.fingerprint, []).append(use)
                    continue
                key = store_key(cell.value, wanted.data, wanted.code)
                self.by_key.setdefault(key, []).append(use)
                if not StoreEntry(store / key).is_finished:
                    self.without_result.setdefault((cell.value.fingerprint, wanted.data), []).append(use)

    def of(self, key: str, origin: Origin | None) -> tuple[list[tuple[str, str]], str]:
        """Return the study cells that need a training, and why it may be needed by others."""
        if key in self.by_key:
            return self.by_key[key], ""
        if origin is None:
            return [], "its cell is not on record, and the images of a study are not here" if self.without_data else ""
        uses = self.without_result.get((origin.cell_fingerprint, origin.data_fingerprint), [])
        alike = self.without_data.get(origin.cell_fingerprint, [])
        return [*uses, *alike], ""


def read_store(known: KnownStudies, store: Path) -> list[StoredTraining]:
    """Return all trainings of the store, by state and then the newest first.

    Raises ConfigurationError where a study's own code cannot be read. Never raises for what the store holds.
    """
    needs, locks = _Needs(known, store), HeldLocks()
    found = []
    for entry in _entries(store):
        origin = _read_origin(entry)
        state = _state_of(entry, origin, is_current=entry.folder.name in needs.by_key)
        uses, may_be_needed = needs.of(entry.folder.name, origin)
        by_study: dict[str, tuple[str, ...]] = {}
        for study, place in dict.fromkeys(uses):
            by_study[study] = (*by_study.get(study, ()), place)
        found.append(
            StoredTraining(
                entry=entry,
                state=state,
                origin=origin,
                size=_size_of(entry.folder),
                has_weights=entry.keeps_weights,
                written=_last_written(entry),
                trainer=entry.find_trainer(locks),
                uses=by_study,
                may_be_needed=may_be_needed if state == "unfinished" else "",
            )
        )
    return sorted(found, key=lambda one: (STATES.index(one.state), -(one.written or 0.0), one.key))


def remove_training(training: StoredTraining) -> None:
    """Remove a training from the store.

    Raises CellBusyError where a process has begun to train it, SmallmixError where a file cannot be removed.
    """
    entry = training.entry
    entry.acquire()
    try:
        # First what says that there is a record: a removal that stops half way leaves none that is not whole.
        (entry.finished / "checksums.json").unlink(missing_ok=True)
        for path in sorted(entry.folder.iterdir()):
            if path.name == "lock":
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        # The lock goes last. Whoever comes then makes a new one, and finds nothing.
        (entry.folder / "lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody came
            entry.folder.rmdir()
    except OSError as error:
        raise SmallmixError(
            f"cannot remove {error.filename or entry.folder}: {error.strerror}. Make it writable for this user, then "
            "run the same command again."
        ) from error
    finally:
        entry.release()


def removable(trainings: Sequence[StoredTraining], older_than_seconds: float, now: float) -> list[StoredTraining]:
    """Return the trainings that no study needs, that nobody trains, and that are old enough."""
    return [one for one in trainings if not one.is_needed and one.is_older_than(older_than_seconds, now)]


def _entries(store: Path) -> Iterator[StoreEntry]:
    """Give the folders of the store that are trainings by their names; links are not followed."""
    with contextlib.suppress(OSError):
        for path in sorted(store.iterdir()):
            if KEY.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                yield StoreEntry(path)


def _read_origin(entry: StoreEntry) -> Origin | None:
    """Return what the record says that it is of, else what was noted at the begin of the training."""
    for path in (entry.finished / "metrics.json", entry.description_file):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            told = json.loads(path.read_text(encoding="utf-8"))
            value = told["cell"]
            of_cell = told.get("cell_fingerprint") or Cell.from_dict(value).fingerprint
            return Origin(
                value=dict(value),
                cell_fingerprint=str(of_cell),
                data_fingerprint=str(told["data_fingerprint"]),
                code_fingerprint=str(told["code_fingerprint"]),
                record_format=told.get("format"),
            )
    return None


def _state_of(entry: StoreEntry, origin: Origin | None, *, is_current: bool) -> State:
    if not entry.has_record:
        return "unfinished" if entry.has_checkpoint else "empty"
    if entry.find_damage() is not None:
        return "damaged"
    return "finished" if is_current or _is_of_current_code(origin) else "outdated"


def _is_of_current_code(origin: Origin | None) -> bool:
    """Return whether a record is of the code as it is now. Of a user's file that is not known, nobody can tell."""
    cell = None if origin is None else origin.cell
    if origin is None or cell is None or origin.record_format != RECORD_FORMAT:
        return False
    try:
        return fingerprint_training(cell) == origin.code_fingerprint
    except (ConfigurationError, OSError):  # a method or a network that there is no more
        return False


def _size_of(folder: Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def _last_written(entry: StoreEntry) -> float | None:
    """Return when it last wrote a file; of one that has none of the usual ones, when its folder changed."""
    written = entry.last_written()
    if written is None:
        with contextlib.suppress(OSError):
            return entry.folder.stat().st_mtime
    return written
