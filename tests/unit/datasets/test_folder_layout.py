"""Protects the reading of folders as people and programs lay them out, and the words where they contradict."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from smallmix.datasets.folder_layout import FoundImages, count_images, find_images
from smallmix.datasets.image_files import open_images
from smallmix.datasets.image_list import Problems
from smallmix.errors import DatasetError

from tests.unit.datasets.class_folders import make_class_folders, noise, one_folder, pack, png, two_parts


def found(folder: Path) -> FoundImages:
    """What is found in a folder or a zip file without problems."""
    problems = Problems()
    images = find_images(open_images(folder), problems)
    problems.raise_if_any(str(folder))
    return images


def labels(folder: Path) -> list[dict[str, str]]:
    """Class by path, for each part."""
    return [{row.path: row.label for row in part.rows} for part in found(folder).parts]


@pytest.mark.parametrize(
    ("train", "test"), [("train", "test"), ("Train", "VAL"), ("training", "testing"), ("TRAIN", "validation")]
)
def test_parts_go_by_many_names(tmp_path: Path, train: str, test: str) -> None:
    make_class_folders(tmp_path / "x", [f"{train}/cat/1.png", f"{train}/dog/1.JPG", f"{test}/cat/2.png"])
    assert labels(tmp_path / "x") == [
        {f"{train}/cat/1.png": "cat", f"{train}/dog/1.JPG": "dog"},
        {f"{test}/cat/2.png": "cat"},
    ]


def test_a_folder_of_classes_is_one_part(tmp_path: Path) -> None:
    (part,) = labels(one_folder(tmp_path / "x", 2))
    assert part == {"cat/0.png": "cat", "cat/1.png": "cat", "dog/0.png": "dog", "dog/1.png": "dog"}


def test_clutter_of_systems_is_left_out_without_a_word(tmp_path: Path) -> None:
    folder = two_parts(tmp_path / "x")
    for name in ("Thumbs.db", "train/cat/.DS_Store", "train/cat/._0.png", "train/desktop.ini", "__MACOSX/train/a.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\0\5\x16\7")
    (folder / ".git").mkdir()
    assert [len(part.rows) for part in found(folder).parts] == [6, 4]
    assert found(folder).warnings == ()


def test_other_files_are_named_in_one_warning_up_to_ten(tmp_path: Path) -> None:
    folder = two_parts(tmp_path / "x")
    for number in range(12):
        (folder / "train" / f"{number:02}.txt").write_text("BM no image", encoding="utf-8")
    (warning,) = found(folder).warnings
    assert "12 files are no images and were left out: 'train/00.txt'" in warning
    assert "'train/09.txt' and 2 more" in warning
    assert "'train/10.txt'" not in warning


def test_images_without_an_ending_are_known_by_their_first_bytes(tmp_path: Path) -> None:
    folder = one_folder(tmp_path / "x", 2)
    (folder / "cat" / "0.png").rename(folder / "cat" / "0")
    assert "cat/0" in labels(folder)[0]


@pytest.mark.parametrize("below", ["", "photos/", "a/b/", "./", "photos\\"])
def test_a_zip_file_is_read_as_its_folder(tmp_path: Path, below: str) -> None:
    folder = two_parts(tmp_path / "x")
    packed = found(pack(folder, tmp_path / "x.zip", below))
    prefix = below.replace("\\", "/").removeprefix("./")
    for own, other in zip(found(folder).parts, packed.parts, strict=True):
        assert [(prefix + row.path, row.label) for row in own.rows] == [(row.path, row.label) for row in other.rows]


def test_the_first_images_are_a_mixture_of_the_classes(tmp_path: Path) -> None:
    """The rule `head` takes them, and they must not be all of one class."""
    rows = found(one_folder(tmp_path / "x", 50)).train.rows
    assert 15 < sum(row.label == "cat" for row in rows[:50]) < 35


def test_inner_folders_belong_to_the_class_and_are_said(tmp_path: Path) -> None:
    folder = make_class_folders(tmp_path / "x", ["cat/black/1.png", "cat/2.png", "dog/1.png"])
    images = found(folder)
    assert {row.label for row in images.train.rows} == {"cat", "dog"}
    assert images.warnings == (
        "1 image lies in folders inside of class folders (first: 'cat/black/1.png'); the outer one is the class",
    )


def test_validation_images_are_left_out_where_there_is_a_test(tmp_path: Path) -> None:
    folder = make_class_folders(two_parts(tmp_path / "x"), ["val/cat/1.png"])
    images = found(folder)
    assert images.test is not None
    assert images.test.name == "test/"
    assert images.warnings == ("val/ was left out with its images (1), because there is test/",)


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    folder = one_folder(tmp_path / "x", 2)
    elsewhere = one_folder(tmp_path / "elsewhere", 1)
    (folder / "fox").symlink_to(elsewhere / "cat")
    assert labels(folder)[0]["fox/0.png"] == "fox"
    (folder / "cat" / "again").symlink_to(folder)
    with pytest.raises(DatasetError, match="'cat/again' is a link that leads back to a folder around it"):
        found(folder)


def _touch(name: str, content: bytes = b"") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content or png(noise(99)))

    return write


BAD: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object], str]] = {
    "image beside the classes": (one_folder, _touch("a.png"), "1 image lies (first: 'a.png') in no class folder"),
    "image beside train": (two_parts, _touch("a.png"), "1 image lies (first: 'a.png') in no class folder"),
    "image in train itself": (two_parts, _touch("train/a.png"), "(first: 'train/a.png') in train/ without a class"),
    "folder beside train": (two_parts, _touch("fox/a.png"), "fox/ hold images beside train/, test/"),
    "train twice": (two_parts, _touch("Train/cat/x.png"), "there are Train/, train/, which mean the same"),
    "upside down": (
        lambda folder: make_class_folders(folder, ["cat/train/1.png", "cat/test/2.png", "dog/train/1.png"]),
        lambda folder: None,
        "in a folder test/ of a class; put train/ and test/ above the classes",
    ),
    "train alone": (
        lambda folder: make_class_folders(folder, ["train/cat/1.png", "train/dog/1.png"]),
        lambda folder: None,
        "there is train/, but neither test/ nor val/ with images. Add one. Or name the folder train itself",
    ),
    "test alone": (
        lambda folder: make_class_folders(folder, ["test/cat/1.png", "test/dog/1.png"]),
        lambda folder: None,
        "there is test/, but no train/ with images; add it. If test is a class, rename it",
    ),
    "nothing": (lambda folder: folder, lambda folder: folder.mkdir(), "holds no images"),
    "empty class": (one_folder, lambda folder: (folder / "fox").mkdir(), "'fox/' holds no images; put images"),
    "class of texts": (one_folder, _touch("fox/a.txt", b"text"), "'fox/' holds no images"),
    "empty class of train": (
        two_parts,
        lambda folder: (folder / "train" / "fox").mkdir(),
        "'train/fox/' holds no images",
    ),
    "link to nothing": (one_folder, lambda folder: (folder / "cat" / "x.png").symlink_to("gone"), "a link to nothing"),
    "pipe": (one_folder, lambda folder: os.mkfifo(folder / "cat" / "x.png"), "or no regular file; remove it"),
    "control character": (one_folder, _touch("cat/a\nb.png"), "holds the control character U+000A; rename the file"),
    "no UTF-8": (one_folder, lambda folder: _touch(os.fsdecode(b"cat/\xe4.png"))(folder), "U+DCE4; rename the file"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_in_no_layout_is_said_with_the_file(tmp_path: Path, name: str) -> None:
    make, spoil, message = BAD[name]
    folder = tmp_path / "x"
    make(folder)
    spoil(folder)
    with pytest.raises(DatasetError) as caught:
        found(folder)
    assert message in str(caught.value)


def test_an_empty_class_of_the_test_is_no_error(tmp_path: Path) -> None:
    folder = two_parts(tmp_path / "x")
    (folder / "test" / "cat" / "0.png").unlink()
    (folder / "test" / "cat" / "1.png").unlink()
    assert [len(part.rows) for part in found(folder).parts] == [6, 2]


def test_images_are_counted_before_they_are_read(tmp_path: Path) -> None:
    assert count_images(two_parts(tmp_path / "two"), 0.5) == (6, 4, 2)
    assert count_images(one_folder(tmp_path / "one"), 0.2) == (16, 4, 2)
    assert count_images(tmp_path / "none", 0.2) == (0, 0, 0)
