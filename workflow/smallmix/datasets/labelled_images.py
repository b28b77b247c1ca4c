"""What the user's own images share, whether lists or folders name them: classes, checks, decoding, warnings.

All names are checked before any image is decoded, and all images before anything is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallmix.datasets.array_writing import DatasetArrays
from smallmix.datasets.image_decoding import ON_DISK, DecodedImages, decode_images
from smallmix.datasets.image_files import ImageFiles
from smallmix.datasets.image_list import ImagePart, ListRow, Problems
from smallmix.datasets.look_alikes import difference, look
from smallmix.datasets.progress import Progress
from smallmix.errors import ConfigurationError, DatasetError
from smallmix.study.cell import Fit

INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
PAIRS_SHOWN, NAMES_SHOWN = 5, 10
FULL_RANGE, DIM_PEAK = 65535, 1 << 14  # what stays below the second comes out at less than a quarter of full brightness
FITS: Mapping[Fit, str] = {
    "crop": "central square",
    "pad": "padded with black to a square",
    "squash": "both sides squashed to a square",
}


@dataclass(frozen=True)
class ImageSettings:
    """What the two sections of a user's own images have in common. `key` is the section's name, for messages."""

    key: str
    folder: Path
    identifier: str
    title: str
    image_size: int
    color: str
    fit: Fit
    classes: tuple[str, ...] | None

    @classmethod
    def of(cls, name: str, section: Mapping[str, Any]) -> ImageSettings:
        """Return the settings of the section `dataset.<name>`. Raises ConfigurationError where one is missing."""
        needed = ("folder", "identifier", "title", "image_size", "color")
        if unset := [key for key in needed if section.get(key) is None]:
            raise ConfigurationError(
                f"dataset.{name} lacks {', '.join(unset)}; a custom dataset needs {', '.join(needed)}"
            )
        classes = section.get("classes")
        return cls(
            key=f"dataset.{name}",
            folder=Path(section["folder"]),
            identifier=str(section["identifier"]),
            title=str(section["title"]),
            image_size=int(section["image_size"]),
            color=str(section["color"]),
            fit=section.get("fit", "crop"),
            classes=None if classes is None else tuple(map(str, classes)),
        )

    @property
    def decoding(self) -> str:
        """Return how image files become pixels, in words."""
        return (
            f"{self.color}, {self.image_size} x {self.image_size}; EXIF orientation applied, transparency on black, "
            f"{FITS[self.fit]}, bilinear with antialiasing"
        )


class DecodedPart(NamedTuple):
    """The images of a part as files name them, and as pixels."""

    part: ImagePart
    images: DecodedImages


def sorted_classes(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct labels in order: by number where all are integers, else by their characters' code points."""
    names = sorted(set(labels))
    if all(INTEGER.fullmatch(name) for name in names):
        names.sort(key=int)
    return tuple(names)


def order_classes(train: ImagePart, settings: ImageSettings, problems: Problems) -> tuple[str, ...]:
    """Return the classes of the training images: in the user's order, else sorted.

    What that order names too much or too little is added to `problems`.
    """
    found = sorted_classes(row.label for row in train.rows)
    if settings.classes is None:
        return found
    for name in settings.classes:
        if name not in found:
            hint = _hint(name, found)
            problems.add(f"{settings.key}.classes: the class {name!r} has no image in {train.name}{hint}")
    lacking = [name for name in found if name not in settings.classes]
    if lacking:
        shown = ", ".join(map(repr, lacking[:NAMES_SHOWN]))
        more = f" and {len(lacking) - NAMES_SHOWN:,} more" if len(lacking) > NAMES_SHOWN else ""
        problems.add(f"{settings.key}.classes: lacks {shown}{more} of {train.name}; name every class, or none")
    return settings.classes


def check_classes(train: ImagePart, test: ImagePart | None, classes: Sequence[str], problems: Problems) -> None:
    """Add training images of one class, and test classes that are never trained, to `problems`."""
    if len(classes) == 1:
        problems.add(f"{train.name}: has one class only ({classes[0]!r}); telling classes apart needs two")
    if test is None or not train.rows:
        return
    trained = {row.label for row in train.rows}
    seen = set(trained)
    for row in test.rows:
        if row.label not in seen:
            seen.add(row.label)
            place = f"{test.name} line {row.line}" if row.line else repr(row.path)
            hint = _hint(row.label, sorted(trained))
            problems.add(f"{place}: the class {row.label!r} has no image in {train.name}{hint}")


def class_warnings(train: ImagePart, test: ImagePart, classes: Sequence[str]) -> list[str]:
    """Return warnings about classes that are never tested, and about names that are probably one class twice."""
    tested = {row.label for row in test.rows}
    warnings = [f"the class {name!r} has no image in {test.name}" for name in classes if name not in tested]
    alike: dict[str, str] = {}
    pairs = [(other, name) for name in classes if (other := alike.setdefault(look(name), name)) != name]
    for other, name in pairs[:PAIRS_SHOWN]:
        warnings.append(
            f"the classes {other!r} and {name!r} count as two, but differ only {difference(other, name)}. If they are "
            f"one class, write it in one way in {train.name} and {test.name}"
        )
    if len(pairs) > PAIRS_SHOWN:
        warnings.append(f"{len(pairs) - PAIRS_SHOWN:,} more classes look like another one")
    return warnings


def image_warnings(part: ImagePart, decoded: DecodedImages) -> list[str]:
    """Return warnings about what had to be done to images, and about images that are dark."""
    warnings = [
        f"{part.name}: {len(indices):,} of {_images(len(part.rows))} (first: {part.rows[indices[0]].path!r}) {note}"
        for note, indices in sorted(decoded.notes.items())
    ]
    return [*warnings, *_dim_warning(part, decoded.peaks)]


def contradiction_warnings(part: ImagePart, digests: Sequence[bytes]) -> list[str]:
    """Return a warning about images of equal pixels under two labels."""
    first_row: dict[bytes, ListRow] = {}
    contradictions: list[tuple[ListRow, ListRow]] = []
    for row, digest in zip(part.rows, digests, strict=True):
        other = first_row.setdefault(digest, row)
        if other.label != row.label:
            contradictions.append((other, row))
    if not contradictions:
        return []
    other, row = contradictions[0]
    return [
        f"{part.name}: {len(contradictions):,} of {_images(len(part.rows))} bear another label than an "
        f"image of equal pixels (first: {row.path!r} as {row.label!r}, {other.path!r} as {other.label!r})"
    ]


def shared_warnings(
    train: ImagePart, test: ImagePart, train_digests: Sequence[bytes], test_digests: Sequence[bytes], remedy: str
) -> list[str]:
    """Return a warning, with the remedy last, about test images that have the pixels of a training image."""
    first_row: dict[bytes, ListRow] = {}
    for row, digest in zip(train.rows, train_digests, strict=True):
        first_row.setdefault(digest, row)
    shared = [
        (first_row[digest], row) for row, digest in zip(test.rows, test_digests, strict=True) if digest in first_row
    ]
    if not shared:
        return []
    other, row = shared[0]
    return [
        f"{test.name}: {len(shared):,} of {_images(len(test.rows))} are equal, pixel for pixel as scaled, "
        f"to training images (first: {row.path!r} and {other.path!r}); test accuracies are too high by what was "
        f"memorised. {remedy}"
    ]


def all_warnings(train: DecodedPart, test: DecodedPart, classes: Sequence[str], remedy: str) -> list[str]:
    """Return the warnings about two parts: about classes, images, labels, and images that both have.

    `remedy` says what to do about images of both parts.
    """
    return [
        *class_warnings(train.part, test.part, classes),
        *image_warnings(*train),
        *image_warnings(*test),
        *contradiction_warnings(train.part, train.images.digests),
        *shared_warnings(train.part, test.part, train.images.digests, test.images.digests, remedy),
    ]


def decode_part(
    part: ImagePart,
    names: Sequence[str],
    settings: ImageSettings,
    problems: Problems,
    *,
    files: ImageFiles = ON_DISK,
    identify: bool = False,
) -> DecodedImages:
    """Return the decoded images of a part; `names` are those in `files`. Add what cannot be used to `problems`."""
    progress = Progress(f"images of {part.name}", len(part.rows), "images")
    decoded = decode_images(
        names,
        settings.image_size,
        settings.color,
        progress.show,
        fit=settings.fit,
        files=files,
        identify=identify,
    )
    progress.close()
    for index, error in decoded.errors.items():
        problems.add(f"{part.place(part.rows[index])} {error}")
    return decoded


def as_arrays(
    name: str,
    settings: ImageSettings,
    classes: tuple[str, ...],
    parts: tuple[DecodedPart, DecodedPart],
    source: Mapping[str, str],
    warnings: Iterable[str],
    further_files: Mapping[str, bytes] | None = None,
) -> DatasetArrays:
    """Return the arrays of the training part and the test part. `name` is that of the section."""
    train, test = parts
    return DatasetArrays(
        train_images=train.images.pixels,
        train_labels=label_indices(train.part, classes),
        test_images=test.images.pixels,
        test_labels=label_indices(test.part, classes),
        classes=classes,
        name=name,
        identifier=settings.identifier,
        title=settings.title,
        source=source,
        warnings=tuple(warnings),
        further_files=further_files or {},
    )


def label_indices(part: ImagePart, classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the labels of a part as indices of `classes`, int64 [N]."""
    index_of = {label: index for index, label in enumerate(classes)}
    return np.array([index_of[row.label] for row in part.rows], dtype=np.int64)


def check_memory(count: int, settings: ImageSettings) -> None:
    """Refuse what cannot fit before hours of decoding (and before the system ends the process without a word)."""
    size = settings.image_size
    needed = count * size * size * (3 if settings.color == "rgb" else 1)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise DatasetError(
            f"{count:,} images of {size} x {size} pixels need {needed:,} bytes, this machine has {memory:,} bytes of "
            f"memory. Choose a smaller {settings.key}.image_size"
        )


def _hint(name: str, others: Sequence[str]) -> str:
    """Return the name among `others` that looks like this one, in words behind 'has no image'; else nothing."""
    similar = next((other for other in others if look(other) == look(name)), None)
    return f"; {similar!r} has, and differs only {difference(name, similar)}" if similar else ""


def _dim_warning(part: ImagePart, peaks: Mapping[int, int]) -> list[str]:
    """Return a warning about images of 16 bits that use only the lowest of them, as cameras of 10 to 14 bits do."""
    dim = {index: peak for index, peak in peaks.items() if peak < DIM_PEAK}
    if not dim:
        return []
    largest = max(dim.values())
    return [
        f"{part.name}: {len(dim):,} of {_images(len(part.rows))} (first: {part.rows[min(dim)].path!r}) have 16 bits a "
        f"channel and use only the lowest {max(largest.bit_length(), 1)} (largest value {largest:,} of "
        f"{FULL_RANGE:,}): they come out dark. Stretch their values to the full range"
    ]


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"
