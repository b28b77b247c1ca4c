"""Protects the user's files: no study writes where images lie, or takes the name of one of smallmix's own folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from smallmix.errors import ConfigurationError
from smallmix.study.configuration import load_configuration
from smallmix.study.own_images import OWN_IMAGES

STUDY = """
study: {study}
dataset: {{name: {kind}, {kind}: {{folder: "{folder}", identifier: {identifier}}}}}
subsets: {{sizes: [10]}}
methods: {{plain: {{mix: none}}}}
seeds: [0]
budgets: {{default: {{epochs: 3}}}}
"""


def refusal(folder: Path, images: str, study: str = "mine", identifier: str = "birds", kind: str = "image-list") -> str:
    """What is said of a study; empty where nothing is."""
    file = folder / "study.yaml"
    file.write_text(STUDY.format(folder=images, study=study, identifier=identifier, kind=kind), encoding="utf-8")
    try:
        load_configuration([file])
    except ConfigurationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", OWN_IMAGES)
@pytest.mark.parametrize(
    "images",
    [
        "resources/birds",
        "resources/birds/raw",
        "data/../resources/birds/",
        "resources/downloads",
        "resources/digits",
        "resources",
        "results/birds",
        "reports",
        "logs/mine",
        ".snakemake/birds",
        "workflow/images",
        ".",
        "..",
        "link",
        "link/below",
    ],
)
def test_images_in_at_or_above_own_folders_are_refused_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: str, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources" / "birds").mkdir(parents=True)
    (tmp_path / "link").symlink_to("resources/birds")
    said = refusal(tmp_path, images, kind=kind)
    assert f"dataset.{kind}.folder" in said
    assert "data/my-images" in said, "the remedy stands there, too"
    assert f"dataset.{kind}.folder" in refusal(tmp_path, str(tmp_path / images), kind=kind), (
        "an absolute path leads to the same place"
    )


def test_an_own_folder_that_is_a_link_to_the_images_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "birds").symlink_to(tmp_path / "photos")
    assert "dataset.image-list.folder" in refusal(tmp_path, "photos")


@pytest.mark.parametrize("images", ["data/birds", "resources-of-mine", "resources/photos", "../elsewhere", "results2"])
def test_other_folders_are_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: str) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    assert refusal(tmp_path / "project", images) == ""


@pytest.mark.parametrize("study", ["reference", "slots", "bench", "store", "partial", "datasets"])
def test_names_of_own_folders_are_no_names_of_studies(tmp_path: Path, study: str) -> None:
    assert "study" in refusal(tmp_path, "data/birds", study=study)


@pytest.mark.parametrize("identifier", ["downloads", "cifar10", "digits", "fashion-mnist", "store"])
def test_names_of_own_data_sets_are_no_identifiers(tmp_path: Path, identifier: str) -> None:
    for kind in OWN_IMAGES:
        assert f"dataset.{kind}.identifier" in refusal(tmp_path, "data/birds", identifier=identifier, kind=kind)
