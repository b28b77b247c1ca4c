"""What is laid beside images whose arrays exist is told, and what was told as they were made is not told again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from smallmix.commands import main as command_line
from smallmix.datasets.originals import find_changes
from smallmix.datasets.stray_files import explain_strays

from tests.unit.datasets.class_folders import noise, one_folder, pack, png, section, two_parts


def settings_of(images: Path) -> dict[str, Any]:
    """The `dataset` section of a study of class folders."""
    return {"name": "image-folder", "image-folder": section(images)}


def fetch(images: Path, folder: Path) -> Path:
    """Make the arrays, and return their folder."""
    arguments = ["fetch-dataset", "--settings", json.dumps(settings_of(images)), "--output", str(folder)]
    assert command_line.main(arguments) == 0
    return folder


@pytest.fixture(params=[one_folder, two_parts])
def birds(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of each layout, with a note that was there from the beginning."""
    folder: Path = request.param(tmp_path / "birds")
    (folder / "README.txt").write_text("birds", encoding="utf-8")
    return folder


def test_strays_and_empty_class_folders_are_told_while_the_arrays_stay(birds: Path, tmp_path: Path) -> None:
    made = fetch(birds, tmp_path / "made")
    assert explain_strays(settings_of(birds), made) is None, "the log of the fetch has said what was there"
    inside = birds / "train" if (birds / "train").exists() else birds
    (inside / "cat" / "notes.txt").write_text("a cat", encoding="utf-8")
    (inside / "owl").mkdir()
    (inside / "loose.png").write_bytes(png(noise(90)))
    assert find_changes(settings_of(birds), made) is None
    text = str(explain_strays(settings_of(birds), made))
    place = "train/" if inside != birds else ""
    assert f"{place}owl/' holds no images; put images of the class there, or remove the folder" in text
    assert f"1 image lies (first: '{place}loose.png') in {'train/ without a' if place else 'no'} class folder" in text
    assert f"2 files are no images and were left out: 'README.txt', '{place}cat/notes.txt'" in text
    assert f"no part of the arrays in {made}/. The run goes on with these." in text
    for path in (inside / "loose.png", inside / "cat" / "notes.txt"):
        path.unlink()
    (inside / "owl").rmdir()
    assert explain_strays(settings_of(birds), made) is None


def test_long_lists_are_cut(birds: Path, tmp_path: Path) -> None:
    made = fetch(birds, tmp_path / "made")
    inside = birds / "train" if (birds / "train").exists() else birds
    for number in range(13):
        (inside / f"empty-{number}").mkdir()
    text = str(explain_strays(settings_of(birds), made))
    assert text.count("holds no images") == 10
    assert text.endswith("and 3 more")


def test_nothing_is_told_of_what_is_not_there(birds: Path, tmp_path: Path) -> None:
    assert explain_strays(settings_of(birds), tmp_path / "made") is None
    made = fetch(birds, tmp_path / "made")
    packed = pack(birds, tmp_path / "birds.zip")
    assert explain_strays(settings_of(packed), made) is None
    shutil.rmtree(birds)
    assert explain_strays(settings_of(birds), made) is None
    birds.mkdir()
    assert explain_strays(settings_of(birds), made) is None
    assert explain_strays({"name": "digits"}, made) is None
