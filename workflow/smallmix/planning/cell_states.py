"""How far each cell is: done, in the store, resumable, or missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from smallmix.code_fingerprint import fingerprint_training
from smallmix.datasets.data_fingerprint import fingerprint_data
from smallmix.errors import SmallmixError
from smallmix.study.layout import CELL_FILES, STORE, Layout
from smallmix.study.study import StudyCell
from smallmix.training.store import StoreEntry, store_key

CellState = Literal["done", "stored", "resumable", "missing"]


def find_cell_states(layout: Layout) -> dict[str, CellState]:
    """The state of every cell of the study, by place. `stored` is trained already and only needs copying."""
    data: dict[Path, str | None] = {}
    states: dict[str, CellState] = {}
    for cell in layout.study.cells:
        subset = layout.subset(cell)
        if subset not in data:
            data[subset] = known_data(subset, layout.dataset)
        states[cell.place] = _state_of(cell, layout, data[subset])
    return states


def _state_of(cell: StudyCell, layout: Layout, data: str | None) -> CellState:
    if data is None:
        return "missing"
    code = fingerprint_training(cell.value.method.mix, cell.value.model.name)
    try:
        metrics = json.loads((layout.cell(cell) / "metrics.json").read_text(encoding="utf-8"))
        stored = (metrics["cell_fingerprint"], metrics["data_fingerprint"], metrics["code_fingerprint"])
        whole = all((layout.cell(cell) / name).exists() for name in CELL_FILES)
        if whole and stored == (cell.value.fingerprint, data, code):
            return "done"
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there, or not whole: then it is not done
    entry = StoreEntry(layout.root / STORE / store_key(cell.value, data, code))
    if (entry.finished / "checksums.json").exists():
        return "stored"
    return "resumable" if entry.has_checkpoint else "missing"


def known_data(subset: Path, dataset: Path) -> str | None:
    """The fingerprint of a cell's data; None where it cannot be told yet."""
    try:
        return fingerprint_data(subset, dataset)
    except SmallmixError:
        return None
