"""What one training reads, brought to the device: its subset with every crop, and the images that it is read on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from numpy.typing import NDArray

from smallmix.datasets.arrays import load_dataset
from smallmix.errors import DatasetError
from smallmix.science.augmentation import Normalization, crop_windows
from smallmix.science.subsets import read_subset
from smallmix.science.training_step import TrainingImages
from smallmix.study.cell import Cell
from smallmix.training.evaluation import EvaluationImages


@dataclass(frozen=True)
class TrainingData:
    """The images of one cell on its device. image_shape is (height, width, channels)."""

    training: TrainingImages
    clean_train: EvaluationImages
    test: EvaluationImages
    image_shape: tuple[int, int, int]
    classes: int


def load_training_data(
    cell: Cell, dataset_folder: Path, subset_csv: Path, device: torch.device, memory_format: torch.memory_format
) -> TrainingData:
    """Load and verify the data set and the cell's subset.

    Raises DatasetError where either is damaged or where they do not belong together.
    """
    dataset = load_dataset(dataset_folder)
    description = dataset.description
    rows, labels = read_subset(subset_csv)
    if len(rows) != cell.size or not _fits(rows, labels, dataset.train_labels):
        raise DatasetError(
            f"{subset_csv} does not belong to {dataset_folder} and size {cell.size}: it has {len(rows)} rows, and its "
            "labels must be those of the data set. Delete the file and run again to have it extracted anew."
        )
    normalization = Normalization.of(list(description.mean), list(description.deviation), device)
    subset = _to_device(dataset.train_images[rows], device)
    subset_labels = torch.from_numpy(labels).to(device)
    clean = min(cell.size, cell.evaluation.clean_train_limit)
    return TrainingData(
        training=TrainingImages(
            crop_windows(subset, cell.recipe.crop_padding), subset_labels, normalization, memory_format
        ),
        clean_train=EvaluationImages(subset[:clean], subset_labels[:clean], normalization, memory_format),
        test=EvaluationImages(
            _to_device(dataset.test_images, device),
            torch.from_numpy(numpy.array(dataset.test_labels)).to(device),
            normalization,
            memory_format,
        ),
        image_shape=description.image_shape,
        classes=len(description.classes),
    )


def _fits(rows: NDArray[numpy.int64], labels: NDArray[numpy.int64], train_labels: NDArray[numpy.int64]) -> bool:
    inside = len(rows) > 0 and rows.min() >= 0 and rows.max() < len(train_labels)
    return bool(inside and (numpy.asarray(train_labels)[rows] == labels).all())


def _to_device(images: NDArray[numpy.uint8], device: torch.device) -> torch.Tensor:
    """uint8 [N, H, W, C] as stored, to [N, C, H, W] on the device; a copy, because a memory map is read-only."""
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(device)
