"""Turn a folder of class folders, or a zip file of one, into arrays. `folder_layout` says which layouts there are.

Where the images lie in one folder, they are divided into training and test images. The table of that division lies
beside the arrays and is read again at the next time.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smallmix.datasets.array_writing import DatasetArrays
from smallmix.datasets.folder_layout import FoundImages, find_images
from smallmix.datasets.image_decoding import DecodedImages
from smallmix.datasets.image_files import ImageFiles, open_images
from smallmix.datasets.image_likeness import group_alike
from smallmix.datasets.image_list import ImagePart, Problems
from smallmix.datasets.image_split import NEITHER, TEST, TRAIN, SplitImage, divide, read_split, split_file, split_table
from smallmix.datasets.labelled_images import (
    DecodedPart,
    ImageSettings,
    all_warnings,
    as_arrays,
    check_classes,
    check_memory,
    class_warnings,
    contradiction_warnings,
    decode_part,
    image_warnings,
    order_classes,
    shared_warnings,
)
from smallmix.datasets.progress import Progress
from smallmix.errors import ConfigurationError, DatasetError

NAME = "image-folder"
MEND = "the folder or the images"
PARTS_SHOWN = 5


def folder_dataset(section: Mapping[str, Any], output: Path) -> DatasetArrays:
    """Return the images of a folder or a zip file, decoded to squares of `image_size` pixels.

    `section` holds what that of an image-list holds, and for the division test_share (above 0, below 1) and split_seed.
    `output` is the folder of the arrays, where the table of the division lies. The order of the images is a hash of
    their paths. Raises DatasetError with all that is wrong with the folder or the images, ConfigurationError where a
    setting is missing.
    """
    settings = ImageSettings.of(NAME, section)
    if unset := [key for key in ("test_share", "split_seed") if section.get(key) is None]:
        raise ConfigurationError(f"{settings.key} lacks {', '.join(unset)}; an image-folder needs them")
    folder = settings.folder
    if not folder.exists():
        raise DatasetError(f"there is no {folder}; name the folder or the zip file under {settings.key}.folder")
    files, problems = open_images(folder), Problems()
    found = find_images(files, problems)
    classes = order_classes(found.train, settings, problems) if not problems else ()
    if not problems:  # else classes would be missing only because of these
        check_classes(found.train, found.test, classes, problems)
    problems.raise_if_any(str(folder), MEND)
    check_memory(sum(len(part.rows) for part in found.parts) * (1 if found.test else 2), settings)
    reader = _Reader(settings, files, found, classes, problems)
    if found.test is not None:
        return reader.two_parts(found.test)
    return reader.divided(output, float(section["test_share"]), int(section["split_seed"]))


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Decodes the images that were found in one of the two layouts."""

    settings: ImageSettings
    files: ImageFiles
    found: FoundImages
    classes: tuple[str, ...]
    problems: Problems

    def two_parts(self, test: ImagePart) -> DatasetArrays:
        """Return the arrays of train/ and test/."""
        train_part, test_part = (DecodedPart(part, self._decode(part)) for part in (self.found.train, test))
        self.problems.raise_if_any(f"the set of images in {self.settings.folder}", MEND)
        return self._arrays(
            (train_part, test_part),
            {"split": f"as the folders {train_part.part.name} and {test.name} have it"},
            all_warnings(train_part, test_part, self.classes, "Take them out of one of the folders"),
        )

    def divided(self, output: Path, share: float, seed: int) -> DatasetArrays:
        """Return the arrays of one folder's images, divided as its table says, and new ones by their hash."""
        whole, table = self.found.train, output / split_file(seed, share)
        known = read_split(table)
        decoded = self._decode(whole, identify=True)
        self.problems.raise_if_any(f"the set of images in {self.settings.folder}", MEND)
        images = _split_images(whole, decoded)
        sides = divide(images, share, seed, {content: side for content, (side, _, _) in known.items()})
        train_part, test_part = (
            DecodedPart(ImagePart(name, [whole.rows[index] for index in chosen]), _chosen(decoded, chosen))
            for name, side in (("the training part", TRAIN), ("the test part", TEST))
            for chosen in [[index for index, own in enumerate(sides) if own == side]]
        )
        (train, trained), (test, tested) = train_part, test_part
        if not test.rows:
            self.problems.add("no image is left for the test: in each class all images look alike, or there is one")
        check_classes(train, test, self.classes, self.problems)
        self.problems.raise_if_any(f"the division of the images in {self.settings.folder}", MEND)
        written = split_table(images, sides, known)
        return self._arrays(
            (train_part, test_part),
            {
                "split": f"{share:g} of each class for the test, drawn by content with seed {seed}; equal images and "
                "those that look alike on one side",
                "split_file": table.name,
                "split_sha256": hashlib.sha256(written).hexdigest(),
            },
            [
                *_division_warnings(images, sides, known),
                *class_warnings(train, test, self.classes),
                *image_warnings(whole, decoded),
                *contradiction_warnings(whole, decoded.digests),
                *shared_warnings(
                    train, test, trained.digests, tested.digests, f"Delete {table} to have all images divided anew"
                ),
            ],
            {table.name: written},
        )

    def _decode(self, part: ImagePart, identify: bool = False) -> DecodedImages:
        names = [row.path for row in part.rows]
        return decode_part(part, names, self.settings, self.problems, files=self.files, identify=identify)

    def _arrays(
        self,
        parts: tuple[DecodedPart, DecodedPart],
        source: Mapping[str, str],
        warnings: list[str],
        further_files: Mapping[str, bytes] | None = None,
    ) -> DatasetArrays:
        whole = {"folder": self.settings.folder.resolve().name, "decoding": self.settings.decoding, **source}
        all_of_them = [*self.found.warnings, *warnings]
        return as_arrays(NAME, self.settings, self.classes, parts, whole, all_of_them, further_files)


def _split_images(whole: ImagePart, decoded: DecodedImages) -> list[SplitImage]:
    """Return the images with their groups. Equal files, equal pixels and images that look alike are one group."""
    progress = Progress("images compared with each other", len(whole.rows), "images")
    equal = list(zip(decoded.contents, decoded.digests, strict=True))
    groups = group_alike(decoded.thumbnails, equal, progress.show)
    progress.close()
    return [
        SplitImage(content, row.label, group, row.path)
        for row, content, group in zip(whole.rows, decoded.contents, groups, strict=True)
    ]


def _chosen(decoded: DecodedImages, indices: list[int]) -> DecodedImages:
    """Return the pixels and digests of some images, without notes."""
    return DecodedImages(
        decoded.pixels[np.array(indices, dtype=np.int64)], [decoded.digests[index] for index in indices], {}, {}
    )


def _division_warnings(
    images: list[SplitImage], sides: list[str], known: Mapping[str, tuple[str, str, str]]
) -> list[str]:
    """Return warnings about images that look alike, and about those that are on no side because of that."""
    warnings: list[str] = []
    together = [count for count in Counter(image.group for image in images).values() if count > 1]
    if together:
        first, other = next((images[image.group], image) for index, image in enumerate(images) if image.group != index)
        warnings.append(
            f"{sum(together):,} images are equal or look alike, in {len(together):,} "
            f"{'group' if len(together) == 1 else 'groups'} (first: {first.path!r} and {other.path!r}, the largest of "
            f"{max(together):,} images); each group lies on one side"
        )
    out = [image.path for image, side in zip(images, sides, strict=True) if side == NEITHER]
    if out:
        count = "1 image is" if len(out) == 1 else f"{len(out):,} images are"
        warnings.append(f"{count} left out, because of a likeness to images of both sides (first: {out[0]!r})")
    gone = len(known.keys() - {image.content for image in images})
    if gone:
        warnings.append(f"{gone:,} of the divided images are no longer there; the table keeps their sides")
    return warnings
