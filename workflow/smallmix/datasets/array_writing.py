"""Write a dataset's folder: arrays, the table of training images, and the description with everybody's checksums.

Reading stands apart, in `arrays`, so that a change here retrains nothing: training depends on the files.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from smallmix.atomic_files import atomic_writer, remove_stale_temporaries, write_bytes, write_text
from smallmix.datasets.arrays import ARRAY_FILES, check_pair
from smallmix.datasets.description import DESCRIPTION_FILE, TABLE_FILE, TABLE_HEADER, DatasetDescription
from smallmix.errors import DatasetError

IMAGES_PER_COUNT = 1024  # images counted at once, which bounds the memory that counting takes
# Spreadsheets take these for the start of a formula; some of them accept the full-width forms as well.
FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001


@dataclass(frozen=True)
class DatasetArrays:
    """A dataset in memory, as a reader of foreign files hands it over.

    Images are uint8 [N, H, W, C] with C = 3 (red, green, blue) or 1 (grey); labels are int64 [N], indices of `classes`.
    `further_files` are written beside the arrays, by name, and no checksum covers them. The other fields are those of
    `DatasetDescription`.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    name: str
    identifier: str
    title: str
    source: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    further_files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)


def write_dataset(arrays: DatasetArrays, folder: Path) -> DatasetDescription:
    """Write the six files of a dataset into `folder`, dataset.json last: where that stands, the others are whole.

    Equal arrays give equal bytes. Raises DatasetError where the arrays do not fit each other, SmallmixError where the
    folder cannot be written.
    """
    folder = Path(folder)
    contents = dict(zip(ARRAY_FILES, _four_arrays(arrays), strict=True))
    for part in ("train", "test"):
        check_pair(
            contents[f"{part}_images.npy"], contents[f"{part}_labels.npy"], len(arrays.classes), f"{part} arrays"
        )
    if arrays.train_images.shape[1:] != arrays.test_images.shape[1:]:
        raise DatasetError(
            f"training images have the shape {list(arrays.train_images.shape[1:])}, "
            f"test images {list(arrays.test_images.shape[1:])}"
        )
    # dataset.json says that all files are whole, so it goes first while they are replaced.
    with contextlib.suppress(OSError):
        (folder / DESCRIPTION_FILE).unlink()
    remove_stale_temporaries(folder)
    checksums = {file: _write_array(folder / file, array) for file, array in contents.items()}
    table = train_table_bytes(arrays.train_labels.tolist(), arrays.classes)
    write_bytes(folder / TABLE_FILE, table)
    checksums[TABLE_FILE] = hashlib.sha256(table).hexdigest()
    for file, content in arrays.further_files.items():
        write_bytes(folder / file, content)
    mean, deviation = channel_statistics(arrays.train_images)
    height, width, channels = arrays.train_images.shape[1:]
    constant = [channel for channel, spread in enumerate(deviation) if spread == 0.0]
    warnings = list(arrays.warnings)
    if constant:
        warnings.append(
            f"channel {', '.join(map(str, constant))} has one value in all training images; "
            "its deviation is given as 1, so that normalised pixels stay finite"
        )
    description = DatasetDescription(
        name=arrays.name,
        identifier=arrays.identifier,
        title=arrays.title,
        classes=tuple(arrays.classes),
        image_shape=(height, width, channels),
        train_count=len(arrays.train_images),
        test_count=len(arrays.test_images),
        mean=mean,
        deviation=tuple(spread or 1.0 for spread in deviation),
        checksums=checksums,
        source=dict(arrays.source),
        warnings=tuple(warnings),
    )
    write_text(folder / DESCRIPTION_FILE, description.to_json())
    return description


def channel_statistics(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and (population) standard deviation per channel of pixel/255, for uint8 images [N, H, W, C].

    Pixels are counted by value and summed as integers, so that the result is exact up to the last division and no
    floating-point copy of the images is made.
    """
    counts = np.zeros((images.shape[3], 256), dtype=np.int64)
    for start in range(0, len(images), IMAGES_PER_COUNT):
        for channel in range(images.shape[3]):
            pixels = images[start : start + IMAGES_PER_COUNT, :, :, channel].ravel()
            counts[channel] += np.bincount(pixels, minlength=256)
    means: list[float] = []
    deviations: list[float] = []
    for channel_counts in counts.tolist():
        number = sum(channel_counts)
        total = sum(value * count for value, count in enumerate(channel_counts))
        squares = sum(value * value * count for value, count in enumerate(channel_counts))
        means.append(total / (255 * number))
        deviations.append(((number * squares - total * total) / number**2) ** 0.5 / 255)
    return tuple(means), tuple(deviations)


def train_table_bytes(labels: Iterable[int], classes: Sequence[str]) -> bytes:
    """Return the content of train.csv (UTF-8): one row per training image, in the order of the arrays.

    In the column class, a single quote goes before names that a spreadsheet would run as a formula. dataset.json holds
    the names as they are.
    """
    cells = [f"'{name}" if name.startswith(FORMULA_STARTS) else name for name in classes]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(TABLE_HEADER)
    writer.writerows((row, label, cells[label]) for row, label in enumerate(labels))
    return stream.getvalue().encode("utf-8")


class _HashingWriter:
    """Writes bytes to a file and hashes them on the way."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self._digest.update(content)
        return self._stream.write(content)

    def checksum(self) -> str:
        return self._digest.hexdigest()


def _write_array(path: Path, array: NDArray[Any]) -> str:
    with atomic_writer(path) as stream:
        writer = _HashingWriter(stream)
        np.lib.format.write_array(writer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return writer.checksum()


def _four_arrays(arrays: DatasetArrays) -> tuple[NDArray[Any], ...]:
    return arrays.train_images, arrays.train_labels, arrays.test_images, arrays.test_labels
