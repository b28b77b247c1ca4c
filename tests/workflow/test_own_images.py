"""The user's own images in a run: replaced, moved, unplugged, and read otherwise."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.datasets.class_folders import noise, one_folder
from tests.unit.datasets.image_folder import make_image_folder
from tests.workflow.study_run import StudyRun

OWN = """\
study: tiny
dataset: {name: image-list, image-list: {folder: data/img, identifier: mine, image_size: 8}}
subsets: {sizes: [3]}
seeds: [0]
model: {width: 4}
recipe: {batch_size: 4, augmentation: {crop_padding: 1, flip: false}}
budgets: {default: {iterations: 4}, 500: ~, 250: ~, 100: ~}
published: ~
"""


@pytest.fixture(scope="session")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    """Return a study of own images whose subsets are there."""
    study = StudyRun.create(tmp_path_factory.mktemp("own") / "project")
    (study.folder / "tiny.yaml").write_text(OWN, encoding="utf-8")
    make_image_folder(study.folder / "data/img")
    study.run("subsets")
    return study


@pytest.fixture
def own(fetched: StudyRun, tmp_path: Path) -> StudyRun:
    """Return a copy of it, with all times."""
    return fetched.copy_to(tmp_path / "project")


def test_an_unplugged_folder_stops_only_what_was_changed(own: StudyRun) -> None:
    shutil.rmtree(own.folder / "data/img")
    assert own.planned("subsets") == {}
    own.edit("tiny.yaml", "sizes: [3]", "sizes: [2, 3]")
    assert "fetch_dataset" not in own.planned("subsets")
    own.run("subsets")
    own.edit("tiny.yaml", "image_size: 8", "image_size: 16")
    refused = own.snakemake("subsets", "-n", "--cores", "1")
    assert refused.returncode != 0
    assert "dataset.image-list.folder" in refused.stdout + refused.stderr


def test_another_size_of_images_is_read_anew_and_so_are_its_subsets(own: StudyRun) -> None:
    own.edit("tiny.yaml", "image_size: 8", "image_size: 16")
    assert own.planned("subsets")["fetch_dataset"] == 1


@pytest.mark.parametrize("profile", ["rerun-triggers: [mtime]\n", "rerun-triggers: [input, params]\n"])
def test_replaced_images_are_read_anew_under_any_profile(own: StudyRun, profile: str) -> None:
    folder = own.folder / "profile-of-the-user"
    folder.mkdir()
    (folder / "config.yaml").write_text(profile, encoding="utf-8")
    own = dataclasses.replace(own, environment=(("SNAKEMAKE_PROFILE", str(folder)),))
    assert own.planned("subsets") == {}
    image = own.folder / "data/img/a.png"
    before = image.stat()
    Image.new("RGB", (8, 8), "red").save(image)
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert own.planned("subsets")["fetch_dataset"] == 1
    own.run("subsets")
    assert own.planned("subsets") == {}


def test_the_same_images_with_new_times_are_not_read_again(own: StudyRun) -> None:
    for path in (own.folder / "data/img").iterdir():
        path.touch()
    assert own.planned("subsets") == {}


def test_class_folders_are_read_again_when_an_image_comes_and_keep_their_division(own: StudyRun) -> None:
    own.edit("tiny.yaml", "{name: image-list, image-list:", "{name: image-folder, image-folder:")
    own.edit("tiny.yaml", "data/img", "data/birds")
    folder = one_folder(own.folder / "data/birds", 6)
    own.run("subsets")
    table = own.folder / "resources/mine/split-seed0-share0.2.csv"
    before = table.read_text(encoding="utf-8").splitlines()
    assert own.planned("subsets") == {}
    noise(90).save(folder / "cat/new.png")
    assert own.planned("subsets")["fetch_dataset"] == 1
    own.run("subsets")
    assert set(before) < set(table.read_text(encoding="utf-8").splitlines())
    assert own.planned("subsets") == {}
