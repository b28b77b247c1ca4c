"""Read SVHN, house numbers cut out to single digits: two MATLAB files, without the additional training images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

import numpy as np
from numpy.typing import NDArray

from smallmix.datasets.download import ExpectedFile
from smallmix.datasets.published_dataset import LabelledImages, PublishedDataset

CLASSES = tuple(str(digit) for digit in range(10))


def read_svhn(files: Sequence[IO[bytes]]) -> LabelledImages:
    """Return the arrays of the verified training and test file: images uint8 [N, 32, 32, 3], labels int64 [N]."""
    train, test = files
    return LabelledImages(*_images_and_labels(train), *_images_and_labels(test), classes=CLASSES)


def _images_and_labels(stream: IO[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images of a file, there [32, 32, 3, N], and its labels, there [N, 1] with 10 for the digit 0."""
    from scipy.io import loadmat

    values = loadmat(stream, variable_names=["X", "y"])
    images = np.ascontiguousarray(values["X"].transpose(3, 0, 1, 2))
    return images, values["y"].reshape(-1).astype(np.int64) % len(CLASSES)


SVHN = PublishedDataset(
    name="svhn",
    files=(
        ExpectedFile(
            "train_32x32.mat", "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8", 182_040_794
        ),
        ExpectedFile("test_32x32.mat", "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b", 64_275_384),
    ),
    read=read_svhn,
    origin="Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu and A. Y. Ng, Reading Digits in Natural Images with "
    "Unsupervised Feature Learning, 2011",
    order="as in train_32x32.mat, without the additional images of extra_32x32.mat",
)
