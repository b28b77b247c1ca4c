"""Turn a custom dataset into arrays: a folder of images with train.csv and test.csv, which list paths and labels.

Both lists are checked before any image is decoded, and all images before anything is written.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from smallmix.datasets.array_writing import DatasetArrays
from smallmix.datasets.image_list import (
    TEST_LIST,
    TRAIN_LIST,
    ImagePart,
    ListRow,
    Problems,
    find_listed_files,
    read_image_list,
)
from smallmix.datasets.labelled_images import (
    DecodedPart,
    ImageSettings,
    all_warnings,
    as_arrays,
    check_classes,
    check_memory,
    decode_part,
    order_classes,
)
from smallmix.errors import DatasetError
from smallmix.fingerprints import fingerprint_file

NAME = "image-list"
ROUNDABOUT = re.compile(r"^\./|/\.?/|/\.?$")  # what normalising would change, in paths without ..


def custom_dataset(section: Mapping[str, Any]) -> DatasetArrays:
    """Return the images of a folder's two lists, in the lists' order, decoded to squares of `image_size` pixels.

    `section` holds folder (relative to the current one), identifier, title, image_size, and color (rgb or grey); it may
    hold fit and classes. Classes are the labels of the training list, sorted where the user gives no order; by number
    where all are integers. Raises DatasetError with all that is wrong with the lists or the images, ConfigurationError
    where a setting is missing.
    """
    settings = ImageSettings.of(NAME, section)
    folder = settings.folder
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}; name the folder of your images under {settings.key}.folder")
    problems = Problems()
    train, test = (ImagePart(name, read_image_list(folder / name, problems)) for name in (TRAIN_LIST, TEST_LIST))
    rows_are_missing = len(problems) > 0
    paths = [find_listed_files(part.rows, part.name, folder, problems) for part in (train, test)]
    repetitions = _check_repetitions((train, test), problems)
    classes = order_classes(train, settings, problems) if not rows_are_missing else ()
    if not rows_are_missing:  # else this would name the wrong rows
        for part in (train, test):
            if not part.rows:
                problems.add(f"{part.name}: lists no images")
        check_classes(train, test, classes, problems)
    problems.raise_if_any(f"the image list in {folder}")
    check_memory(sum(map(len, paths)), settings)
    train_part, test_part = (
        DecodedPart(part, decode_part(part, names, settings, problems))
        for part, names in zip((train, test), paths, strict=True)
    )
    problems.raise_if_any(f"the set of images in {folder}")
    source = {
        "folder": folder.resolve().name,
        "train_list_sha256": fingerprint_file(folder / TRAIN_LIST),
        "test_list_sha256": fingerprint_file(folder / TEST_LIST),
        "decoding": settings.decoding,
    }
    warnings = [
        *repetitions,
        *_path_warnings((train, test)),
        *all_warnings(train_part, test_part, classes, "Take them out of one of the lists"),
    ]
    return as_arrays(NAME, settings, classes, (train_part, test_part), source, warnings)


def _check_repetitions(parts: Sequence[ImagePart], problems: Problems) -> list[str]:
    """Add paths with two labels, in one list or in both, to `problems`; return warnings about paths listed twice."""
    labels: dict[str, tuple[str, str, int]] = {}
    warnings: list[str] = []
    for name, rows in parts:
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
            count = "1 image" if len(again) == 1 else f"{len(again):,} images"
            warnings.append(
                f"{name} repeats {count}, first in line {again[0].line} ({again[0].path!r}); "
                "each row counts as an image"
            )
    return warnings


def _path_warnings(parts: Sequence[ImagePart]) -> list[str]:
    """Return a warning about different paths that differ in the Unicode form of a letter only, over both lists."""
    first: dict[str, tuple[str, str]] = {}
    pairs: list[tuple[str, str]] = []
    for name, rows in parts:
        for row in rows:
            if not row.path.isascii():
                place = f"{name} line {row.line}"
                path, other = first.setdefault(unicodedata.normalize("NFC", row.path), (row.path, place))
                if path != row.path:
                    pairs.append((other, place))
    if not pairs:
        return []
    differ = "1 path differs" if len(pairs) == 1 else f"{len(pairs):,} paths differ"
    return [
        f"{differ} from another one only in the Unicode form of a letter "
        f"(first: {' and '.join(pairs[0])}); on some systems both name one file. Rename the files"
    ]
