"""Read MNIST and Fashion-MNIST: four gzipped files in the IDX format."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import partial
from typing import IO

import numpy as np
from numpy.typing import NDArray

from smallmix.datasets.download import ExpectedFile
from smallmix.datasets.published_dataset import LabelledImages, PublishedDataset

UNSIGNED_BYTES = 8  # the code of the values' type


def read_mnist(files: Sequence[IO[bytes]], classes: tuple[str, ...]) -> LabelledImages:
    """Return the arrays of four verified files: images uint8 [N, 28, 28, 1], labels int64 [N].

    The files are training images, training labels, test images and test labels.
    """
    train_images, train_labels, test_images, test_labels = map(read_idx, files)
    return LabelledImages(
        train_images=train_images[..., np.newaxis],
        train_labels=train_labels.astype(np.int64),
        test_images=test_images[..., np.newaxis],
        test_labels=test_labels.astype(np.int64),
        classes=classes,
    )


def read_idx(stream: IO[bytes]) -> NDArray[np.uint8]:
    """Return the array of a gzipped IDX file of unsigned bytes, in the shape that its header states.

    The header is two zero bytes, the type of the values, the number of dimensions, and the size of each as a big-endian
    32-bit number (Y. LeCun, C. Cortes and C. Burges, The MNIST database). Raises ValueError for any other file.
    """
    with gzip.open(stream) as unpacked:
        content = unpacked.read()
    if content[:3] != bytes((0, 0, UNSIGNED_BYTES)):
        raise ValueError(f"not an IDX file of unsigned bytes: it begins with {content[:4]!r}")
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 * (1 + dimensions)).reshape(shape)


def _files(other: str, *contents: tuple[str, str, int, str]) -> tuple[ExpectedFile, ...]:
    """Return the files of a set from name, sha256, size, and the md5 of the file of that name in the `other` set."""
    return tuple(
        ExpectedFile(f"{name}-ubyte.gz", sha256, size, {md5_of_other: f"the file of that name of {other}"})
        for name, sha256, size, md5_of_other in contents
    )


MNIST = PublishedDataset(
    name="mnist",
    files=_files(
        "Fashion-MNIST",
        (
            "train-images-idx3",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9_912_422,
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        ),
        (
            "train-labels-idx1",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            28_881,
            "25c81989df183df01b3e8a0aad5dffbe",
        ),
        (
            "t10k-images-idx3",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1_648_877,
            "bef4ecab320f06d8554ea6380940ec79",
        ),
        (
            "t10k-labels-idx1",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4_542,
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    read=partial(read_mnist, classes=tuple(str(digit) for digit in range(10))),
    origin="Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-Based Learning Applied to Document Recognition, "
    "Proceedings of the IEEE, 1998",
    order="as in train-images-idx3-ubyte.gz",
)
FASHION_MNIST = PublishedDataset(
    name="fashion-mnist",
    files=_files(
        "MNIST",
        (
            "train-images-idx3",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            26_421_880,
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        ),
        (
            "train-labels-idx1",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            29_515,
            "d53e105ee54ea40749a09fcbcd1e9432",
        ),
        (
            "t10k-images-idx3",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            4_422_102,
            "9fb629c4189551a2d022fa330f9573f3",
        ),
        (
            "t10k-labels-idx1",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            5_148,
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    read=partial(
        read_mnist,
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
    ),
    origin="H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
    "Algorithms, 2017, arXiv 1708.07747",
    order="as in train-images-idx3-ubyte.gz",
)
