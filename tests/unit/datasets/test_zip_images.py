"""Protects people who name a zip file: damaged, locked or malicious ones end in words, and nothing is unpacked."""

from __future__ import annotations

import contextlib
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smallmix.datasets import image_files
from smallmix.datasets.folder_layout import find_images
from smallmix.datasets.image_files import ImageError, ZipFiles, open_images
from smallmix.datasets.image_list import Problems
from smallmix.errors import DatasetError

from tests.unit.datasets.class_folders import noise, one_folder, pack, png, read_class_folders, two_parts


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A zip file of two parts."""
    return pack(two_parts(tmp_path / "x"), tmp_path / "x.zip")


def test_a_zip_file_gives_the_arrays_of_its_folder_and_nothing_is_unpacked(tmp_path: Path) -> None:
    folder = one_folder(tmp_path / "x", 6)
    before = read_class_folders(folder)
    file = pack(folder, tmp_path / "x.zip", "photos/")
    there = sorted(path for path in tmp_path.rglob("*"))
    arrays = read_class_folders(file)
    for part in ("train", "test"):
        for kind in ("images", "labels"):
            np.testing.assert_array_equal(getattr(arrays, f"{part}_{kind}"), getattr(before, f"{part}_{kind}"))
    assert sorted(path for path in tmp_path.rglob("*")) == there


@pytest.mark.parametrize("name", ["../evil.png", "train/../../evil.png", "/etc/evil.png", "C:\\evil.png", "..\\e.png"])
def test_a_name_that_leads_out_is_refused(packed: Path, name: str) -> None:
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(name, png(noise(50)))
    with pytest.raises(DatasetError, match="leads out of the zip file"):
        read_class_folders(packed)


def test_a_link_in_a_zip_file_is_refused(packed: Path) -> None:
    link = zipfile.ZipInfo("train/cat/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DatasetError, match=r"'train/cat/link\.png' is a link in the zip file"):
        read_class_folders(packed)


def test_a_member_that_is_there_twice_is_refused(packed: Path) -> None:
    with zipfile.ZipFile(packed, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("train/cat/0.png", png(noise(50)))
    with pytest.raises(DatasetError, match=r"'train/cat/0\.png' is in the zip file twice"):
        read_class_folders(packed)


def test_names_can_be_asked_for_again(packed: Path) -> None:
    files, problems = ZipFiles(packed), Problems()
    assert files.scan(problems) == files.scan(problems)
    assert not problems


def test_an_encrypted_member_is_refused(packed: Path) -> None:
    content = bytearray(packed.read_bytes())
    at = content.rfind(b"PK\x01\x02")  # the last entry of the central directory
    content[at + 8] |= 1
    packed.write_bytes(content)
    with pytest.raises(DatasetError, match="is encrypted in the zip file; unpack it, and name the folder"):
        read_class_folders(packed)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_whose_output_cannot_be_bounded_are_refused(packed: Path, method: int) -> None:
    with zipfile.ZipFile(packed, "a", method) as archive:
        archive.writestr("train/cat/big.png", png(noise(50)))
    with pytest.raises(DatasetError, match="is packed by a method that is not read"):
        read_class_folders(packed)


def test_a_damaged_member_is_named(packed: Path) -> None:
    content = bytearray(packed.read_bytes())
    at = content.find(b"train/dog/1.png") + len("train/dog/1.png")
    content[at + 60] ^= 0xFF
    packed.write_bytes(content)
    with pytest.raises(DatasetError, match=r"'train/dog/1\.png' is damaged in the zip file \(.*\); pack or fetch it"):
        read_class_folders(packed)


def test_a_member_that_says_it_is_small_gives_no_more_than_it_says(packed: Path) -> None:
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/cat/bomb.png", bytes(10_000_000))
    content = bytearray(packed.read_bytes())
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    packed.write_bytes(content)
    files = ZipFiles(packed)
    files.scan(Problems())
    with pytest.raises(ImageError, match="is damaged"):
        files.read("train/cat/bomb.png")


@pytest.mark.parametrize(("limit", "value"), [("MOST_MEMBERS", 9), ("LARGEST_TOTAL", 1000)])
def test_too_many_and_too_large_files_are_refused_before_any_is_read(
    packed: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(image_files, limit, value)
    with pytest.raises(DatasetError, match=r"holds 10 files of 0 MiB in all; allowed: at most .* unpack it"):
        open_images(packed)


def test_a_member_that_is_too_large_is_named(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "LARGEST_FILE", 100)
    with pytest.raises(DatasetError, match=r"'train/.*\.png' is a file of more than 0 MiB"):
        read_class_folders(packed)


@pytest.mark.parametrize("content", [b"", b"no zip file", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_zip_file_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(DatasetError, match=r"x\.zip is neither a folder nor a whole zip file"):
        read_class_folders(tmp_path / "x.zip")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 4000))
def test_any_damage_ends_in_words(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    file = pack(one_folder(folder / "x", 2), folder / "x.zip")
    content = bytearray(file.read_bytes())
    for at, value in changes:
        content[at % len(content)] = value
    file.write_bytes(content[: len(content) - cut % 7])
    with contextlib.suppress(DatasetError, ImageError):  # whatever else is raised fails the test
        files = open_images(file)
        for row in find_images(files, Problems()).train.rows:
            files.read(row.path)
