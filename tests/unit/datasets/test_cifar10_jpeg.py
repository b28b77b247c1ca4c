"""Protects the reproduction of the article's Table 1 from real images: the heads of the list have its class counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from smallmix.datasets.arrays import load_dataset
from smallmix.datasets.fetch import fetch_dataset
from smallmix.statistics.protocol import CIFAR10_LABELS
from smallmix.statistics.study_results import label_checksums

TABLE_1 = {
    50_000: (5000, 5000),
    20_000: (1925, 2042),
    10_000: (937, 1032),
    5_000: (460, 520),
    1_000: (85, 112),
    500: (40, 65),
    250: (18, 35),
    100: (4, 16),
}


@pytest.mark.real_data
def test_the_heads_of_the_list_have_the_class_counts_of_table_1(cifar10_jpeg_folder: Path, tmp_path: Path) -> None:
    settings = {
        "folder": str(cifar10_jpeg_folder),
        "identifier": "cifar10-jpeg",
        "title": "CIFAR-10, JPEG copy",
        "image_size": 32,
        "color": "rgb",
    }
    fetch_dataset({"name": "image-list", "image-list": settings}, tmp_path / "cifar10-jpeg")
    dataset = load_dataset(tmp_path / "cifar10-jpeg")
    assert dataset.train_images.shape == (50_000, 32, 32, 3)
    assert dataset.test_images.shape == (10_000, 32, 32, 3)
    assert len(dataset.description.classes) == 10
    assert dataset.description.warnings == ()
    for size, expected in TABLE_1.items():
        counts = np.bincount(dataset.train_labels[:size], minlength=10)
        assert (counts.min(), counts.max()) == expected, size
    # By these the report knows a copy of CIFAR-10.
    assert label_checksums(dataset.description) == CIFAR10_LABELS
