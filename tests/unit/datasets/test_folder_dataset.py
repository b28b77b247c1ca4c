"""Protects the way from a folder of class folders to arrays: labels follow, sides are kept, contradictions are said."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from smallmix.commands import main as command_line
from smallmix.datasets.array_writing import DatasetArrays
from smallmix.datasets.arrays import load_dataset
from smallmix.datasets.image_decoding import decode_images
from smallmix.errors import ConfigurationError, DatasetError

from tests.unit.datasets.class_folders import (
    make_class_folders,
    noise,
    one_folder,
    png,
    read_class_folders,
    section,
    two_parts,
)


def fetch(images: Path, output: Path, **changes: Any) -> int:
    """Run the command."""
    settings = {"name": "image-folder", "image-folder": section(images, **changes)}
    return command_line.main(["fetch-dataset", "--settings", json.dumps(settings), "--output", str(output)])


def pixels_of(path: Path) -> bytes:
    return np.asarray(Image.open(path)).tobytes()


def classes_by_pixels(arrays: DatasetArrays) -> dict[bytes, str]:
    """Class by the image's pixels, of both sides."""
    images = np.concatenate([arrays.train_images, arrays.test_images])
    labels = np.concatenate([arrays.train_labels, arrays.test_labels])
    return {image.tobytes(): arrays.classes[label] for image, label in zip(images, labels.tolist(), strict=True)}


def pixels_of_test(arrays: DatasetArrays) -> set[bytes]:
    return {image.tobytes() for image in arrays.test_images}


@pytest.mark.parametrize("make", [one_folder, two_parts])
@pytest.mark.parametrize("classes", [None, ["dog", "cat"]])
def test_every_image_has_the_class_of_its_folder_in_any_order(tmp_path: Path, make: Any, classes: Any) -> None:
    folder = make(tmp_path / "x")
    arrays = read_class_folders(folder, classes=classes)
    assert arrays.classes == tuple(classes or ["cat", "dog"])
    assert classes_by_pixels(arrays) == {pixels_of(path): path.parent.name for path in folder.rglob("*.png")}
    assert arrays.warnings == ()


def test_the_parts_are_those_of_the_folders(tmp_path: Path) -> None:
    folder = two_parts(tmp_path / "x")
    assert pixels_of_test(read_class_folders(folder)) == {pixels_of(path) for path in (folder / "test").rglob("*.png")}


def test_numbers_as_classes_are_sorted_by_number(tmp_path: Path) -> None:
    assert read_class_folders(one_folder(tmp_path / "x", 3, ["10", "9"])).classes == ("9", "10")


def test_the_command_writes_the_division_and_keeps_it_when_images_come_and_go(tmp_path: Path) -> None:
    folder, output = one_folder(tmp_path / "x", 10), tmp_path / "resources" / "mine"
    assert fetch(folder, output) == 0
    first = load_dataset(output)
    table = output / "split-seed0-share0.2.csv"
    before = {image.tobytes() for image in first.test_images}
    assert (len(first.train_images), len(first.test_images)) == (16, 4)
    sides = table.read_text(encoding="utf-8")
    assert fetch(folder, output) == 0
    assert table.read_text(encoding="utf-8") == sides
    for number in range(100, 110):
        (folder / "cat" / f"{number}.png").write_bytes(png(noise(number)))
    (folder / "dog" / "3.png").rename(folder / "dog" / "renamed.png")
    assert fetch(folder, output) == 0
    grown = load_dataset(output)
    assert (len(grown.train_images), len(grown.test_images)) == (24, 6)
    assert before <= {image.tobytes() for image in grown.test_images}
    assert all(line in table.read_text(encoding="utf-8") for line in sides.splitlines())
    back = fetch(folder, output, split_seed=1)
    assert back == 0
    assert table.exists(), "another seed has a table of its own"


def test_the_table_of_another_machine_decides(tmp_path: Path) -> None:
    folder = one_folder(tmp_path / "x", 10)
    assert fetch(folder, tmp_path / "one") == 0
    table = (tmp_path / "one" / "split-seed0-share0.2.csv").read_text(encoding="utf-8")
    swapped = table.replace(",train,", ",?,").replace(",test,", ",train,").replace(",?,", ",test,")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "split-seed0-share0.2.csv").write_text(swapped, encoding="utf-8")
    assert fetch(folder, tmp_path / "two") == 0
    assert len(load_dataset(tmp_path / "two").test_images) == 16


def test_copies_are_on_one_side(tmp_path: Path) -> None:
    from sklearn.datasets import load_sample_image

    folder = one_folder(tmp_path / "x", 4)
    image = Image.fromarray(load_sample_image("flower.jpg"))
    for number, quality in enumerate((95, 60, 40, 30)):
        image.save(folder / "cat" / f"flower{number}.jpg", quality=quality)
    arrays = read_class_folders(folder, test_share=0.4)
    paths = [str(folder / "cat" / f"flower{number}.jpg") for number in range(4)]
    flowers = {image.tobytes() for image in decode_images(paths, 8, "rgb").pixels}
    assert len(flowers) == 4
    assert flowers <= pixels_of_test(arrays) or not flowers & pixels_of_test(arrays)
    assert any("4 images are equal or look alike, in 1 group" in warning for warning in arrays.warnings)


def test_equal_files_of_two_classes_are_on_one_side_and_said(tmp_path: Path) -> None:
    folder = one_folder(tmp_path / "x", 10)
    (folder / "dog" / "copy.png").write_bytes((folder / "cat" / "0.png").read_bytes())
    arrays = read_class_folders(folder)
    assert not pixels_of_test(arrays) & {image.tobytes() for image in arrays.train_images}
    assert any("1 of 21 images bear another label than an image of equal pixels" in text for text in arrays.warnings)


@pytest.mark.parametrize("file", ["copy.png", "copy.bmp"])
def test_copies_across_given_parts_are_said_with_the_files(tmp_path: Path, file: str) -> None:
    """The same bytes, or the same pixels in other bytes."""
    folder = two_parts(tmp_path / "x")
    Image.open(folder / "train" / "cat" / "0.png").save(folder / "test" / "cat" / file)
    (warning,) = read_class_folders(folder).warnings
    assert "test/: 1 of 5 images are equal, pixel for pixel as scaled, to training images" in warning
    assert f"'test/cat/{file}' and 'train/cat/0.png'" in warning
    assert "Take them out of one of the folders" in warning


def test_a_class_that_is_never_tested_is_a_warning(tmp_path: Path) -> None:
    folder = make_class_folders(one_folder(tmp_path / "x", 5), ["fox/lonely.png"])
    (folder / "fox" / "lonely.png").write_bytes(png(noise(77)))
    assert "the class 'fox' has no image in the test part" in read_class_folders(folder).warnings


BAD: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "one class": (["cat/1.png", "cat/2.png"], {}, "has one class only ('cat'); telling classes apart needs two"),
    "one class of two parts": (["train/cat/1.png", "test/cat/2.png"], {}, "train/: has one class only ('cat')"),
    "class only in test": (
        ["train/cat/1.png", "train/dog/1.png", "test/fox/2.png"],
        {},
        "'test/fox/2.png': the class 'fox' has no image in train/",
    ),
    "class in another spelling": (
        ["train/cat/1.png", "train/dog/1.png", "test/Cat/2.png"],
        {},
        "the class 'Cat' has no image in train/; 'cat' has, and differs only in case",
    ),
    "class that is not there": (
        ["cat/1.png", "dog/1.png"],
        {"classes": ["cat", "dog", "fox"]},
        "dataset.image-folder.classes: the class 'fox' has no image in the folder",
    ),
    "class that is not named": (
        ["cat/1.png", "dog/1.png", "fox/1.png"],
        {"classes": ["fox", "Dog"]},
        "dataset.image-folder.classes: lacks 'cat', 'dog' of the folder; name every class, or none",
    ),
    "nothing to test": (["cat/1.png", "dog/1.png"], {}, "no image is left for the test"),
}


@pytest.mark.parametrize("name", BAD)
def test_contradictions_are_said_with_the_remedy_last(tmp_path: Path, name: str) -> None:
    names, changes, message = BAD[name]
    with pytest.raises(DatasetError) as caught:
        read_class_folders(make_class_folders(tmp_path / "x", names), **changes)
    assert message in str(caught.value)
    assert str(caught.value).endswith("then run again.")


def test_unreadable_images_are_all_named(tmp_path: Path) -> None:
    folder = two_parts(tmp_path / "x")
    (folder / "train" / "cat" / "0.png").write_bytes(b"")
    (folder / "test" / "dog" / "bad.jpg").write_bytes(b"<!DOCTYPE html>")
    (folder / "test" / "dog" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    with pytest.raises(DatasetError) as caught:
        read_class_folders(folder)
    for text in ("3 errors", "'train/cat/0.png' is an empty file", "'test/dog/bad.jpg' is not an", "a HEIC photograph"):
        assert text in str(caught.value)


def test_what_is_missing_is_said_by_key(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"there is no .*gone; name the folder or the zip file under dataset\.image-f"
    ):
        read_class_folders(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DatasetError, match=r"neither a folder nor a zip file .*pipe"):
        read_class_folders(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match=r"dataset\.image-folder lacks split_seed"):
        read_class_folders(one_folder(tmp_path / "x"), split_seed=None)


def test_the_description_says_how_the_images_were_made_and_divided(tmp_path: Path) -> None:
    source = read_class_folders(one_folder(tmp_path / "x"), fit="pad").source
    assert "padded with black to a square" in source["decoding"]
    assert source["split"].startswith("0.2 of each class for the test, drawn by content with seed 0")
