"""The data of one cell: checked to be those that it asks for, then loaded onto the device."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import torch

from smallmix.atomic_files import write_text
from smallmix.datasets.arrays import load_dataset
from smallmix.datasets.description import load_description
from smallmix.errors import DatasetError, SmallmixError, remedy
from smallmix.science.training_data import TrainingData, bring_to_device
from smallmix.study.cell import Cell
from smallmix.training.subset_tables import explain_other_subset, read_subset
from smallmix.training.validation_table import explain_other_validation

CHANNELS = {"rgb": 3, "grey": 1}


def refuse_other_data(cell: Cell, dataset: Path, subset: Path, output: Path, validation: Path | None = None) -> None:
    """Check as `check_data_of`; write the reason also to failure.json in the cell's folder `output`, for the report."""
    try:
        check_data_of(cell, dataset, subset, validation)
    except DatasetError as error:
        failure = {"reason": str(error), "log_tail": [str(error)], "cell_fingerprint": cell.fingerprint}
        with contextlib.suppress(SmallmixError):
            write_text(output / "failure.json", json.dumps(failure, indent=1) + "\n")
        raise


def check_data_of(cell: Cell, dataset: Path, subset: Path, validation: Path | None = None) -> None:
    """Raise DatasetError where arrays or tables are not those that the cell names.

    `subset` is the table of its training images, `validation` that of its validation images, where it has any.
    """
    description = load_description(dataset)
    height, _, channels = description.image_shape
    wanted = cell.dataset
    size, color = wanted.image_size or height, wanted.color or {3: "rgb", 1: "grey"}.get(channels)
    if description.name != wanted.name or height != size or channels != CHANNELS.get(str(color)):
        raise DatasetError(
            f"{dataset} holds images of {description.name}, {height} pixels a side in {channels} channels; the cell "
            f"asks for {wanted.name}, {size} pixels a side in {CHANNELS.get(str(color))} channels. {remedy(dataset)}"
        )
    other = explain_other_subset(cell.subset, dataset, subset)
    if other:
        raise DatasetError(f"{other}. Delete the file and run again to have it extracted anew.")
    other = explain_other_validation(cell, dataset, subset, validation)
    if other:
        raise DatasetError(other)


def load_training_data(
    cell: Cell,
    dataset_folder: Path,
    subset_csv: Path,
    device: torch.device,
    memory_format: torch.memory_format,
    validation_csv: Path | None = None,
) -> TrainingData:
    """Load and verify the data set, the cell's subset, and its validation images, where it has any.

    Raises DatasetError where one of them is damaged or where they do not belong together.
    """
    dataset = load_dataset(dataset_folder)
    rows, labels = read_subset(subset_csv)
    labels_of_all = np.asarray(dataset.train_labels)
    inside = len(rows) > 0 and rows.min() >= 0 and rows.max() < len(labels_of_all)
    if len(rows) != cell.size or not inside or (labels_of_all[rows] != labels).any():
        raise DatasetError(
            f"{subset_csv} does not belong to {dataset_folder} and size {cell.size}: it has {len(rows)} rows, and its "
            "labels must be those of the data set. Delete the file and run again to have it extracted anew."
        )
    other = explain_other_validation(cell, dataset_folder, subset_csv, validation_csv)
    if other:
        raise DatasetError(other)
    validation_rows = None if validation_csv is None else read_subset(validation_csv)[0]
    return bring_to_device(cell, dataset, rows, device, memory_format, validation_rows)
