"""Small files in the formats of published data sets, with the names and members of the originals."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat
from smallmix.datasets.download import ExpectedFile
from smallmix.datasets.published_dataset import PublishedDataset
from smallmix.datasets.published_datasets import PUBLISHED_DATASETS

from tests.unit.datasets.small_archive import python2_pickle, small_members

TRAIN, TEST = 30, 13  # images of each part; CIFAR-10's batches are made by small_archive
CIFAR100_NAMES = [f"class_{number:02d}".encode() for number in range(100)]


def small_files(name: str) -> dict[str, bytes]:
    """The content of all files of a data set, by their published names."""
    random = np.random.default_rng(7)
    if name == "cifar10":
        return {"cifar-10-python.tar.gz": tar_gz(small_members())}
    if name == "cifar100":
        return {"cifar-100-python.tar.gz": tar_gz(cifar100_members(random))}
    if name == "stl10":
        return {"stl10_binary.tar.gz": tar_gz(stl10_members(random))}
    if name == "svhn":
        return {f"{part}_32x32.mat": mat_file(random, count) for part, count in (("train", TRAIN), ("test", TEST))}
    files = {}
    for part, count in (("train", TRAIN), ("t10k", TEST)):
        files[f"{part}-images-idx3-ubyte.gz"] = idx_file(random.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        files[f"{part}-labels-idx1-ubyte.gz"] = idx_file(random.integers(0, 10, count, dtype=np.uint8))
    return files


def with_files(name: str, files: Mapping[str, bytes]) -> PublishedDataset:
    """The data set, of which these files are accepted instead of the published ones."""
    published = PUBLISHED_DATASETS[name]
    expected = [
        ExpectedFile(one.name, hashlib.sha256(files[one.name]).hexdigest(), len(files[one.name]))
        for one in published.files
    ]
    return dataclasses.replace(published, files=tuple(expected))


def write_files(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write the files into a folder that need not be there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def tar_gz(members: Mapping[str, bytes]) -> bytes:
    """An archive with these members, in this order."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return stream.getvalue()


def cifar100_members(random: np.random.Generator) -> dict[str, bytes]:
    """The members of CIFAR-100's archive."""
    members = {
        "cifar-100-python/file.txt~": b"",
        "cifar-100-python/meta": python2_pickle(
            {b"fine_label_names": CIFAR100_NAMES, b"coarse_label_names": [b"group"] * 20}
        ),
    }
    for part, count in (("test", TEST), ("train", TRAIN)):
        batch = {
            b"data": random.integers(0, 256, (count, 3072), dtype=np.uint8),
            b"fine_labels": random.integers(0, 100, count).tolist(),
            b"coarse_labels": random.integers(0, 20, count).tolist(),
            b"filenames": [b"a.png"] * count,
        }
        members[f"cifar-100-python/{part}"] = python2_pickle(batch)
    return members


def stl10_members(random: np.random.Generator) -> dict[str, bytes]:
    """The members of STL-10's archive: images channel by channel and column by column, labels from 1."""
    names = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
    members = {"stl10_binary/class_names.txt": "\n".join(names).encode() + b"\n"}
    for part, count in (("test", TEST), ("train", TRAIN)):
        members[f"stl10_binary/{part}_X.bin"] = random.bytes(count * 3 * 96 * 96)
        members[f"stl10_binary/{part}_y.bin"] = random.integers(1, 11, count, dtype=np.uint8).tobytes()
    return {**members, "stl10_binary/unlabeled_X.bin": random.bytes(2 * 3 * 96 * 96)}


def mat_file(random: np.random.Generator, count: int) -> bytes:
    """A file of SVHN: X uint8 [32, 32, 3, N], y uint8 [N, 1] in which 10 stands for the digit 0."""
    labels = random.integers(1, 11, (count, 1), dtype=np.uint8)
    labels[0] = 10
    stream = io.BytesIO()
    images = random.integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
    savemat(stream, {"X": images, "y": labels}, do_compression=True)
    return stream.getvalue()


def idx_file(values: NDArray[np.uint8]) -> bytes:
    """A gzipped IDX file of unsigned bytes."""
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return gzip.compress(header + values.tobytes())
