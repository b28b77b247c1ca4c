"""Protects the reading of CIFAR-10: the hash before all else, and the same arrays as torchvision's."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from smallmix.datasets.array_writing import DatasetArrays
from smallmix.datasets.cifar import CIFAR10
from smallmix.datasets.download import ExpectedFile
from smallmix.errors import DatasetError

from tests.unit.datasets.small_archive import CLASSES, IMAGES_PER_BATCH

MakeArchive = Callable[..., tuple[Path, ExpectedFile]]
(ARCHIVE,) = CIFAR10.files


def cifar10_dataset(settings: dict[str, Any], downloads: Path, expected: ExpectedFile = ARCHIVE) -> DatasetArrays:
    return dataclasses.replace(CIFAR10, files=(expected,)).fetch(settings, downloads)


def read_cifar10(path: Path, expected: ExpectedFile = ARCHIVE) -> DatasetArrays:
    return cifar10_dataset({"archive": str(path)}, Path("nowhere"), expected)


def test_the_archive_is_read_in_the_order_of_its_batches(make_archive: MakeArchive) -> None:
    arrays = read_cifar10(*make_archive())
    assert arrays.train_images.shape == (5 * IMAGES_PER_BATCH, 32, 32, 3)
    assert arrays.test_images.shape == (IMAGES_PER_BATCH, 32, 32, 3)
    assert arrays.train_images.dtype == np.uint8
    assert arrays.train_labels.dtype == np.int64
    assert arrays.classes == tuple(name.decode() for name in CLASSES)
    assert arrays.source["sha256"] == make_archive()[1].sha256


def test_torchvision_reads_the_same(make_archive: MakeArchive, tmp_path: Path) -> None:
    """torchvision's reader unpickles by other means; the two must agree pixel by pixel and label by label."""
    torchvision_datasets = pytest.importorskip("torchvision.datasets")
    path, expected = make_archive()
    with tarfile.open(path) as tar:
        tar.extractall(tmp_path / "extracted", filter="data")

    class SmallCifar10(torchvision_datasets.CIFAR10):  # type: ignore[misc, name-defined]
        train_list = [(name, None) for name, _ in torchvision_datasets.CIFAR10.train_list]  # noqa: RUF012
        test_list = [("test_batch", None)]  # noqa: RUF012
        meta = {"filename": "batches.meta", "key": "label_names", "md5": None}  # noqa: RUF012

    arrays = read_cifar10(path, expected)
    for train, images, labels in (
        (True, arrays.train_images, arrays.train_labels),
        (False, arrays.test_images, arrays.test_labels),
    ):
        oracle = SmallCifar10(tmp_path / "extracted", train=train)
        np.testing.assert_array_equal(images, oracle.data)
        assert labels.tolist() == oracle.targets
        assert list(arrays.classes) == oracle.classes


def test_the_real_archive_is_known_by_its_published_hash() -> None:
    assert ARCHIVE.sha256 == "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
    assert ARCHIVE.size == 170_498_071


def test_no_setting_relaxes_the_hash(make_archive: MakeArchive, tmp_path: Path) -> None:
    path, expected = make_archive()
    settings = {"archive": str(path), "sources": [], "sha256": expected.sha256, "expected": expected.sha256}
    with pytest.raises(DatasetError, match=ARCHIVE.sha256):
        cifar10_dataset(settings, tmp_path / "downloads")


def test_an_archive_of_another_hash_is_not_opened(make_archive: MakeArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    path, expected = make_archive()
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")

    def never(*arguments: Any, **options: Any) -> None:
        raise AssertionError("opened an unverified archive")

    monkeypatch.setattr(tarfile, "open", never)
    monkeypatch.setattr(pickle, "load", never)
    with pytest.raises(DatasetError) as caught:
        read_cifar10(path, expected)
    for part in (str(path), expected.sha256, "dataset.cifar10.archive", "was not opened"):
        assert part in str(caught.value)


def test_a_relative_of_the_archive_is_named_and_not_opened(make_archive: MakeArchive, tmp_path: Path) -> None:
    path, expected = make_archive()
    other = tmp_path / "cifar-10-binary.tar.gz"
    other.write_bytes(b"the same images in another form")
    known = hashlib.md5(other.read_bytes(), usedforsecurity=False).hexdigest()
    expected = dataclasses.replace(expected, relatives={known: "the binary version"})
    with pytest.raises(
        DatasetError, match=r"binary\.tar\.gz \(named under .*archive\) is the binary version, which is not"
    ):
        read_cifar10(other, expected)
    assert read_cifar10(path, expected).name == "cifar10"


def test_a_folder_of_image_files_in_place_of_the_archive_gets_a_hint(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"Is a directory\. A folder of image files is read with dataset\.name: image-li"
    ):
        read_cifar10(tmp_path)


def test_a_missing_archive_names_path_key_and_hash(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        cifar10_dataset({"archive": str(tmp_path / "none.tar.gz"), "sources": []}, tmp_path)
    for part in (str(tmp_path / "none.tar.gz"), "No such file", "dataset.cifar10.archive", ARCHIVE.sha256):
        assert part in str(caught.value)


def test_a_local_archive_needs_no_network_library(
    make_archive: MakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("requests", "urllib3", "filelock"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("download", "addresses"):
        monkeypatch.delitem(sys.modules, f"smallmix.datasets.{name}", raising=False)
    path, expected = make_archive()
    assert cifar10_dataset({"archive": str(path), "sources": []}, tmp_path, expected).name == "cifar10"


def test_from_the_network_to_arrays_and_again_without_it(
    make_archive: MakeArchive, serve: Callable[[bytes], Any], tmp_path: Path
) -> None:
    path, expected = make_archive()
    server = serve(path.read_bytes())
    downloads = tmp_path / "resources" / "downloads"
    settings = {"archive": None, "sources": [server.address("404"), server.address("cut"), server.address("good")]}
    first = cifar10_dataset(settings, downloads, expected)
    assert (downloads / expected.name).read_bytes() == path.read_bytes()
    asked = len(server.requests)
    second = cifar10_dataset({"archive": None, "sources": []}, downloads, expected)
    assert len(server.requests) == asked
    np.testing.assert_array_equal(first.train_images, second.train_images)
    np.testing.assert_array_equal(first.train_images, read_cifar10(path, expected).train_images)


def test_without_archive_and_network_the_message_says_where_to_place_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        cifar10_dataset({"archive": None, "sources": ["http://127.0.0.1:9/x"]}, tmp_path / "downloads")
    for part in (
        "http://127.0.0.1:9/x",
        "no connection",
        str(tmp_path / "downloads" / "cifar-10-python.tar.gz"),
        ARCHIVE.sha256,
        "dataset.cifar10.archive",
    ):
        assert part in str(caught.value)
