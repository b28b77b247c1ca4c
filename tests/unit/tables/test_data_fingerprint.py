"""Protects the fingerprint of training data: other rows or other arrays change it, prose about the dataset does not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from smallmix.datasets.data_fingerprint import fingerprint_data
from smallmix.datasets.description import DatasetDescription
from smallmix.errors import DatasetError


def describe(title: str = "A", digit: str = "0", indent: int | None = None) -> str:
    """The text of a dataset.json."""
    description = DatasetDescription(
        name="digits", identifier="digits", title=title, classes=("cat", "dog"), image_shape=(8, 8, 1), train_count=2,
        test_count=2, mean=(0.5,), deviation=(0.2,), checksums={"train_images.npy": digit * 64}, source={}, warnings=(),
    )  # fmt: skip
    return json.dumps(json.loads(description.to_json()), indent=indent)


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "n2.csv").write_text("row,label,class\n0,1,cat\n")
    (tmp_path / "dataset.json").write_text(describe())
    return tmp_path / "n2.csv", tmp_path


def test_it_is_the_hash_of_subset_and_checksums(data: tuple[Path, Path]) -> None:
    subset = hashlib.sha256(data[0].read_bytes()).hexdigest()
    text = f'{{"arrays":{{"train_images.npy":"{"0" * 64}"}},"subset":"{subset}"}}'
    assert fingerprint_data(*data) == hashlib.sha256(text.encode()).hexdigest()


def test_only_rows_and_arrays_count(data: tuple[Path, Path]) -> None:
    before, description = fingerprint_data(*data), data[1] / "dataset.json"
    description.write_text(describe("B", indent=2))
    assert fingerprint_data(*data) == before
    description.write_text(describe(digit="1"))
    assert fingerprint_data(*data) != before
    description.write_text(describe())
    data[0].write_text("row,label,class\n1,1,cat\n")
    assert fingerprint_data(*data) != before


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "null"])
def test_a_missing_or_damaged_description_is_named(data: tuple[Path, Path], content: str | None) -> None:
    description = data[1] / "dataset.json"
    description.unlink()
    if content is not None:
        description.write_text(content)
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        fingerprint_data(*data)


def test_a_missing_subset_is_named(data: tuple[Path, Path]) -> None:
    data[0].unlink()
    with pytest.raises(DatasetError, match=r"n2\.csv"):
        fingerprint_data(*data)
