"""Read the original CIFAR-10 from its archive cifar-10-python.tar.gz, after its sha256 is verified and not before.

The archive holds pickles, and a pickle is a program. The sha256 proves that the bytes are the ones that A. Krizhevsky
published, so what follows the verification needs no checks of its own.
"""

from __future__ import annotations

import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallmix.datasets.array_writing import DatasetArrays
from smallmix.datasets.download import ExpectedFile, download, open_verified

ARCHIVE = ExpectedFile(
    name="cifar-10-python.tar.gz",
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    size=170_498_071,
    relatives={"c32a1d4ab5d03f1284b67883e8d87530": "the binary version, cifar-10-binary.tar.gz"},
)
FOLDER = "cifar-10-batches-py"
TRAIN_BATCHES = tuple(f"{FOLDER}/data_batch_{number}" for number in range(1, 6))
TEST_BATCH = f"{FOLDER}/test_batch"
META = f"{FOLDER}/batches.meta"
IMAGE_SIDE, CHANNELS = 32, 3


def cifar10_dataset(settings: Mapping[str, Any], downloads: Path, expected: ExpectedFile = ARCHIVE) -> DatasetArrays:
    """Return CIFAR-10 in the order of its batch files, from a local archive or the first source that delivers it.

    `settings` holds `archive` (a path, relative to the current folder, or None) and `sources` (addresses). A verified
    download stays in the folder `downloads`, so that it is made once. `expected` is the archive that is accepted;
    nothing in the configuration changes it. Raises DatasetError where no archive of that content can be had.
    """
    if settings.get("archive"):
        return read_cifar10(Path(settings["archive"]), expected)
    advice = (
        f"To place the file by hand, save it as {downloads / expected.name}, or name its path under "
        "dataset.cifar10.archive in the configuration"
    )
    return read_cifar10(download(settings.get("sources") or (), downloads, expected, advice), expected)


def read_cifar10(archive: Path, expected: ExpectedFile = ARCHIVE) -> DatasetArrays:
    """Return the arrays of the archive: images uint8 [N, 32, 32, 3], labels int64 [N].

    Nothing is extracted to the disk. Raises DatasetError where the archive is missing or its sha256 is another one.
    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    members: dict[str, dict[bytes, Any]] = {}
    with (
        open_verified(archive, expected, "dataset.cifar10.archive") as stream,
        tarfile.open(fileobj=stream, mode="r:gz") as tar,
    ):
        for member in tar:
            if member.name in (META, TEST_BATCH, *TRAIN_BATCHES) and (content := tar.extractfile(member)):
                members[member.name] = pickle.load(content, encoding="bytes")
    train = [_images_and_labels(members[name]) for name in TRAIN_BATCHES]
    test_images, test_labels = _images_and_labels(members[TEST_BATCH])
    return DatasetArrays(
        train_images=np.concatenate([images for images, _ in train]),
        train_labels=np.concatenate([labels for _, labels in train]),
        test_images=test_images,
        test_labels=test_labels,
        classes=tuple(name.decode("latin-1") for name in members[META][b"label_names"]),
        name="cifar10",
        identifier="cifar10",
        title="CIFAR-10",
        source={
            "archive": expected.name,
            "sha256": expected.sha256,
            "origin": "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
            "order": "data_batch_1 to data_batch_5, each in its own order",
        },
    )


def _images_and_labels(batch: Mapping[bytes, Any]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return a batch's images, uint8 [n, 32, 32, 3] from rows of 3 x 32 x 32 values, and its labels, int64 [n]."""
    images = batch[b"data"].reshape(-1, CHANNELS, IMAGE_SIDE, IMAGE_SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.array(batch[b"labels"], dtype=np.int64)
