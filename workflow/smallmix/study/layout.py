"""Where everything lies: the paths that people and programs outside rely on. Relative to the project's folder.

What runs write and clean up there keeps its names for itself, and its distance from the user's images.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, fields
from pathlib import Path

from smallmix.study.known_datasets import KNOWN_DATASETS
from smallmix.study.study import Study, StudyCell

DATASET_FILES = (
    "train_images.npy",
    "train_labels.npy",
    "test_images.npy",
    "test_labels.npy",
    "train.csv",
    "dataset.json",
)
COLLECTED_TABLES = ("metrics.csv", "history.csv")
CLASS_TABLES = ("per_class.csv", "confusion.csv", "class_summary.csv", "class_balance.csv")
METRIC_TABLES = ("own_metrics.csv", "own_metric_summary.csv")
STUDY_TABLES = (
    *COLLECTED_TABLES,
    *("cells.csv", "provenance.json", "summary.csv", "comparison.csv", "claims.csv", "subset_scatter.csv"),
    *CLASS_TABLES,
    *METRIC_TABLES,
)
CELL_FILES = ("history.csv", "metrics.json", "predictions.npz")
SO_FAR = "so-far"  # below a study's results and reports: what there is of an unfinished study
WEIGHTS_FILE = "model.safetensors"  # the trained network, beside them where the study keeps it

# results/store, results/slots, reports/reference, reports/bench and logs/datasets lie beside the folders of studies.
RESERVED_STUDIES = ("store", "partial", "slots", "reference", "bench", "datasets")
# resources/downloads keeps the files that were downloaded.
RESERVED_IDENTIFIERS = (*KNOWN_DATASETS, "downloads", "store", "partial")
RESOURCES = Path("resources")
STORE = Path("results/store")  # where nothing moves it
WRITTEN = ("results", "reports", "logs", ".snakemake", "workflow")


FOLDERS_VARIABLE = "SMALLMIX_FOLDERS"


def kept_network_file(place: str) -> str:
    """Return the name, in a folder of kept results, of the network of a cell such as n500/label-mix/seed0."""
    return f"networks/{place.replace('/', '-')}.safetensors"


@dataclass(frozen=True)
class Folders:
    """The folders that runs write into, of all studies. Another workflow that uses this one may move them."""

    results: Path = Path("results")
    resources: Path = RESOURCES
    reports: Path = Path("reports")
    logs: Path = Path("logs")

    @classmethod
    def of_this_process(cls) -> Folders:
        """Return the folders that the workflow hands over to its commands, or the usual ones. See `hand_over`."""
        text = os.environ.get(FOLDERS_VARIABLE)
        return cls(**{name: Path(folder) for name, folder in json.loads(text).items()}) if text else cls()

    def hand_over(self) -> dict[str, str]:
        """Return the variables of the environment that tell a command of these folders; none for the usual ones."""
        if self == Folders():
            return {}
        return {FOLDERS_VARIABLE: json.dumps({field.name: str(getattr(self, field.name)) for field in fields(self)})}

    @property
    def store(self) -> Path:
        """Return the folder of trained cells."""
        return self.results / "store"

    @property
    def slots(self) -> Path:
        """Return the folder whose locked files stand for GPUs in use."""
        return self.results / "slots"


@dataclass(frozen=True)
class Layout:
    """The paths of one study below the folder `root` (the project's own by default)."""

    study: Study
    root: Path = Path()
    folders: Folders = field(default_factory=Folders.of_this_process)

    @classmethod
    def load(cls, study_file: Path, root: Path) -> Layout:
        """Return the paths of the study in a study.json file. Raises SmallmixError where the file is not one."""
        return cls(Study.load(study_file), root)

    @property
    def results(self) -> Path:
        """Return the study's folder of results."""
        return self.root / self.folders.results / self.study.name

    @property
    def report(self) -> Path:
        """Return the study's folder of what is published."""
        return self.root / self.folders.reports / self.study.name

    @property
    def dataset(self) -> Path:
        """Return the folder of the verified arrays."""
        return self.root / self.folders.resources / self.study.dataset

    @property
    def store(self) -> Path:
        """Return the folder of trained cells, which all studies share."""
        return self.root / self.folders.store

    @property
    def study_file(self) -> Path:
        """Return the resolved configuration, which every later step reads."""
        return self.results / "study.json"

    @property
    def collected_studies(self) -> list[Path]:
        """Return the study.json of each compared study that has been collected."""
        folders = [self.root / self.folders.results / name for name in self.study.compared_studies]
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

    @property
    def validation(self) -> Path | None:
        """Return the table of the study's validation images; None where it has none."""
        return self.results / "subsets" / "validation.csv" if self.study.validation_images else None

    def cell(self, cell: StudyCell) -> Path:
        """Return the cell's folder."""
        return self.results / "cells" / cell.id

    @property
    def cell_files(self) -> tuple[str, ...]:
        """Return the names of the files that a finished cell of this study has."""
        return (*CELL_FILES, WEIGHTS_FILE) if self.study.keeps_weights else CELL_FILES


def explain_overlap(folder: str, identifier: str, root: Path = Path()) -> str | None:
    """Return why the user's images may not lie in `folder`, in words; None where nothing of smallmix's own is near.

    Links are followed. `root` is the project's folder, where relative paths start.
    """
    try:
        place = Path(os.path.realpath(root / folder))
        own = [RESOURCES / identifier, *(RESOURCES / name for name in RESERVED_IDENTIFIERS), *map(Path, WRITTEN)]
        remedy = "Put the images into a folder of their own, such as data/my-images"
        for name in own:
            real = Path(os.path.realpath(root / name))
            if place == real or place.is_relative_to(real):
                return f"that lies in {name}/, where runs write and delete files. {remedy}"
        for name in own:
            if Path(os.path.realpath(root / name)).is_relative_to(place):
                return f"{name}/, where runs write and delete files, lies in that folder. {remedy}"
    except (OSError, ValueError):
        return None  # no path at all: reading the images says so
    return None
