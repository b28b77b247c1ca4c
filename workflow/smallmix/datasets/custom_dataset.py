"""Turn a custom dataset into arrays: a folder of images with train.csv and test.csv, which list paths and labels.

Both lists are checked before any image is decoded, and all images before anything is written.
"""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallmix.datasets.array_writing import DatasetArrays
from smallmix.datasets.image_decoding import DecodedImages, decode_images
from smallmix.datasets.image_list import (
    TEST_LIST,
    TRAIN_LIST,
    ListRow,
    Problems,
    find_listed_files,
    read_image_list,
)
from smallmix.datasets.look_alikes import difference, look
from smallmix.datasets.progress import Progress
from smallmix.errors import ConfigurationError, DatasetError
from smallmix.fingerprints import fingerprint_file

SECTION = "dataset.image-list"
SETTINGS = ("folder", "identifier", "title", "image_size", "color")
ROUNDABOUT = re.compile(r"^\./|/\.?/|/\.?$")  # what normalising would change, in paths without ..
INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
PAIRS_SHOWN = 5
FULL_RANGE, DIM_PEAK = 65535, 1 << 14  # what stays below the second comes out at less than a quarter of full brightness


def custom_dataset(settings: Mapping[str, Any]) -> DatasetArrays:
    """Return the images of a folder's two lists, in the lists' order, decoded to squares of `image_size` pixels.

    `settings` holds folder (relative to the current one), identifier, title, image_size, and color (rgb or grey).
    Classes are the labels of the training list, sorted; by number where all are integers. Raises DatasetError with all
    that is wrong with the lists or the images, ConfigurationError where a setting is missing.
    """
    if unset := [key for key in SETTINGS if settings.get(key) is None]:
        raise ConfigurationError(f"{SECTION} lacks {', '.join(unset)}; a custom dataset needs {', '.join(SETTINGS)}")
    folder, size, color = Path(settings["folder"]), int(settings["image_size"]), str(settings["color"])
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}; name the folder of your images under {SECTION}.folder")
    problems = Problems()
    lists = {name: read_image_list(folder / name, problems) for name in (TRAIN_LIST, TEST_LIST)}
    rows_are_missing = len(problems) > 0
    paths = {name: find_listed_files(rows, name, folder, problems) for name, rows in lists.items()}
    repetitions = _check_repetitions(lists, problems)
    classes = sorted_classes(row.label for row in lists[TRAIN_LIST])
    if not rows_are_missing:  # else this would name the wrong rows
        _check_classes(lists, classes, problems)
    problems.raise_if_any(f"the image list in {folder}")
    _check_memory(sum(map(len, paths.values())), size, color)
    decoded = {name: _decode(rows, paths[name], name, size, color, problems) for name, rows in lists.items()}
    problems.raise_if_any(f"the set of images in {folder}")
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
        warnings=(
            *repetitions,
            *_path_warnings(lists),
            *_class_warnings(lists, classes),
            *_image_warnings(lists, decoded),
        ),
    )


def sorted_classes(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct labels in order: by number where all are integers, else by their characters' code points."""
    names = sorted(set(labels))
    if all(INTEGER.fullmatch(name) for name in names):
        names.sort(key=int)
    return tuple(names)


def _check_classes(lists: Mapping[str, Sequence[ListRow]], classes: Sequence[str], problems: Problems) -> None:
    """Add empty lists, a training list of one class, and test classes that are never trained to `problems`."""
    for name, rows in lists.items():
        if not rows:
            problems.add(f"{name}: lists no images")
    if len(classes) == 1:
        problems.add(f"{TRAIN_LIST}: has one class only ({classes[0]!r}); telling classes apart needs two")
    if lists[TRAIN_LIST]:
        seen = set(classes)
        trained = {look(name): name for name in reversed(classes)}
        for row in lists[TEST_LIST]:
            if row.label not in seen:
                seen.add(row.label)
                similar = trained.get(look(row.label))
                hint = f"; {similar!r} has, and differs only {difference(row.label, similar)}" if similar else ""
                problems.add(f"{TEST_LIST} line {row.line}: the class {row.label!r} has no image in {TRAIN_LIST}{hint}")


def _check_repetitions(lists: Mapping[str, Sequence[ListRow]], problems: Problems) -> list[str]:
    """Add paths with two labels, in one list or in both, to `problems`; return warnings about paths listed twice."""
    labels: dict[str, tuple[str, str, int]] = {}
    warnings: list[str] = []
    for name, rows in lists.items():
        seen: set[str] = set()
        again: list[ListRow] = []
        for row in rows:
            path = posixpath.normpath(row.path) if ROUNDABOUT.search(row.path) else row.path
            label, list_name, line = labels.setdefault(path, (row.label, name, row.line))
            if label != row.label:
                problems.add(
                    f"{name} line {row.line}: {row.path!r} is labelled {row.label!r}, "
                    f"but {label!r} in {list_name} line {line}"
                )
            elif path in seen:
                again.append(row)
            seen.add(path)
        if again:
            warnings.append(
                f"{name} repeats {_images(len(again))}, first in line {again[0].line} ({again[0].path!r}); "
                "each row counts as an image"
            )
    return warnings


def _class_warnings(lists: Mapping[str, Sequence[ListRow]], classes: Sequence[str]) -> list[str]:
    """Return warnings about classes that are never tested, and about names that are probably one class twice."""
    tested = {row.label for row in lists[TEST_LIST]}
    warnings = [f"the class {name!r} has no image in {TEST_LIST}" for name in classes if name not in tested]
    alike: dict[str, str] = {}
    pairs = [(other, name) for name in classes if (other := alike.setdefault(look(name), name)) != name]
    for other, name in pairs[:PAIRS_SHOWN]:
        warnings.append(
            f"the classes {other!r} and {name!r} count as two, but differ only {difference(other, name)}. If they are "
            f"one class, write it in one way in {TRAIN_LIST} and {TEST_LIST}"
        )
    if len(pairs) > PAIRS_SHOWN:
        warnings.append(f"{len(pairs) - PAIRS_SHOWN:,} more classes look like another one")
    return warnings


def _path_warnings(lists: Mapping[str, Sequence[ListRow]]) -> list[str]:
    """Return a warning about different paths that differ in the Unicode form of a letter only, over both lists."""
    first: dict[str, tuple[str, str]] = {}
    pairs: list[tuple[str, str]] = []
    for name, rows in lists.items():
        for row in rows:
            if not row.path.isascii():
                place = f"{name} line {row.line}"
                path, other = first.setdefault(unicodedata.normalize("NFC", row.path), (row.path, place))
                if path != row.path:
                    pairs.append((other, place))
    if not pairs:
        return []
    return [
        f"{_paths(len(pairs))} from another one only in the Unicode form of a letter "
        f"(first: {' and '.join(pairs[0])}); on some systems both name one file. Rename the files"
    ]


def _image_warnings(lists: Mapping[str, Sequence[ListRow]], decoded: Mapping[str, DecodedImages]) -> list[str]:
    """Return warnings about what had to be done to images, and about equal images under two labels or in both lists."""
    warnings: list[str] = []
    for name, rows in lists.items():
        for note, indices in sorted(decoded[name].notes.items()):
            warnings.append(
                f"{name}: {len(indices):,} of {_images(len(rows))} (first: {rows[indices[0]].path!r}) {note}"
            )
        warnings += _dim_warning(name, rows, decoded[name].peaks)
    first_row: dict[bytes, ListRow] = {}
    contradictions: list[tuple[ListRow, ListRow]] = []
    for row, digest in zip(lists[TRAIN_LIST], decoded[TRAIN_LIST].digests, strict=True):
        other = first_row.setdefault(digest, row)
        if other.label != row.label:
            contradictions.append((other, row))
    if contradictions:
        other, row = contradictions[0]
        warnings.append(
            f"{TRAIN_LIST}: {len(contradictions):,} of {_images(len(lists[TRAIN_LIST]))} bear another label than an "
            f"image of equal pixels (first: {row.path!r} as {row.label!r}, {other.path!r} as {other.label!r})"
        )
    shared = [
        (first_row[digest], row)
        for row, digest in zip(lists[TEST_LIST], decoded[TEST_LIST].digests, strict=True)
        if digest in first_row
    ]
    if shared:
        other, row = shared[0]
        warnings.append(
            f"{TEST_LIST}: {len(shared):,} of {_images(len(lists[TEST_LIST]))} are equal, pixel for pixel as scaled, "
            f"to training images (first: {row.path!r} and {other.path!r}); test accuracies are too high by what was "
            "memorised. Take them out of one of the lists"
        )
    return warnings


def _decode(
    rows: Sequence[ListRow], paths: Sequence[str], list_name: str, size: int, color: str, problems: Problems
) -> DecodedImages:
    progress = Progress(f"images of {list_name}", len(rows), "images")
    decoded = decode_images(paths, size, color, progress.show)
    progress.close()
    for index, error in decoded.errors.items():
        problems.add(f"{list_name} line {rows[index].line}: {rows[index].path!r} {error}")
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


def _dim_warning(name: str, rows: Sequence[ListRow], peaks: Mapping[int, int]) -> list[str]:
    """Return a warning about images of 16 bits that use only the lowest of them, as cameras of 10 to 14 bits do."""
    dim = {index: peak for index, peak in peaks.items() if peak < DIM_PEAK}
    if not dim:
        return []
    largest = max(dim.values())
    return [
        f"{name}: {len(dim):,} of {_images(len(rows))} (first: {rows[min(dim)].path!r}) have 16 bits a channel and use "
        f"only the lowest {max(largest.bit_length(), 1)} (largest value {largest:,} of {FULL_RANGE:,}): they come out "
        "dark. Stretch their values to the full range"
    ]


def _paths(count: int) -> str:
    return "1 path differs" if count == 1 else f"{count:,} paths differ"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"
