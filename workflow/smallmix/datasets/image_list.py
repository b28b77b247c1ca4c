"""The user's own images: a folder with train.csv and test.csv, which list paths and labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallmix.datasets.array_writing import DatasetArrays
from smallmix.datasets.image_decoding import DecodedImages, decode_images
from smallmix.datasets.image_list_table import ListRow, read_image_list
from smallmix.datasets.list_faults import ListFaults
from smallmix.datasets.list_findings import (
    TEST_LIST,
    TRAIN_LIST,
    check_classes,
    check_repetitions,
    class_warnings,
    image_warnings,
    path_warnings,
    sorted_classes,
)
from smallmix.datasets.listed_files import find_listed_files
from smallmix.datasets.progress import Progress
from smallmix.errors import ConfigurationError, DatasetError
from smallmix.fingerprints import fingerprint_file

SECTION = "dataset.image-list"
SETTINGS = ("folder", "identifier", "title", "image_size", "color")


def image_list_dataset(settings: Mapping[str, Any]) -> DatasetArrays:
    """The images of a folder's two lists, in the lists' order, decoded to squares of `image_size` pixels.

    `settings` holds folder (relative to the current one), identifier, title, image_size, and color (rgb or grey).
    Classes are the labels of the training list, sorted; by number where all are integers. The lists are judged whole
    before any image is decoded, and the images whole before anything is written. Raises DatasetError with all faults,
    ConfigurationError where a setting is missing.
    """
    if unset := [key for key in SETTINGS if settings.get(key) is None]:
        raise ConfigurationError(
            f"{SECTION} lacks {', '.join(unset)}; reading your own images needs {', '.join(SETTINGS)}"
        )
    folder, size, color = Path(settings["folder"]), int(settings["image_size"]), str(settings["color"])
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}; name the folder of your images under {SECTION}.folder")
    faults = ListFaults()
    lists = {name: read_image_list(folder / name, faults) for name in (TRAIN_LIST, TEST_LIST)}
    rows_are_missing = len(faults) > 0
    paths = {name: find_listed_files(rows, name, folder, faults) for name, rows in lists.items()}
    warnings = check_repetitions(lists, faults)
    classes = sorted_classes(row.label for row in lists[TRAIN_LIST])
    if not rows_are_missing:  # else this would accuse the wrong rows
        check_classes(lists, classes, faults)
    faults.raise_if_any(f"the image list in {folder}")
    _check_memory(sum(map(len, paths.values())), size, color)
    decoded = {name: _decode(rows, paths[name], name, size, color, faults) for name, rows in lists.items()}
    faults.raise_if_any(f"the set of images in {folder}")
    index_of = {label: index for index, label in enumerate(classes)}
    labels = {name: np.array([index_of[row.label] for row in rows], dtype=np.int64) for name, rows in lists.items()}
    return DatasetArrays(
        train_images=decoded[TRAIN_LIST].pixels,
        train_labels=labels[TRAIN_LIST],
        test_images=decoded[TEST_LIST].pixels,
        test_labels=labels[TEST_LIST],
        classes=classes,
        name="image-list",
        identifier=str(settings["identifier"]),
        title=str(settings["title"]),
        source={
            "folder": folder.resolve().name,
            "train_list_sha256": fingerprint_file(folder / TRAIN_LIST),
            "test_list_sha256": fingerprint_file(folder / TEST_LIST),
            "decoding": f"{color}, {size} x {size}; EXIF orientation applied, transparency on black, central square, "
            "bilinear with antialiasing",
        },
        warnings=(*warnings, *path_warnings(lists), *class_warnings(lists, classes), *image_warnings(lists, decoded)),
    )


def _decode(
    rows: Sequence[ListRow], paths: Sequence[str], list_name: str, size: int, color: str, faults: ListFaults
) -> DecodedImages:
    progress = Progress(f"images of {list_name}", len(rows), "images")
    decoded = decode_images(paths, size, color, progress.show)
    progress.close()
    for index, fault in decoded.faults.items():
        faults.add(f"{list_name} line {rows[index].line}: {rows[index].path!r} {fault}")
    return decoded


def _check_memory(count: int, size: int, color: str) -> None:
    """Refuse what cannot fit before hours of decoding (and before the system ends the process without a word)."""
    needed = count * size * size * (3 if color == "rgb" else 1)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise DatasetError(
            f"{count:,} images of {size} x {size} pixels need {needed:,} bytes, this machine has {memory:,} bytes of "
            f"memory. Choose a smaller {SECTION}.image_size"
        )
