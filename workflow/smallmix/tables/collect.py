"""Collection: every cell of a study, judged and read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from smallmix.datasets.data_fingerprint import fingerprint_data
from smallmix.errors import DatasetError
from smallmix.study.layout import Layout
from smallmix.study.study import Study
from smallmix.tables.cell_record import STATUSES, CellRecord, WantedFingerprints, read_cell_record


@dataclass(frozen=True)
class Collection:
    """A record for every cell of a study, in the study's order."""

    study: Study
    records: tuple[CellRecord, ...]

    @property
    def current(self) -> tuple[CellRecord, ...]:
        """The cells whose results stand for what the study asks."""
        return tuple(record for record in self.records if record.status == "current")

    @property
    def not_current(self) -> tuple[CellRecord, ...]:
        """The cells without such results: stale, failed or missing."""
        return tuple(record for record in self.records if record.status != "current")

    def summary(self) -> str:
        """One line for people: how many cells, and how many of each status."""
        counts = Counter(record.status for record in self.records)
        parts = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
        return f"{self.study.name}: {len(self.records)} cells: {parts or 'none'}"


def collect(study: Study, layout: Layout, code_fingerprint: str) -> Collection:
    """Judge every cell of the study.

    code_fingerprint is that of the training code as it is now: `fingerprint_code("smallmix.training.train_cell")`.
    Raises nothing for what cells' folders or the data's files hold: faults become reasons.
    """
    data: dict[Path, WantedFingerprints] = {}
    records: list[CellRecord] = []
    for cell in study.cells:
        subset = layout.subset(cell)
        if subset not in data:
            data[subset] = _wanted_fingerprints(subset, layout.dataset, code_fingerprint)
        records.append(read_cell_record(cell, layout.cell(cell), data[subset]))
    return Collection(study, tuple(records))


def _wanted_fingerprints(subset: Path, dataset: Path, code: str) -> WantedFingerprints:
    try:
        return WantedFingerprints(code=code, data=fingerprint_data(subset, dataset))
    except DatasetError as fault:
        return WantedFingerprints(code=code, data=None, data_fault=str(fault))
