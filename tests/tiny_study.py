"""A study whose cells train in a second, with its data on disk: what tests of watching share."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallmix.study.layout import STORE, Layout
from smallmix.study.study import Study, StudyCell
from smallmix.training.signals import StopRequest
from smallmix.training.store import StoreEntry, store_key
from smallmix.training.train_cell import TrainingJob, train_cell

from tests.synthetic_configuration import build_configuration
from tests.tiny_cell import TinyData

SIZE = 20


@dataclass(frozen=True)
class TinyStudy:
    """A study of 20 patterns with noise, below `root`. Nothing is trained until `train` is called."""

    layout: Layout

    @classmethod
    def write(cls, root: Path, *, iterations: int = 6, every: int = 2, seeds: Sequence[int] = (0, 1)) -> TinyStudy:
        """Write data set, subset and study.json."""
        configuration = build_configuration(
            name="tiny", dataset="digits", sizes=(SIZE,), seeds=seeds, width=4, budgets={}
        )
        configuration["budgets"] = {"default": {"iterations": iterations}}
        configuration["model"]["blocks"] = [1, 1, 1, 1]
        configuration["recipe"] |= {"batch_size": 8, "learning_rate": 0.05}
        configuration["evaluation"]["iteration_budgets"] = {"every": every}
        layout = Layout(Study.from_configuration(configuration), root)
        data = TinyData.write(root / "made", size=SIZE)
        shutil.copytree(data.dataset, layout.dataset)
        subset = layout.subset_of(SIZE, seeds[0])
        subset.parent.mkdir(parents=True)
        shutil.copy(data.subset, subset)
        layout.study_file.write_text(layout.study.to_json() + "\n", encoding="utf-8")
        return cls(layout)

    def cell(self, place: str) -> StudyCell:
        """Return the cell of a place such as n20/non/seed0."""
        return self.layout.study.cell(place)

    def job(self, place: str, **choices: Any) -> TrainingJob:
        """Return the training job of a cell, on the CPU."""
        cell = self.cell(place)
        values: dict[str, Any] = {"version": "0", "device": "cpu", **choices}
        return TrainingJob(
            cell=cell.value,
            dataset=self.layout.dataset,
            subset=self.layout.subset(cell),
            store=self.layout.root / STORE,
            output=self.layout.cell(cell),
            **values,
        )

    def train(self, place: str, stop: StopRequest | None = None, **choices: Any) -> None:
        """Train a cell to its end, or until `stop` asks."""
        train_cell(self.job(place, **choices), StopRequest() if stop is None else stop, lambda line: None)

    def entry(self, place: str) -> StoreEntry:
        """Return the cell's place in the store."""
        from smallmix.tables.collect import find_wanted

        cell = self.cell(place)
        wanted = find_wanted([cell], self.layout)[place]
        assert wanted.data is not None
        return StoreEntry(self.layout.root / STORE / store_key(cell.value, wanted.data, wanted.code))
