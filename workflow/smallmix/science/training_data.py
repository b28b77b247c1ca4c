"""The images of one training on its device: the subset with every crop, and the images of its evaluations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from smallmix.datasets.arrays import Dataset
from smallmix.science.evaluation import EvaluationImages
from smallmix.science.training_step import Normalization, TrainingImages, crop_windows
from smallmix.study.cell import Cell


@dataclass(frozen=True)
class TrainingData:
    """The images of one cell on its device. image_shape is (height, width, channels).

    `validation` is None where the cell has no validation images.
    """

    training: TrainingImages
    clean_train: EvaluationImages
    test: EvaluationImages
    image_shape: tuple[int, int, int]
    classes: int
    validation: EvaluationImages | None = None


def bring_to_device(
    cell: Cell,
    dataset: Dataset,
    rows: NDArray[np.int64],
    device: torch.device,
    memory_format: torch.memory_format,
    validation_rows: NDArray[np.int64] | None = None,
) -> TrainingData:
    """Return what the cell trains on and is evaluated on.

    `rows` are the subset's training images, int64 [size], `validation_rows` the validation images, where there are any.
    """
    description = dataset.description
    normalization = Normalization.of(list(description.mean), list(description.deviation), device)
    subset = _to_device(dataset.train_images[rows], device)
    subset_labels = torch.from_numpy(dataset.train_labels[rows]).to(device)
    clean = min(cell.size, cell.evaluation.clean_train_limit)
    validation = None
    if validation_rows is not None:
        validation = EvaluationImages(
            _to_device(dataset.train_images[validation_rows], device),
            torch.from_numpy(dataset.train_labels[validation_rows]).to(device),
            normalization,
            memory_format,
        )
    return TrainingData(
        training=TrainingImages(
            crop_windows(subset, cell.recipe.crop_padding), subset_labels, normalization, memory_format
        ),
        clean_train=EvaluationImages(subset[:clean], subset_labels[:clean], normalization, memory_format),
        test=EvaluationImages(
            _to_device(dataset.test_images, device),
            torch.from_numpy(np.array(dataset.test_labels)).to(device),
            normalization,
            memory_format,
        ),
        image_shape=description.image_shape,
        classes=len(description.classes),
        validation=validation,
    )


def _to_device(images: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """Return uint8 [N, H, W, C] as [N, C, H, W] on the device; a copy, because a memory map is read-only."""
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(device)
