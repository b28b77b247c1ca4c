"""Write what a study's cells give: metrics.csv, history.csv and cells.csv, and provenance.json.

Numbers are copied from the cells' files, not computed anew. The one exception is calibration_error_by_chance, which
follows from the predictions and stands in no cell's file. provenance.json says on which machines and versions the
current cells were trained, and how long it took.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smallmix.atomic_files import write_text
from smallmix.fingerprints import canonical_json
from smallmix.study.study import StudyCell
from smallmix.tables.cell_status import CellStatus, Collection
from smallmix.tables.columns import CELL_NUMBERS, CELLS, HISTORY, METRICS, VALIDATION_NUMBERS
from smallmix.tables.table_files import write_table

VERSION_KEYS = ("python", "torch", "numpy", "smallmix")
HARDWARE_KEYS = ("platform", "processor", "device", "precision", "memory_format", "tf32")


def write_study_tables(collection: Collection, folder: Path) -> None:
    """Write metrics.csv and history.csv (current cells) and cells.csv (all cells) into `folder`, each atomically.

    Rows are in the study's order. Histories keep the very digits of the cells' files.
    """
    study = collection.study
    images = study.validation_images
    validation = [column.name for column in VALIDATION_NUMBERS] if images else []
    write_table(
        folder / "metrics.csv",
        METRICS.of_study(images),
        (
            [
                study.name,
                study.dataset,
                *_identify(record.cell),
                *(record.metrics[column.name] for column in CELL_NUMBERS),
                record.calibration_error_by_chance,
                *(record.metrics[name] for name in validation),
            ]
            for record in collection.current
            if record.metrics is not None
        ),
    )
    write_table(
        folder / "history.csv",
        HISTORY.of_study(images),
        (
            [study.name, *_identify(record.cell), *row.split(",")]
            for record in collection.current
            for row in record.history_rows
        ),
    )
    write_table(
        folder / "cells.csv",
        CELLS,
        ([*_identify(record.cell), record.status, " ".join(record.reason.split())] for record in collection.records),
    )


def _identify(cell: StudyCell) -> tuple[int, str, int]:
    return cell.size, cell.method, cell.seed


def write_provenance(collection: Collection, path: Path, source: Mapping[str, str | bool] | None = None) -> None:
    """Write `describe_provenance` to `path`, atomically."""
    write_text(path, json.dumps(describe_provenance(collection, source), indent=1, sort_keys=True) + "\n")


def describe_provenance(collection: Collection, source: Mapping[str, str | bool] | None = None) -> dict[str, Any]:
    """Describe where the study's numbers come from, as plain JSON types.

    collected_by: the code that runs now, as `source_commit.describe_source` says it.
    environments: one entry per distinct environment (in the order of its first cell) with its cells, their times in
    seconds, the largest memory of a process that finished one of them (0 where no record says), and the first and last
    start. executions: one entry per distinct way of starting steps and evaluations,
    with the cells that were trained so, at least in part. notes: sentences for people where versions or hardware are
    mixed.
    failures: reason and last lines of the log of every failed cell.
    """
    groups: dict[str, list[CellStatus]] = {}
    for record in collection.current:
        groups.setdefault(canonical_json(_environment(record)), []).append(record)
    environments = [_describe_group(records) for records in groups.values()]
    return {
        "format": 1,
        "study": collection.study.name,
        **({"collected_by": dict(source)} if source is not None else {}),
        "cells": len(collection.records),
        "current_cells": len(collection.current),
        "training_seconds": math.fsum(_seconds(record, "training_seconds") for record in collection.current),
        "total_seconds": math.fsum(_seconds(record, "total_seconds") for record in collection.current),
        "code_fingerprints": sorted({str((record.metrics or {})["code_fingerprint"]) for record in collection.current}),
        "adopted": _adoptions(collection.current),
        "environments": environments,
        "executions": _executions(collection.current),
        "notes": [
            *_notes([group["environment"] for group in environments]),
            *_note_moves(collection.current),
            *_note_unusable_gpus(environments),
            *_note_adoptions(collection.current),
        ],
        "failures": [
            {"cell": record.cell.id, "reason": record.reason, "log_tail": list(record.log_tail)}
            for record in collection.records
            if record.status == "failed"
        ],
    }


def _describe_group(records: list[CellStatus]) -> dict[str, Any]:
    started = sorted(str(_timing(record).get("started", "")) for record in records)
    return {
        "environment": _environment(records[0]),
        "cells": [record.cell.id for record in records],
        "training_seconds": math.fsum(_seconds(record, "training_seconds") for record in records),
        "evaluation_seconds": math.fsum(_seconds(record, "evaluation_seconds") for record in records),
        "total_seconds": math.fsum(_seconds(record, "total_seconds") for record in records),
        "peak_memory_bytes": max(int(_seconds(record, "peak_memory_bytes")) for record in records),
        "first_started": started[0],
        "last_started": started[-1],
        "resumed_cells": sum(_timing(record).get("runs", 1) != 1 for record in records),
        "timing": {record.cell.id: _timing(record) for record in records},
    }


def _notes(environments: list[dict[str, Any]]) -> list[str]:
    notes: list[str] = []
    for title, keys in (("versions", VERSION_KEYS), ("hardware", HARDWARE_KEYS)):
        mixed = {key: sorted({str(one[key]) for one in environments if key in one}) for key in keys}
        parts = [f"{key}: {', '.join(values)}" for key, values in mixed.items() if len(values) > 1]
        if parts:
            notes.append(
                f"The cells were trained with different {title} ({'; '.join(parts)}): "
                "equal cells are promised equal numbers only where these agree."
            )
    return notes


def _note_moves(records: Sequence[CellStatus]) -> list[str]:
    moved = [record.cell.id for record in records if (record.metrics or {}).get("earlier_environments")]
    if not moved:
        return []
    return [
        f"Begun on one machine or version and continued on another: {', '.join(moved)}. Such a cell need not equal one "
        "that was trained in one place."
    ]


def _executions(records: Sequence[CellStatus]) -> list[dict[str, Any]]:
    """List each distinct way of starting steps and evaluations with its cells. A resumed cell may have several."""
    cells: dict[str, list[str]] = {}
    for record in records:
        metrics = record.metrics or {}
        for one in (metrics.get("execution"), *metrics.get("earlier_executions", [])):
            if isinstance(one, dict) and one:  # records of older versions have none
                cells.setdefault(canonical_json(one), []).append(record.cell.id)
    return [{"execution": json.loads(execution), "cells": places} for execution, places in cells.items()]


def _adoptions(records: Sequence[CellStatus]) -> list[dict[str, Any]]:
    """List what was adopted from older code after a replay: each distinct adoption with its cells."""
    cells: dict[str, list[str]] = {}
    for record in records:
        for note in (record.metrics or {}).get("adopted_from", []):
            cells.setdefault(canonical_json(note), []).append(record.cell.id)
    return [{**json.loads(note), "cells": places} for note, places in cells.items()]


def _note_adoptions(records: Sequence[CellStatus]) -> list[str]:
    """Return one sentence for each pair of versions: how many cells, and on how many replays that rests."""
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in _adoptions(records):
        pairs.setdefault((str(one["version"]), str(one["adopted_by"])), []).append(one)
    return [
        f"{sum(len(one['cells']) for one in adopted)} cells were trained by smallmix {older} and adopted by {newer}. "
        f"Replays of their first steps ({len({one['sample'] for one in adopted})} of the cells, at least "
        f"{min(one['iterations'] for one in adopted)} iterations each) agreed bit for bit."
        for (older, newer), adopted in pairs.items()
    ]


def _note_unusable_gpus(environments: list[dict[str, Any]]) -> list[str]:
    return [
        f"{len(group['cells'])} cell{'s were' if len(group['cells']) > 1 else ' was'} trained on the CPU, although a "
        f"GPU was there: {group['environment']['card']}"
        for group in environments
        if "card" in group["environment"]
    ]


def _environment(record: CellStatus) -> dict[str, Any]:
    return dict((record.metrics or {}).get("environment", {}))


def _timing(record: CellStatus) -> dict[str, Any]:
    return dict((record.metrics or {}).get("timing", {}))


def _seconds(record: CellStatus, key: str) -> float:
    value = _timing(record).get(key, 0.0)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0
