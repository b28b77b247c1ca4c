"""The status of one cell: current, stale, failed or missing, and why, in words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from smallmix.study.cell import Cell
from smallmix.study.study import StudyCell
from smallmix.tables.calibration_by_chance import calibration_error_by_chance
from smallmix.tables.cell_files import UnusableFile, check_numbers, read_history, read_metrics, read_predictions
from smallmix.tables.cross_checks import find_contradictions

Status = Literal["current", "stale", "failed", "missing"]
STATUSES: tuple[Status, ...] = ("current", "stale", "failed", "missing")


@dataclass(frozen=True)
class WantedFingerprints:
    """What a current cell was made from: the training code, and the data (or why the data's cannot be told)."""

    code: str
    data: str | None
    data_fault: str = ""


@dataclass(frozen=True)
class CellRecord:
    """What collection found in one cell's folder.

    metrics, history_rows (the lines of history.csv below its header) and calibration_error_by_chance (a fraction) are
    there for current cells only; log_tail for failed ones.
    """

    cell: StudyCell
    status: Status
    reason: str = ""
    metrics: dict[str, Any] | None = None
    history_rows: tuple[str, ...] = ()
    calibration_error_by_chance: float | None = None
    log_tail: tuple[str, ...] = ()


def read_cell_record(cell: StudyCell, folder: Path, wanted: WantedFingerprints) -> CellRecord:
    """Judge one cell's folder. Never raises for what the folder holds: every fault becomes a status and a reason."""
    record = _judge_metrics(cell, folder, wanted) if (folder / "metrics.json").exists() else None
    if record is not None and record.status == "current":
        return record
    failure = _read_failure(folder / "failure.json")
    if failure is not None and failure.get("cell_fingerprint") == cell.value.fingerprint:
        tail = failure.get("log_tail")
        lines = tuple(str(line) for line in tail) if isinstance(tail, list) else ()
        return CellRecord(cell, "failed", str(failure.get("reason", "no reason was recorded")), log_tail=lines)
    if record is not None:
        return record
    if failure is not None:
        return CellRecord(cell, "missing", "not trained yet (an earlier attempt failed under another configuration)")
    return CellRecord(cell, "missing", "not trained yet")


def name_differences(stored: Any, wanted: Any, prefix: str = "") -> list[str]:
    """The keys under which two values of a cell differ, each with both values, in the order of the keys.

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


def _judge_metrics(cell: StudyCell, folder: Path, wanted: WantedFingerprints) -> CellRecord:
    try:
        metrics = read_metrics(folder / "metrics.json")
        origins = _name_other_origins(cell.value, metrics, wanted)
        if origins:
            return CellRecord(cell, "stale", "; ".join(origins))
        check_numbers(metrics)
        history = read_history(folder / "history.csv")
        logits, labels = read_predictions(folder / "predictions.npz")
    except UnusableFile as fault:
        return CellRecord(cell, "stale", str(fault))
    contradictions = find_contradictions(metrics, history, logits, labels, cell.value.iterations)
    if contradictions:
        return CellRecord(cell, "stale", "its files contradict each other: " + "; ".join(contradictions))
    by_chance = float(f"{calibration_error_by_chance(logits):.6g}")  # the same digits on every processor
    return CellRecord(
        cell, "current", metrics=metrics, history_rows=history.rows, calibration_error_by_chance=by_chance
    )


def _name_other_origins(value: Cell, metrics: dict[str, Any], wanted: WantedFingerprints) -> list[str]:
    """Sentences on what the metrics were made from, where that is not what the study wants now."""
    found = name_differences(metrics["cell"], value.to_dict())
    if not found and metrics["cell_fingerprint"] != value.fingerprint:
        found.append("its cell_fingerprint does not belong to the cell that it stores")
    if metrics["code_fingerprint"] != wanted.code:
        found.append("the training code changed since")
    if wanted.data is None:
        found.append(f"its training images cannot be checked: {wanted.data_fault}")
    elif metrics["data_fingerprint"] != wanted.data:
        found.append("the training images or their selection changed since")
    return found


def _read_failure(path: Path) -> dict[str, Any] | None:
    try:
        failure = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return failure if isinstance(failure, dict) else None


def _show(value: Any) -> str:
    return "absent" if value is None else json.dumps(value)
