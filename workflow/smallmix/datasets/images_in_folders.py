"""The image files that people mean by some paths: a file is itself, a folder stands for all images in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from smallmix.datasets.image_decoding import FORMATS
from smallmix.errors import DatasetError

SHOWN = 10
ARCHIVERS_FOLDER = "__MACOSX"


@dataclass(frozen=True)
class FoundImages:
    """The paths of the images, in the order in which they were named, a folder's sorted; and what was passed over."""

    files: tuple[str, ...]
    passed_over: tuple[str, ...] = ()


def find_images(paths: Sequence[str]) -> FoundImages:
    """Return the files that are named, and those below the folders that are named and have an image's ending.

    Hidden files and folders are no images. Raises DatasetError with all paths that do not exist, and all folders that
    hold no image.
    """
    found: list[str] = []
    passed_over: list[str] = []
    problems: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            found.append(path)
            if not os.path.exists(path):
                problems.append(f"there is no {path}")
            continue
        below = list(_files_below(path))
        images = [file for file in below if _has_image_ending(file)]
        passed_over += [file for file in below if not _has_image_ending(file)]
        found += images
        if not images:
            problems.append(f"the folder {path} holds no images ({', '.join(sorted(_endings()))})")
    if problems:
        more = f"\n  ... and {len(problems) - SHOWN:,} more" if len(problems) > SHOWN else ""
        lines = "".join(f"\n  {problem}" for problem in problems[:SHOWN])
        raise DatasetError(f"some images cannot be found:{lines}{more}\nCorrect the paths.")
    return FoundImages(tuple(found), tuple(passed_over))


def _files_below(folder: str) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != ARCHIVERS_FOLDER)
        yield from (os.path.join(place, name) for name in sorted(files) if not name.startswith("."))


def _has_image_ending(file: str) -> bool:
    return Path(file).suffix.lower() in _endings()


def _endings() -> set[str]:
    return {ending for ending, kind in Image.registered_extensions().items() if kind in FORMATS}
