"""Protects the reading of all published data sets: the checksum before all else, and the arrays of torchvision."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray
from smallmix.datasets.array_writing import DatasetArrays, write_dataset
from smallmix.datasets.mnist import read_idx
from smallmix.datasets.published_datasets import PUBLISHED_DATASETS
from smallmix.errors import DatasetError
from smallmix.study.data_sections import Dataset
from smallmix.study.known_datasets import KNOWN_DATASETS, LOCAL_FILES

from tests.unit.datasets.published_files import cifar100_members, small_files, stl10_members, tar_gz, with_files
from tests.unit.datasets.published_files import write_files as write

NAMES = list(PUBLISHED_DATASETS)


def local_settings(name: str, folder: Path) -> dict[str, str]:
    """The settings of a data set whose files lie in a folder."""
    (first, *_) = PUBLISHED_DATASETS[name].files
    return {LOCAL_FILES[name]: str(folder if LOCAL_FILES[name] == "folder" else folder / first.name)}


def read(name: str, files: dict[str, bytes], tmp_path: Path) -> DatasetArrays:
    return with_files(name, files).fetch(local_settings(name, write(files, tmp_path / "files")), tmp_path / "downloads")


def torchvision_arrays(name: str, files: dict[str, bytes], folder: Path) -> list[tuple[NDArray[Any], list[int]]]:
    """Training and test part as torchvision's readers return them: images [N, H, W, C], labels."""
    from torchvision import datasets

    if name in ("cifar10", "cifar100", "stl10"):
        (content,) = files.values()
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            tar.extractall(folder, filter="data")
    if name in ("cifar10", "cifar100"):
        kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
        lists: dict[str, Any] = {
            part: [(file, None) for file, _ in getattr(kind, part)] for part in ("train_list", "test_list")
        }
        small = type("Small", (kind,), {**lists, "meta": {**kind.meta, "md5": None}})
        parts = [small(folder, train=train) for train in (True, False)]
        return [(part.data, part.targets) for part in parts]
    if name == "stl10":
        lists = {
            part: [(file, None) for file, _ in getattr(datasets.STL10, part)] for part in ("train_list", "test_list")
        }
        small = type("STL10", (datasets.STL10,), {**lists, "_STL10__loadfile": datasets.STL10._STL10__loadfile})
        parts = [small(folder, split=split) for split in ("train", "test")]
        return [(part.data.transpose(0, 2, 3, 1), part.labels.tolist()) for part in parts]
    if name == "svhn":
        write(files, folder)
        lists = {"split_list": {split: [*rest[:2], None] for split, rest in datasets.SVHN.split_list.items()}}
        parts = [type("Small", (datasets.SVHN,), lists)(folder, split=split) for split in ("train", "test")]
        return [(part.data.transpose(0, 2, 3, 1), part.labels.tolist()) for part in parts]
    kind = {"mnist": datasets.MNIST, "fashion-mnist": datasets.FashionMNIST}[name]
    unpacked = {file.removesuffix(".gz"): gzip.decompress(content) for file, content in files.items()}
    write(unpacked, folder / kind.__name__ / "raw")
    parts = [kind(folder, train=train) for train in (True, False)]
    return [(part.data.numpy()[..., np.newaxis], part.targets.tolist()) for part in parts]


@pytest.mark.parametrize("name", NAMES)
def test_torchvision_reads_the_same(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torchvision.datasets")
    files = small_files(name)
    arrays = read(name, files, tmp_path)
    train, test = torchvision_arrays(name, files, tmp_path / "extracted")
    for (images, labels), ours, our_labels in (
        (train, arrays.train_images, arrays.train_labels),
        (test, arrays.test_images, arrays.test_labels),
    ):
        assert len(labels) > 10
        np.testing.assert_array_equal(ours, images)
        assert our_labels.tolist() == labels


@pytest.mark.parametrize("name", NAMES)
def test_the_arrays_are_those_that_are_known_before(name: str, tmp_path: Path) -> None:
    """Size, channels and classes of the plan, of a configuration's rules and of the files are the same."""
    arrays = read(name, small_files(name), tmp_path)
    description = write_dataset(arrays, tmp_path / "resources")
    known = KNOWN_DATASETS[name]
    assert description.image_shape == (known.image_size, known.image_size, known.channels)
    assert len(description.classes) == len(set(description.classes)) == known.classes
    assert (description.name, description.identifier, description.title) == (name, name, known.title)


def test_the_classes_stand_in_their_official_order(tmp_path: Path) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    fashion = read("fashion-mnist", small_files("fashion-mnist"), tmp_path / "fashion")
    assert list(fashion.classes) == datasets.FashionMNIST.classes
    mnist = read("mnist", small_files("mnist"), tmp_path / "mnist")
    assert list(mnist.classes) == [name.partition(" ")[0] for name in datasets.MNIST.classes]
    stl10 = read("stl10", small_files("stl10"), tmp_path / "stl10")
    assert stl10.classes == ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
    assert read("svhn", small_files("svhn"), tmp_path / "svhn").classes == tuple("0123456789")


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A server of the files in the folder `mirror`: its address, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, *arguments: Any) -> None:
            asked.append(self.path)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "mirror")))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", NAMES)
def test_from_the_network_to_arrays_and_again_without_it(
    name: str, mirror: tuple[str, list[str]], tmp_path: Path
) -> None:
    """The second mirror has the files, and what has arrived is not asked for again."""
    files = small_files(name)
    published = with_files(name, files)
    write(files, tmp_path / "mirror" / "files")
    address, asked = mirror
    folders = [f"{address}/nothing/", f"{address}/files"]
    sources = folders if len(files) > 1 else [f"{folder.rstrip('/')}/{file}" for folder in folders for file in files]
    downloads = tmp_path / "resources" / "downloads"
    arrays = published.fetch({LOCAL_FILES[name]: None, "sources": sources}, downloads)
    assert asked == [f"/{folder}/{file.name}" for file in published.files for folder in ("nothing", "files")]
    place = downloads / name if len(files) > 1 else downloads
    assert {file: (place / file).read_bytes() for file in files} == files
    again = published.fetch({LOCAL_FILES[name]: None, "sources": []}, downloads)
    assert len(asked) == 2 * len(files)
    np.testing.assert_array_equal(arrays.train_images, again.train_images)
    np.testing.assert_array_equal(arrays.train_images, read(name, files, tmp_path).train_images)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["one other byte", "cut off", "empty"])
def test_a_file_of_another_content_is_not_opened(
    name: str, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = small_files(name)
    published = with_files(name, files)
    last = published.files[-1]
    content = files[last.name]
    files[last.name] = {"one other byte": content[:-1] + b"\x01", "cut off": content[:-9], "empty": b""}[damage]
    settings = local_settings(name, write(files, tmp_path / "files"))

    def never(*arguments: Any, **options: Any) -> None:
        raise AssertionError("opened an unverified file")

    for module, function in ((tarfile, "open"), (pickle, "load"), (gzip, "open"), (scipy.io, "loadmat")):
        monkeypatch.setattr(module, function, never)
    with pytest.raises(DatasetError) as caught:
        published.fetch(settings, tmp_path / "downloads")
    for part in (str(tmp_path / "files" / last.name), last.sha256, f"dataset.{name}.{LOCAL_FILES[name]}", "not opened"):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named_with_its_key(name: str, tmp_path: Path) -> None:
    files = small_files(name)
    published = with_files(name, files)
    last = published.files[-1]
    folder = write(files, tmp_path / "files")
    (folder / last.name).unlink()
    with pytest.raises(DatasetError) as caught:
        published.fetch(local_settings(name, folder), tmp_path / "downloads")
    for part in (str(folder / last.name), "No such file", f"dataset.{name}.{LOCAL_FILES[name]}", last.sha256):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_without_files_and_network_the_message_says_where_to_place_them(name: str, tmp_path: Path) -> None:
    published = PUBLISHED_DATASETS[name]
    several = len(published.files) > 1
    dead = "http://127.0.0.1:9" + ("" if several else f"/{published.files[0].name}")
    with pytest.raises(DatasetError) as caught:
        published.fetch({LOCAL_FILES[name]: None, "sources": [dead]}, tmp_path / "downloads")
    place = tmp_path / "downloads" / (name if several else "") / published.files[0].name
    for part in (
        f"http://127.0.0.1:9/{published.files[0].name}: no connection",
        f"save it as {place}",
        f"dataset.{name}.{LOCAL_FILES[name]}",
        published.files[0].sha256,
    ):
        assert part in str(caught.value)


def test_an_archive_that_lacks_a_member_is_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, members in (("cifar100", cifar100_members(random)), ("stl10", stl10_members(random))):
        lost = next(member for member in members if "test" in member)
        members.pop(lost)
        (file,) = PUBLISHED_DATASETS[name].files
        with pytest.raises(DatasetError, match=f"holds no {lost}"):
            read(name, {file.name: tar_gz(members)}, tmp_path)


def test_the_unlabelled_images_are_not_even_read(tmp_path: Path) -> None:
    """They are nine tenths of the archive. What follows the last member that is needed may be anything."""
    members = stl10_members(np.random.default_rng(0))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    whole = gzip.compress(packed.getvalue(), compresslevel=0)
    cut = whole[: len(whole) - 30_000]
    with pytest.raises(EOFError):
        gzip.decompress(cut)
    assert len(read("stl10", {"stl10_binary.tar.gz": cut}, tmp_path).train_images) == 30


@pytest.mark.parametrize("content", [b"\x00\x00\x0d\x03" + bytes(12), b"\x00\x01\x08\x01" + bytes(4), b""])
def test_values_of_another_type_are_no_images(content: bytes) -> None:
    with pytest.raises(ValueError, match="not an IDX file of unsigned bytes"):
        read_idx(io.BytesIO(gzip.compress(content)))


@pytest.mark.parametrize(("name", "other"), [("mnist", "fashion-mnist"), ("fashion-mnist", "mnist")])
def test_the_files_of_the_other_set_of_the_same_names_are_told(name: str, other: str) -> None:
    """torchvision's list of md5 sums is the oracle: ours are of the same files in the same order."""
    datasets = pytest.importorskip("torchvision.datasets")
    kind = {"mnist": datasets.MNIST, "fashion-mnist": datasets.FashionMNIST}[other]
    told = [(file.name, *file.relatives) for file in PUBLISHED_DATASETS[name].files]
    assert told == [tuple(pair) for pair in kind.resources]
    for file in PUBLISHED_DATASETS[name].files:
        assert next(iter(file.relatives.values())).endswith(KNOWN_DATASETS[other].title)


@pytest.mark.parametrize("name", NAMES)
def test_the_published_files_are_those_of_torchvision(name: str) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    named = [file.name for file in PUBLISHED_DATASETS[name].files]
    if name in ("mnist", "fashion-mnist"):
        kind = {"mnist": datasets.MNIST, "fashion-mnist": datasets.FashionMNIST}[name]
        assert named == [file for file, _ in kind.resources]
    elif name == "svhn":
        assert named == [datasets.SVHN.split_list[split][1] for split in ("train", "test")]
    else:
        kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100, "stl10": datasets.STL10}[name]
        assert named == [kind.filename]


def test_every_name_of_the_configuration_is_known() -> None:
    choices = set(get_args(Dataset.model_fields["name"].annotation))
    assert set(KNOWN_DATASETS) < choices
    assert set(PUBLISHED_DATASETS) == set(LOCAL_FILES) == set(KNOWN_DATASETS) - {"digits"}
    for name, published in PUBLISHED_DATASETS.items():
        assert sum(file.size for file in published.files) == KNOWN_DATASETS[name].download_bytes
        assert all(len(file.sha256) == 64 for file in published.files)
