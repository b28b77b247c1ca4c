"""Small folders of class folders, and zip files of them, for tests of the user's own images."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from smallmix.datasets.array_writing import DatasetArrays
from smallmix.datasets.folder_dataset import folder_dataset


def noise(number: int, side: int = 8) -> Image.Image:
    """An image that looks like no other of another number."""
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8))


def png(image: Image.Image) -> bytes:
    """The bytes of an image file."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def make_class_folders(folder: Path, names: Iterable[str]) -> Path:
    """A folder with an image of its own for each name, such as train/cat/1.png."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(noise(number)))
    return folder


def one_folder(folder: Path, count: int = 10, classes: Iterable[str] = ("cat", "dog")) -> Path:
    """A folder of `count` images a class."""
    return make_class_folders(folder, [f"{name}/{number}.png" for name in classes for number in range(count)])


def two_parts(folder: Path) -> Path:
    """A folder with train/ and test/, two classes, three and two images each."""
    return make_class_folders(
        folder,
        [
            f"{part}/{name}/{number}.png"
            for part, count in (("train", 3), ("test", 2))
            for name in ("cat", "dog")
            for number in range(count)
        ],
    )


def pack(folder: Path, file: Path, below: str = "") -> Path:
    """A zip file of a folder's files."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, below + path.relative_to(folder).as_posix())
    return file


def section(images: Path, **changes: Any) -> dict[str, Any]:
    """The section image-folder of a configuration, at 8 x 8 in colour unless `changes` say otherwise."""
    defaults = {
        "folder": str(images),
        "identifier": "mine",
        "title": "Mine",
        "image_size": 8,
        "color": "rgb",
        "fit": "crop",
        "classes": None,
        "test_share": 0.2,
        "split_seed": 0,
    }
    return {**defaults, **changes}


def read_class_folders(images: Path, output: Path | None = None, **changes: Any) -> DatasetArrays:
    """The data set of a folder or a zip file; without `output` there is no table of a division yet."""
    return folder_dataset(section(images, **changes), output or images.parent / "no-output")
