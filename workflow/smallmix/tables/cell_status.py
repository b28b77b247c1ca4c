"""Is a cell's result current? The one vocabulary for it, and the comparison of a metrics.json with what is wanted.

This module needs the standard library alone and nothing from the store, so that it may decide what a table holds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from smallmix.study.cell import Cell
from smallmix.study.study import Study, StudyCell

Status = Literal["current", "stale", "stored", "resumable", "failed", "missing"]
# current: the files in the cell's folder are the result of the study's cell, data and code.
# stale: files are there, but are another cell's, other data's or other code's, or are damaged.
# stored: the store has the finished training; the next run only copies it.
# resumable: the store has a checkpoint; the next run continues from it.
# failed: the last training ended without a result; the reason says what is known.
# missing: none of these.
STATUSES: tuple[Status, ...] = ("current", "stale", "stored", "resumable", "failed", "missing")
# What people read of a status. The tables keep the words above, which other programs may have read.
STATUS_WORDS: Mapping[Status, str] = {
    "current": "current",
    "stale": "outdated",
    "stored": "stored",
    "resumable": "begun",
    "failed": "failed",
    "missing": "waiting",
}
OTHER_CODE = "the training code changed since"


class UnusableFile(Exception):
    """A cell's file that cannot be used; the message is the reason that people read. Never leaves this room."""


@dataclass(frozen=True)
class WantedFingerprints:
    """What a current cell was made from: the training code, and the data (or why the data cannot be fingerprinted).

    `weights` says that the study keeps the trained networks.
    """

    code: str
    data: str | None
    data_problem: str = ""
    weights: bool = False


@dataclass(frozen=True)
class CellStatus:
    """What is known of one cell.

    `files_problem` says why the files in the cell's folder do not count; it is None where there are none (no
    metrics.json) or where they do. `has_checkpoint` says that a training would continue, whatever the status.
    `metrics`, `history_rows` (the lines of history.csv below its header) and `calibration_error_by_chance` (a fraction)
    are there for current cells that were collected; `log_tail` for trainings that ended without a result.
    """

    cell: StudyCell
    status: Status
    reason: str = ""
    files_problem: str | None = None
    has_checkpoint: bool = False
    log_tail: tuple[str, ...] = ()
    metrics: dict[str, Any] | None = None
    history_rows: tuple[str, ...] = ()
    calibration_error_by_chance: float | None = None

    @property
    def needs_training(self) -> bool:
        """Return whether a run would train this cell, from the beginning or from its checkpoint."""
        return self.status not in ("current", "stored")


@dataclass(frozen=True)
class Collection:
    """The status of every cell of a study, in the study's order."""

    study: Study
    records: tuple[CellStatus, ...]

    @property
    def current(self) -> tuple[CellStatus, ...]:
        """Return the cells whose results stand for what the study asks."""
        return tuple(record for record in self.records if record.status == "current")

    @property
    def not_current(self) -> tuple[CellStatus, ...]:
        """Return the cells without such results."""
        return tuple(record for record in self.records if record.status != "current")

    def summary(self) -> str:
        """Return one line for people: how many cells, and how many of each status."""
        counts = Counter(record.status for record in self.records)
        parts = ", ".join(f"{counts[status]} {STATUS_WORDS[status]}" for status in STATUSES if counts[status])
        return f"{self.study.name}: {len(self.records)} cells: {parts or 'none'}"


def read_metrics(path: Path) -> dict[str, Any]:
    """Return the content of a metrics.json. Raises UnusableFile where it is missing or no JSON object.

    Its numbers are not checked here: results of another version have other ones, and must be named as such.
    """
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise UnusableFile(f"metrics.json cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UnusableFile(f"metrics.json is cut off or damaged ({error})") from error
    if not isinstance(metrics, dict):
        raise UnusableFile("metrics.json holds no mapping")
    return metrics


def find_other_origins(value: Cell, metrics: dict[str, Any], wanted: WantedFingerprints) -> list[str]:
    """Say in what the metrics' origin differs from what is wanted; empty where it does not.

    Data that cannot be fingerprinted are not compared. Raises UnusableFile where the metrics do not name their origin.
    """
    keys = ("cell", "cell_fingerprint", "data_fingerprint", "code_fingerprint")
    missing = [key for key in keys if key not in metrics]
    if missing:
        raise UnusableFile(f"metrics.json lacks {', '.join(missing)}")
    if not isinstance(metrics["cell"], dict):
        raise UnusableFile("metrics.json: cell is no mapping")
    found = name_differences(metrics["cell"], value.to_dict())
    if not found and metrics["cell_fingerprint"] != value.fingerprint:
        found.append("its cell_fingerprint does not belong to the cell that it stores")
    if metrics["code_fingerprint"] != wanted.code:
        found.append(OTHER_CODE)
    if wanted.data is not None and metrics["data_fingerprint"] != wanted.data:
        found.append("the training images or their selection changed since")
    return found


def name_differences(stored: Any, wanted: Any, prefix: str = "") -> list[str]:
    """Return the keys under which two values of a cell differ, each with both values, in the order of the keys.

    >>> name_differences({"recipe": {"momentum": 0.8}}, {"recipe": {"momentum": 0.9}})
    ['recipe.momentum is 0.8, wanted 0.9']
    """
    if isinstance(stored, dict) and isinstance(wanted, dict):
        return [
            sentence
            for key in sorted(stored.keys() | wanted.keys(), key=str)
            for sentence in name_differences(stored.get(key), wanted.get(key), f"{prefix}{key}.")
        ]
    if stored == wanted and isinstance(stored, bool) == isinstance(wanted, bool):
        return []
    return [f"{prefix.rstrip('.')} is {_show(stored)}, wanted {_show(wanted)}"]


def _show(value: Any) -> str:
    return "absent" if value is None else json.dumps(value)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name} where a number belongs")
