"""The original CIFAR-10, read from its archive cifar-10-python.tar.gz after, and only after, its sha256 is verified."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from smallmix.datasets.array_writing import DatasetArrays
from smallmix.datasets.download import download
from smallmix.datasets.expected_file import ExpectedFile, opened_verified
from smallmix.datasets.pickled_batches import read_pickled_batch
from smallmix.errors import DatasetError

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
IMAGE_SIDE = 32
CHANNELS = 3
CLASS_COUNT = 10
LARGEST_MEMBER = 64 << 20


def cifar10_dataset(settings: Mapping[str, Any], downloads: Path, expected: ExpectedFile = ARCHIVE) -> DatasetArrays:
    """CIFAR-10 in the order of its batch files, from a local archive or from the first source that delivers it.

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
    """The arrays of an archive whose content is `expected`: images uint8 [N, 32, 32, 3], labels int64 [N].

    Nothing is extracted to the disk: the members that are needed, known by their exact names, are read in memory. The
    whole archive is refused if any member is a link, a device or stands outside. Raises DatasetError.
    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    with opened_verified(archive, expected, "dataset.cifar10.archive") as stream:
        members = _read_members(stream, archive)
    meta = read_pickled_batch(members[META], f"{META} in {archive}")
    classes = _class_names(meta, archive)
    train = [_read_batch(members[name], name, meta, archive) for name in TRAIN_BATCHES]
    test_images, test_labels = _read_batch(members[TEST_BATCH], TEST_BATCH, meta, archive)
    return DatasetArrays(
        train_images=np.concatenate([images for images, _ in train]),
        train_labels=np.concatenate([labels for _, labels in train]),
        test_images=test_images,
        test_labels=test_labels,
        classes=classes,
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


def _read_members(stream: IO[bytes], archive: Path) -> dict[str, bytes]:
    wanted = {META, TEST_BATCH, *TRAIN_BATCHES}
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=stream, mode="r:gz") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
                    raise DatasetError(
                        f"{archive} holds {member.name!r}, which is a link, a device or a path to elsewhere. "
                        "The archive is refused whole; use the original one"
                    )
                if member.name not in wanted:
                    continue
                content = tar.extractfile(member) if member.isreg() and member.size <= LARGEST_MEMBER else None
                if content is None or member.name in members:
                    raise DatasetError(f"{archive}: the member {member.name} is no file, too large, or there twice")
                members[member.name] = content.read()
    except (tarfile.TarError, zlib.error, EOFError, OSError) as fault:
        raise DatasetError(f"{archive} is not a whole .tar.gz archive: {fault}") from fault
    if missing := sorted(wanted - set(members)):
        raise DatasetError(f"{archive} lacks {', '.join(missing)}; use the original cifar-10-python.tar.gz")
    return members


def _class_names(meta: Mapping[str, Any], archive: Path) -> tuple[str, ...]:
    names = meta.get("label_names")
    if not isinstance(names, list) or len(names) != CLASS_COUNT or not all(isinstance(name, bytes) for name in names):
        raise DatasetError(f"{META} in {archive} should name {CLASS_COUNT} classes, it says {names!r}")
    return tuple(name.decode("latin-1") for name in names)


def _read_batch(
    content: bytes, name: str, meta: Mapping[str, Any], archive: Path
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    batch = read_pickled_batch(content, f"{name} in {archive}")
    pixels, labels = batch.get("data"), batch.get("labels")
    shape = (meta.get("num_cases_per_batch"), CHANNELS * IMAGE_SIDE**2)
    if not isinstance(pixels, np.ndarray) or pixels.shape != shape:
        raise DatasetError(f"{name} in {archive}: its images should be uint8 {list(shape)}, {_shape_of(pixels)}")
    if not isinstance(labels, list) or len(labels) != len(pixels) or not _all_classes(labels):
        raise DatasetError(f"{name} in {archive}: it should hold {len(pixels)} labels from 0 to {CLASS_COUNT - 1}")
    images = pixels.reshape(-1, CHANNELS, IMAGE_SIDE, IMAGE_SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.array(labels, dtype=np.int64)


def _shape_of(pixels: Any) -> str:
    return f"they are {list(pixels.shape)}" if isinstance(pixels, np.ndarray) else "there are none"


def _all_classes(labels: Sequence[Any]) -> bool:
    return all(type(label) is int and 0 <= label < CLASS_COUNT for label in labels)
