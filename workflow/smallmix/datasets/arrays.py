"""A dataset read from its folder of checked files, by everything that trains. How they are written: array_writing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallmix.datasets.description import DatasetDescription, load_description
from smallmix.errors import DatasetError, remedy
from smallmix.fingerprints import fingerprint_file

ARRAY_FILES = ("train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy")


@dataclass(frozen=True)
class Dataset:
    """A dataset read from its folder: read-only memory maps of the arrays, and their description."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    description: DatasetDescription


def load_dataset(folder: Path, verify: bool = True) -> Dataset:
    """Return the dataset in `folder` as read-only memory maps; `verify` recomputes the checksums of all files.

    Shapes, types and the labels' range are checked in any case. Raises DatasetError naming the file and the remedy.
    """
    folder = Path(folder)
    description = load_description(folder)
    if verify:
        _verify_checksums(folder, description)
    arrays = {file: _map_array(folder / file) for file in ARRAY_FILES}
    for part, count in (("train", description.train_count), ("test", description.test_count)):
        images, labels = arrays[f"{part}_images.npy"], arrays[f"{part}_labels.npy"]
        try:
            check_pair(images, labels, len(description.classes), str(folder / f"{part}_images.npy"))
        except DatasetError as error:
            raise DatasetError(f"{error}. {remedy(folder)}") from error
        if images.shape != (count, *description.image_shape):
            raise DatasetError(
                f"{folder / f'{part}_images.npy'} has the shape {images.shape}, dataset.json says "
                f"{(count, *description.image_shape)}. {remedy(folder)}"
            )
    train_images, train_labels, test_images, test_labels = (arrays[file] for file in ARRAY_FILES)
    return Dataset(train_images, train_labels, test_images, test_labels, description)


def check_pair(images: NDArray[Any], labels: NDArray[Any], classes: int, where: str) -> None:
    """Raise DatasetError, beginning with `where`, for images and labels that do not fit each other or `classes`."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        raise DatasetError(
            f"{where}: images must be uint8 [N, H, W, 1 or 3], found {images.dtype} {list(images.shape)}"
        )
    if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
        raise DatasetError(
            f"{where}: labels must be int64 [{images.shape[0]}], found {labels.dtype} {list(labels.shape)}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise DatasetError(
            f"{where}: labels run from {labels.min()} to {labels.max()}, but there are only {classes} classes"
        )


def _map_array(path: Path) -> NDArray[Any]:
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing. {remedy(path.parent)}") from error
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path} is not a whole .npy file: {error}. {remedy(path.parent)}") from error


def _verify_checksums(folder: Path, description: DatasetDescription) -> None:
    for file in dict.fromkeys((*ARRAY_FILES, *description.checksums)):
        path = folder / file
        try:
            actual = fingerprint_file(path)
        except OSError as error:
            raise DatasetError(f"{path} cannot be read: {error.strerror}. {remedy(folder)}") from error
        if actual != description.checksums.get(file):
            raise DatasetError(
                f"{path} is not the file that was fetched: its sha256 is {actual}, dataset.json says "
                f"{description.checksums.get(file)}. {remedy(folder)}"
            )
