"""Small folders of images with their lists, for tests of the user's own images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from smallmix.datasets.array_writing import DatasetArrays
from smallmix.datasets.custom_dataset import custom_dataset

TRAIN = "path,label\na.png,cat\nb.png,dog\nc.png,cat\n"
TEST = "path,label\nd.png,dog\ne.png,cat\n"


def make_image_folder(folder: Path, train: str | bytes = TRAIN, test: str | bytes = TEST) -> Path:
    """A folder with five 8 x 8 images (a.png to e.png) and the two lists."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for name in "abcde":
        Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    for list_name, content in (("train.csv", train), ("test.csv", test)):
        (folder / list_name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def read_image_folder(images: Path, /, **settings: Any) -> DatasetArrays:
    """The folder's dataset at 8 x 8 in colour, unless `settings` say otherwise."""
    defaults = {"folder": str(images), "identifier": "mine", "title": "My images", "image_size": 8, "color": "rgb"}
    return custom_dataset({**defaults, **settings})
