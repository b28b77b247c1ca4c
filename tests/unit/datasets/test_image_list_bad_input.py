"""Protects people with a broken list of images: every error is named with its line, and all of them at once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from smallmix.errors import ConfigurationError, DatasetError

from tests.unit.datasets.image_folder import TEST, TRAIN, make_image_folder, read_image_folder

BAD_LISTS: dict[str, tuple[str | bytes, str]] = {
    "empty file": ("", "train.csv line 1: is empty; the first line must name the columns: path,label"),
    "empty header": ("\n" + TRAIN, "train.csv line 1: is empty"),
    "header only": ("path,label\n", "train.csv: lists no images"),
    "header missing": ("a.png,cat\nb.png,dog\n", "train.csv line 1: the header is missing"),
    "label column missing": (
        "path,class\na.png,cat\n",
        "train.csv line 1: the columns path and label must both be named",
    ),
    "path column missing": (
        "file,label\na.png,cat\n",
        "train.csv line 1: the columns path and label must both be named",
    ),
    "column named twice": ("path,label,label\na.png,cat,dog\n", "each once; found 'path, label, label'"),
    "separator of another kind": ("path|label\na.png|cat\n", "train.csv line 1: the header is missing"),
    "too few cells": (TRAIN + "c.png\n", "train.csv line 5: has 1 of the 2 columns"),
    "too many cells": (TRAIN + "c.png,cat, small\n", "train.csv line 5: has 3 cells, line 1 names 2 columns"),
    "mixed separators": (TRAIN + "d.png;dog\n", "train.csv line 5: has 1 of the 2 columns"),
    "empty path": (TRAIN + ",cat\n", "train.csv line 5: the path is empty"),
    "empty label": (TRAIN + "d.png,\n", "train.csv line 5: the label is empty"),
    "blank label": (TRAIN + 'd.png,"  "\n', "train.csv line 5: the label is empty"),
    "latin-1": (TRAIN.encode() + "c.png,Bär\n".encode("latin-1"), "train.csv line 5: byte 8 of the line (0xe4) is not"),
    "latin-1 after a byte-order mark": (
        b"\xef\xbb\xbfpath,label\na.png,B\xe4r\n",
        "train.csv line 2: byte 8 of the line",
    ),
    "utf-16": (TRAIN.encode("utf-16"), "train.csv: is UTF-16; save it as UTF-8"),
    "binary": (b"\x89PNG\r\n\x1a\n" + bytes(50), "train.csv line 1: byte 1 of the line (0x89) is not UTF-8"),
    "quote not closed": (TRAIN + '"c.png,cat\nd.png,dog\n', "train.csv line 5: cannot be read as CSV"),
    "text after a quote": (TRAIN + '"c.png"x,cat\n', "train.csv line 5: cannot be read as CSV"),
    "line break in a label": (TRAIN + 'c.png,"big\ncat"\n', "holds the control character U+000A"),
    "null in a label": (
        TRAIN + "c.png,c\0t\n",
        "train.csv line 5: the label 'c\\x00t' holds the control character U+0000",
    ),
    "escape in a label": (TRAIN + "c.png,\x1b[31mred\n", "holds the control character U+001B"),
    "line separator in a label": (TRAIN + "c.png,a\u2028b\n", "holds the control character U+2028"),
    "null in a path": (TRAIN + "c\0.png,cat\n", "train.csv line 5: the path 'c\\x00.png' holds the control character"),
    "absolute path": (TRAIN + "/etc/passwd,cat\n", "train.csv line 5: the path '/etc/passwd' is absolute"),
    "absolute path of Windows": (TRAIN + "C:\\a.png,cat\n", "is absolute; paths start at the list's own folder"),
    "network path of Windows": (TRAIN + "\\\\host\\a.png,cat\n", "is absolute"),
    "parent folder": (TRAIN + "../a.png,cat\n", "train.csv line 5: the path '../a.png' holds '..'"),
    "parent folder inside": (
        TRAIN + "x/../a.png,cat\n",
        "holds '..'; paths name what is in the list's folder or below it",
    ),
    "parent folder of Windows": (TRAIN + "x\\..\\..\\a.png,cat\n", "holds '..'"),
    "missing image": (TRAIN + "gone.png,cat\n", "train.csv line 5: 'gone.png' does not exist"),
    "missing folder": (TRAIN + "gone/a.png,cat\n", "train.csv line 5: 'gone/a.png' does not exist"),
    "file as a folder": (TRAIN + "a.png/b.png,cat\n", "train.csv line 5: 'a.png/b.png' does not exist"),
    "backslashes": (TRAIN + "x\\a.png,cat\n", "does not exist; folders are separated by /"),
    "folder as an image": (TRAIN + ".,cat\n", "train.csv line 5: '.' is a folder, not an image"),
    "name too long": (TRAIN + "x" * 300 + ".png,cat\n", "cannot be read (File name too long)"),
    "web address": (TRAIN + "https://host/a.png,cat\n", "train.csv line 5: 'https://host/a.png' does not exist"),
    "two labels": (TRAIN + "a.png,dog\n", "line 5: 'a.png' is labelled 'dog', but 'cat' in train.csv line 2"),
    "two labels by another way": (
        TRAIN + "./a.png,dog\n",
        "'./a.png' is labelled 'dog', but 'cat' in train.csv line 2",
    ),
    "other label in the test list": (
        TRAIN + "e.png,dog\n",
        "test.csv line 3: 'e.png' is labelled 'cat', but 'dog' in train",
    ),
    "one class": ("path,label\na.png,cat\nb.png,cat\n", "train.csv: has one class only ('cat')"),
    "test class never trained": (
        "path,label\na.png,cat\nb.png,fox\n",
        "test.csv line 2: the class 'dog' has no image in train.csv",
    ),
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_an_error_of_the_list_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    train, message = BAD_LISTS[name]
    with pytest.raises(DatasetError) as caught:
        read_image_folder(make_image_folder(tmp_path / "images", train))
    assert message in str(caught.value)
    assert "then run again" in str(caught.value)


def _save(image: Image.Image, **options: object) -> Callable[[Path], None]:
    return lambda folder: image.save(folder / "x.png", **options)  # type: ignore[arg-type]


def _write(content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "x.png").write_bytes(content)

    return write


def _truncated(folder: Path) -> None:
    (folder / "x.png").write_bytes((folder / "a.png").read_bytes()[:-60])


BAD_FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "link to a folder": (lambda folder: (folder / "x.png").symlink_to(folder), "is a folder, not an image"),
    "link to nothing": (lambda folder: (folder / "x.png").symlink_to("nowhere.png"), "does not exist"),
    "link to itself": (lambda folder: (folder / "x.png").symlink_to("x.png"), "cannot be read (Too many levels"),
    "pipe": (lambda folder: os.mkfifo(folder / "x.png"), "is not a regular file"),
    "empty": (_write(b""), "is an empty file"),
    "text": (_write(b"no image"), "is not an image of a known format"),
    "web page": (_write(b"<!DOCTYPE html><html>404</html>"), "is not an image of a known format"),
    "program for a printer": (
        _write(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"),
        "is not an image of a known",
    ),
    "truncated": (_truncated, "cannot be decoded"),
    "floating-point pixels": (_save(Image.new("F", (8, 8)), format="TIFF"), "has floating-point pixels"),
    "32-bit pixels": (_save(Image.new("I", (8, 8), 70000), format="TIFF"), "has pixels of more than 16 bits"),
    "one pixel row above the limit": (
        _save(Image.new("1", (10_000, 10_001)), format="PNG"),
        "is too large to decode safely (limit 100,000,000 pixels)",
    ),
    "a bomb": (_save(Image.new("1", (15_000, 15_000)), format="PNG"), "is too large to decode safely"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    prepare, message = BAD_FILES[name]
    folder = make_image_folder(tmp_path / "images", TRAIN + "x.png,cat\n")
    prepare(folder)
    with pytest.raises(DatasetError, match=rf"train\.csv line 5: 'x\.png' {re.escape(message)}"):
        read_image_folder(folder)


def test_all_errors_of_both_lists_stand_in_one_message(tmp_path: Path) -> None:
    train = TRAIN + "/a.png,cat\nc.png,\n,dog\ngone.png,cat\na.png,dog\n"
    with pytest.raises(DatasetError) as caught:
        read_image_folder(make_image_folder(tmp_path / "images", train, TEST + "../d.png,dog\n"))
    message = str(caught.value)
    assert "has 6 errors" in message
    for place in ("train.csv line 5", "train.csv line 6", "train.csv line 7", "train.csv line 8", "train.csv line 9"):
        assert place in message
    assert "test.csv line 4" in message


def test_all_images_are_judged_before_the_message(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path / "images")
    for name in "bde":
        (folder / f"{name}.png").write_bytes(b"broken")
    with pytest.raises(DatasetError, match=r"(?s)3 errors.*train\.csv line 3.*test\.csv line 2.*test\.csv line 3"):
        read_image_folder(folder)


def test_of_many_errors_twenty_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    train = TRAIN + "".join(f"gone{number}.png,cat\n" for number in range(1000))
    with pytest.raises(DatasetError) as caught:
        read_image_folder(make_image_folder(tmp_path / "images", train))
    assert "has 1,000 errors" in str(caught.value)
    assert "gone19.png" in str(caught.value)
    assert "gone20.png" not in str(caught.value)
    assert "and 980 more" in str(caught.value)


def test_one_bad_row_in_a_million_is_reported_by_its_number(tmp_path: Path) -> None:
    half = "a.png,cat\nb.png,dog\n" * 250_000
    train = f"path,label\n{half}a.png\n{half}"
    with pytest.raises(DatasetError, match=r"has 1 error:\n  train\.csv line 500002: has 1 of the 2 columns"):
        read_image_folder(make_image_folder(tmp_path / "images", train))


def test_a_missing_list_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path / "images")
    (folder / "test.csv").unlink()
    with pytest.raises(DatasetError, match=r"test\.csv: cannot be read in .*images \(No such file"):
        read_image_folder(folder)
    with pytest.raises(DatasetError, match=r"there is no folder .*elsewhere.*dataset\.image-list\.folder"):
        read_image_folder(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match=r"dataset\.image-list lacks folder"):
        read_image_folder(folder, folder=None)


def test_images_that_cannot_fit_in_memory_are_refused_before_decoding(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"bytes of memory\. Choose a smaller dataset\.image-list\.image_size"):
        read_image_folder(make_image_folder(tmp_path / "images"), image_size=2_000_000)
