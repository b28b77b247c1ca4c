"""Protects the dataset folder: whole or not at all, the same bytes each time, and never read where it is damaged."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from smallmix.datasets.array_writing import DatasetArrays, channel_statistics, train_table_bytes, write_dataset
from smallmix.datasets.arrays import load_dataset
from smallmix.datasets.description import load_description
from smallmix.errors import DatasetError, SmallmixError
from smallmix.fingerprints import fingerprint_file
from smallmix.study.layout import DATASET_FILES


def small_arrays(**changes: Any) -> DatasetArrays:
    generator = np.random.default_rng(0)
    arrays = DatasetArrays(
        train_images=generator.integers(0, 256, (7, 4, 5, 3), dtype=np.uint8),
        train_labels=np.array([0, 1, 2, 0, 1, 2, 0], dtype=np.int64),
        test_images=generator.integers(0, 256, (3, 4, 5, 3), dtype=np.uint8),
        test_labels=np.array([2, 1, 0], dtype=np.int64),
        classes=("cat", "=dog", "猫"),
        name="image-list",
        identifier="mine",
        title="My images",
        source={"folder": "images"},
        warnings=("something",),
    )
    return dataclasses.replace(arrays, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dataset(small_arrays(), tmp_path / "mine")
    return tmp_path / "mine"


def test_the_folder_holds_the_six_files_and_nothing_else(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(DATASET_FILES)


def test_what_was_written_is_read(folder: Path) -> None:
    arrays, dataset = small_arrays(), load_dataset(folder)
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        read, written = getattr(dataset, name), getattr(arrays, name)
        np.testing.assert_array_equal(read, written)
        assert read.dtype == written.dtype
        assert isinstance(read, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            read[0] = 0
    description = dataset.description
    assert description == load_description(folder)
    assert description.image_shape == (4, 5, 3)
    assert (description.train_count, description.test_count) == (7, 3)
    assert description.classes == arrays.classes
    assert description.warnings == ("something",)


def test_dataset_json_has_the_keys_of_the_contract(folder: Path) -> None:
    value = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    keys = "format name identifier title classes image_shape train_count test_count mean deviation"
    assert list(value) == [*keys.split(), "checksums", "source", "warnings"]
    assert value["format"] == 1
    assert value["checksums"] == {
        name: fingerprint_file(folder / name) for name in DATASET_FILES if name != "dataset.json"
    }


def test_equal_arrays_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    strided = np.asfortranarray(small_arrays().train_images)
    write_dataset(small_arrays(train_images=strided), tmp_path / "again")
    for name in DATASET_FILES:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_the_table_of_training_images_is_guarded_against_formulas(folder: Path) -> None:
    lines = (folder / "train.csv").read_text(encoding="utf-8").splitlines()
    assert lines[:4] == ["row,label,class", "0,0,cat", "1,1,'=dog", "2,2,猫"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_cells_that_spreadsheets_would_run_are_guarded(start: str) -> None:
    table = train_table_bytes([0, 1], [f"{start}1+1", f"a{start}"]).decode()
    assert table == f"row,label,class\n0,0,'{start}1+1\n1,1,a{start}\n"


@settings(max_examples=50, deadline=None)
@given(npst.arrays(np.uint8, st.tuples(*(st.integers(1, 5) for _ in range(3)), st.sampled_from([1, 3]))))
def test_mean_and_deviation_are_those_of_numpy_in_float64(images: NDArray[np.uint8]) -> None:
    mean, deviation = channel_statistics(images)
    scaled = images.astype(np.float64) / 255
    np.testing.assert_allclose(mean, scaled.mean(axis=(0, 1, 2)), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(deviation, scaled.std(axis=(0, 1, 2)), rtol=1e-9, atol=1e-9)


def test_statistics_cover_images_beyond_the_first_portion() -> None:
    images = np.zeros((3000, 1, 1, 1), dtype=np.uint8)
    images[1500:] = 255
    assert channel_statistics(images) == ((0.5,), (0.5,))


def test_a_constant_channel_gets_a_usable_deviation_and_a_warning(tmp_path: Path) -> None:
    images = small_arrays().train_images.copy()
    images[..., 1] = 9
    description = write_dataset(small_arrays(train_images=images), tmp_path / "flat")
    assert description.deviation[1] == 1.0
    assert description.deviation[0] != 1.0
    assert any("channel 1 has one value" in warning for warning in description.warnings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_labels": np.array([0] * 6, dtype=np.int64)}, r"labels must be int64 \[7\], found int64 \[6\]"),
        ({"train_labels": np.array([0] * 7, dtype=np.int32)}, r"found int32"),
        ({"train_labels": np.array([3] * 7, dtype=np.int64)}, "labels run from 3 to 3, but there are only 3 classes"),
        ({"test_labels": np.array([0, -1, 0], dtype=np.int64)}, "labels run from -1 to 0"),
        ({"train_images": np.zeros((7, 4, 5, 3), dtype=np.float32)}, "images must be uint8"),
        ({"train_images": np.zeros((7, 4, 5, 4), dtype=np.uint8)}, r"1 or 3\], found uint8 \[7, 4, 5, 4\]"),
        ({"test_images": np.zeros((3, 4, 4, 3), dtype=np.uint8)}, r"shape \[4, 5, 3\], test images \[4, 4, 3\]"),
        (
            {"test_images": np.zeros((0, 4, 5, 3), dtype=np.uint8), "test_labels": np.zeros(0, dtype=np.int64)},
            "test arrays: images must be",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_not_written(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        write_dataset(small_arrays(**changes), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_an_interrupted_rewriting_leaves_nothing_that_vouches_for_a_mixture(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise SmallmixError("no space")

    monkeypatch.setattr("smallmix.datasets.array_writing.write_bytes", full)
    with pytest.raises(SmallmixError, match="no space"):
        write_dataset(small_arrays(classes=("a", "b", "c")), folder)
    with pytest.raises(DatasetError, match=r"no whole dataset.*Delete the folder .* and run again"):
        load_dataset(folder)


def _damage(name: str, content: bytes | None = None) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[:-1] + b"\xfe" if content is None else content)

    return act


def _save(name: str, array: NDArray[Any], **options: Any) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / name, array, **options)


def _describe(**changes: Any) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        value = {**json.loads((folder / "dataset.json").read_text(encoding="utf-8")), **changes}
        kept = {key: item for key, item in value.items() if item is not None}
        (folder / "dataset.json").write_text(json.dumps(kept), encoding="utf-8")

    return act


DAMAGES: list[tuple[Callable[[Path], None], str, bool]] = [
    (lambda folder: shutil.rmtree(folder), "dataset.json, which is written last, is missing", False),
    (lambda folder: (folder / "dataset.json").unlink(), "dataset.json, which is written last, is missing", False),
    (lambda folder: (folder / "test_labels.npy").unlink(), "test_labels.npy is missing", False),
    (lambda folder: (folder / "test_labels.npy").unlink(), "test_labels.npy cannot be read: No such file", True),
    (_damage("train_images.npy"), "train_images.npy is not the file that was fetched", True),
    (_damage("train_labels.npy"), "train_labels.npy is not the file that was fetched", True),
    (_damage("train.csv"), "train.csv is not the file that was fetched", True),
    (_damage("test_images.npy", b""), "test_images.npy is not a whole .npy file", False),
    (_damage("test_images.npy", b"\x93NUMPY\x01\x00v\x00"), "test_images.npy is not a whole .npy file", False),
    (_damage("test_images.npy", b"PK\x03\x04"), "test_images.npy is not a whole .npy file", False),
    (
        _save("test_labels.npy", np.array([None] * 3), allow_pickle=True),
        "test_labels.npy is not a whole .npy file",
        False,
    ),
    (_save("test_labels.npy", np.zeros(2, dtype=np.int64)), r"labels must be int64 \[3\]", False),
    (_save("test_labels.npy", np.zeros(3, dtype=np.int32)), "labels must be int64", False),
    (_save("test_labels.npy", np.full(3, 3)), "labels run from 3 to 3", False),
    (_save("test_images.npy", np.zeros((3, 4, 4, 3), dtype=np.uint8)), r"has the shape \(3, 4, 4, 3\)", False),
    (_damage("dataset.json", b"{"), "dataset.json cannot be used", False),
    (_damage("dataset.json", b"[]"), "dataset.json cannot be used", False),
    (_damage("dataset.json", b"\xff"), "dataset.json cannot be used", False),
    (_describe(format=2), "its format is 2, this program reads format 1", False),
    (_describe(classes=None), "the key 'classes' is missing", False),
    (_describe(image_shape=[4, 5]), "dataset.json cannot be used", False),
    (_describe(mean=[0.5]), "one number per channel", False),
    (_describe(checksums={}), "is not the file that was fetched", True),
]


@pytest.mark.parametrize("number", range(len(DAMAGES)))
def test_a_damaged_folder_is_refused_with_file_and_remedy(folder: Path, number: int) -> None:
    damage, message, verify = DAMAGES[number]
    damage(folder)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset(folder, verify=verify)
    assert f"Delete the folder {folder} and run again" in str(caught.value)


def test_reading_the_description_needs_no_numpy() -> None:
    import subprocess
    import sys

    program = (
        "import sys, smallmix.datasets.originals, smallmix.datasets.description; assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": ":".join(sys.path)})
