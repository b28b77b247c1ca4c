"""Read the labelled images of STL-10 from its binary archive; the unlabelled ones are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

import numpy as np
from numpy.typing import NDArray

from smallmix.datasets.download import ExpectedFile
from smallmix.datasets.published_dataset import LabelledImages, PublishedDataset, open_members

IMAGE_SIDE, CHANNELS = 96, 3
FOLDER = "stl10_binary"
MEMBERS = tuple(f"{FOLDER}/{name}.bin" for name in ("train_X", "train_y", "test_X", "test_y"))
# As in class_names.txt, which may lie behind two gigabytes of unlabelled images.
CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


def read_stl10(files: Sequence[IO[bytes]]) -> LabelledImages:
    """Return the arrays of the verified archive: images uint8 [N, 96, 96, 3], labels int64 [N].

    Raises DatasetError where a member is missing.
    """
    (stream,) = files
    contents = {
        name: np.frombuffer(content.read(), np.uint8) for name, content in open_members(stream, MEMBERS, FOLDER)
    }
    train_images, train_labels, test_images, test_labels = (contents[name] for name in MEMBERS)
    return LabelledImages(
        _images(train_images), _labels(train_labels), _images(test_images), _labels(test_labels), CLASSES
    )


def _images(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images of values that lie channel by channel, and in a channel column by column."""
    return np.ascontiguousarray(values.reshape(-1, CHANNELS, IMAGE_SIDE, IMAGE_SIDE).transpose(0, 3, 2, 1))


def _labels(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return labels that count from 0; in the files they count from 1."""
    return values.astype(np.int64) - 1


STL10 = PublishedDataset(
    name="stl10",
    files=(
        ExpectedFile(
            "stl10_binary.tar.gz", "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866", 2_640_397_119
        ),
    ),
    read=read_stl10,
    origin="A. Coates, H. Lee and A. Y. Ng, An Analysis of Single Layer Networks in Unsupervised Feature Learning, "
    "AISTATS 2011",
    order="as in train_X.bin, all ten folds together, without the unlabelled images",
)
