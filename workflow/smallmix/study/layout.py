"""Where everything lies: the paths that people and programs outside rely on. Relative to the project's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smallmix.study.study import Study, StudyCell

STORE = Path("results/store")
DATASET_FILES = (
    "train_images.npy",
    "train_labels.npy",
    "test_images.npy",
    "test_labels.npy",
    "train.csv",
    "dataset.json",
)
COLLECTED_TABLES = ("metrics.csv", "history.csv")
STUDY_TABLES = (*COLLECTED_TABLES, "cells.csv", "provenance.json", "summary.csv", "comparison.csv", "claims.csv")
CELL_FILES = ("history.csv", "metrics.json", "predictions.npz")


@dataclass(frozen=True)
class Layout:
    """The paths of one study below the folder `root` (the project's own by default)."""

    study: Study
    root: Path = Path()

    @property
    def results(self) -> Path:
        """Return the study's folder of results."""
        return self.root / "results" / self.study.name

    @property
    def report(self) -> Path:
        """Return the study's folder of what is published."""
        return self.root / "reports" / self.study.name

    @property
    def dataset(self) -> Path:
        """Return the folder of the verified arrays."""
        return self.root / "resources" / self.study.dataset

    @property
    def study_file(self) -> Path:
        """Return the resolved configuration, which every later step reads."""
        return self.results / "study.json"

    @property
    def collected_studies(self) -> list[Path]:
        """Return the study.json of each compared study that has been collected."""
        folders = [self.root / "results" / name for name in self.study.compared_studies]
        return [
            folder / "study.json"
            for folder in folders
            if all((folder / file).exists() for file in ("study.json", *COLLECTED_TABLES))
        ]

    def subset(self, cell: StudyCell) -> Path:
        """Return the table of the cell's training images."""
        return self.subset_of(cell.size, cell.seed)

    def subset_of(self, size: int, seed: int) -> Path:
        """Return the table of the training images of a size (and of a seed, where each seed draws its own)."""
        suffix = f"-seed{seed}" if self.study.redraws_subsets else ""
        return self.results / "subsets" / f"n{size}{suffix}.csv"

    def cell(self, cell: StudyCell) -> Path:
        """Return the cell's folder."""
        return self.results / "cells" / cell.id
