"""The data sets that are known by name: what is known of them before they are there, and what follows from it.

Needs the standard library alone. How their files are read stands in datasets/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

AUTOMATIC = "automatic"  # stands for the border and the flips that fit a data set
CROP_PADDING_SHARE = 8  # the article's border is 4 pixels of 32


@dataclass(frozen=True)
class KnownDataset:
    """What is known of a data set before it is there.

    `image_size` is in pixels a side. `mirrored` says whether an image that is mirrored left to right still shows its
    class. `download_bytes` is the size of its files, 0 where nothing is downloaded.
    """

    title: str
    image_size: int
    channels: int
    classes: int
    train_count: int
    test_count: int
    mirrored: bool
    download_bytes: int = 0


KNOWN_DATASETS: Mapping[str, KnownDataset] = {
    "cifar10": KnownDataset("CIFAR-10", 32, 3, 10, 50_000, 10_000, mirrored=True, download_bytes=170_498_071),
    "cifar100": KnownDataset("CIFAR-100", 32, 3, 100, 50_000, 10_000, mirrored=True, download_bytes=169_001_437),
    "svhn": KnownDataset("SVHN", 32, 3, 10, 73_257, 26_032, mirrored=False, download_bytes=246_316_178),
    "fashion-mnist": KnownDataset("Fashion-MNIST", 28, 1, 10, 60_000, 10_000, mirrored=True, download_bytes=30_878_645),
    "mnist": KnownDataset("MNIST", 28, 1, 10, 60_000, 10_000, mirrored=False, download_bytes=11_594_722),
    "stl10": KnownDataset("STL-10", 96, 3, 10, 5_000, 8_000, mirrored=True, download_bytes=2_640_397_119),
    "digits": KnownDataset("digits (scikit-learn, 8 × 8 grey)", 8, 1, 10, 1_297, 500, mirrored=False),  # noqa: RUF001
}
# The key of a data set's section that names files which are on the disk already.
LOCAL_FILES: Mapping[str, str] = {
    "cifar10": "archive",
    "cifar100": "archive",
    "svhn": "folder",
    "fashion-mnist": "folder",
    "mnist": "folder",
    "stl10": "archive",
}


def is_downloaded(dataset: Mapping[str, Any]) -> bool:
    """Return whether a configuration's `dataset` section asks for files from the network."""
    name = dataset["name"]
    return name in LOCAL_FILES and dataset[name][LOCAL_FILES[name]] is None


def image_size(dataset: Mapping[str, Any]) -> int:
    """Return the images' side in pixels, by the resolved `dataset` section of a configuration."""
    name = dataset["name"]
    return KNOWN_DATASETS[name].image_size if name in KNOWN_DATASETS else int(dataset[name]["image_size"])


def fitting_crop_padding(side: int) -> int:
    """Return the border before a random crop that fits images of `side` pixels: an eighth, rounded down."""
    return side // CROP_PADDING_SHARE


def keeps_class_mirrored(name: str) -> bool:
    """Return whether a mirrored image of a data set still shows its class: all but digits, as far as is known."""
    return name not in KNOWN_DATASETS or KNOWN_DATASETS[name].mirrored
