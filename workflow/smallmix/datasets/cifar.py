"""Read the original CIFAR-10 and CIFAR-100 from their python archives.

The archives hold pickles, and a pickle is a program. Their sha256 proves that the bytes are the ones that A. Krizhevsky
published, and it is verified before anything is unpickled.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from functools import partial
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from smallmix.datasets.download import ExpectedFile
from smallmix.datasets.published_dataset import LabelledImages, PublishedDataset, open_members

IMAGE_SIDE, CHANNELS = 32, 3
ORIGIN = "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009"


def read_cifar(
    files: Sequence[IO[bytes]], folder: str, train: Sequence[str], test: str, meta: str, kind: str
) -> LabelledImages:
    """Return the arrays of a verified archive: images uint8 [N, 32, 32, 3], labels int64 [N].

    `folder` holds the batches `train`, in this order, `test` and `meta` with the names of the classes; `kind` begins
    the keys of labels and names: nothing in CIFAR-10, fine in CIFAR-100. Raises DatasetError where one is missing.
    """
    names = [f"{folder}/{name}" for name in (*train, test, meta)]
    (stream,) = files
    members: dict[str, dict[bytes, Any]] = {}
    for name, content in open_members(stream, names, folder):
        members[name] = pickle.load(content, encoding="bytes")
    *batches, names_of_classes = (members[name] for name in names)
    pairs = [_images_and_labels(batch, f"{kind}labels".encode()) for batch in batches]
    test_images, test_labels = pairs.pop()
    return LabelledImages(
        train_images=np.concatenate([images for images, _ in pairs]),
        train_labels=np.concatenate([labels for _, labels in pairs]),
        test_images=test_images,
        test_labels=test_labels,
        classes=tuple(name.decode("latin-1") for name in names_of_classes[f"{kind}label_names".encode()]),
    )


def _images_and_labels(batch: Mapping[bytes, Any], labels: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return a batch's images, uint8 [n, 32, 32, 3] from rows of 3 x 32 x 32 values, and its labels, int64 [n]."""
    images = batch[b"data"].reshape(-1, CHANNELS, IMAGE_SIDE, IMAGE_SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.array(batch[labels], dtype=np.int64)


CIFAR10 = PublishedDataset(
    name="cifar10",
    files=(
        ExpectedFile(
            name="cifar-10-python.tar.gz",
            sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            size=170_498_071,
            relatives={"c32a1d4ab5d03f1284b67883e8d87530": "the binary version, cifar-10-binary.tar.gz"},
        ),
    ),
    read=partial(
        read_cifar,
        folder="cifar-10-batches-py",
        train=[f"data_batch_{number}" for number in range(1, 6)],
        test="test_batch",
        meta="batches.meta",
        kind="",
    ),
    origin=ORIGIN,
    order="data_batch_1 to data_batch_5, each in its own order",
)
CIFAR100 = PublishedDataset(
    name="cifar100",
    files=(
        ExpectedFile(
            name="cifar-100-python.tar.gz",
            sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
            size=169_001_437,
            relatives={"03b5dce01913d631647c71ecec9e9cb8": "the binary version, cifar-100-binary.tar.gz"},
        ),
    ),
    read=partial(read_cifar, folder="cifar-100-python", train=["train"], test="test", meta="meta", kind="fine_"),
    origin=ORIGIN,
    order="as in the file train; the 100 fine classes",
)
