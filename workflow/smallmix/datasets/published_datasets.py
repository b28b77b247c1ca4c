"""All data sets that are read from files which others published, by the names of the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from smallmix.datasets.cifar import CIFAR10, CIFAR100
from smallmix.datasets.mnist import FASHION_MNIST, MNIST
from smallmix.datasets.published_dataset import PublishedDataset
from smallmix.datasets.stl10 import STL10
from smallmix.datasets.svhn import SVHN

PUBLISHED_DATASETS: Mapping[str, PublishedDataset] = {
    dataset.name: dataset for dataset in (CIFAR10, CIFAR100, SVHN, FASHION_MNIST, MNIST, STL10)
}
