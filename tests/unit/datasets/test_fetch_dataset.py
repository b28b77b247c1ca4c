"""Protects the way from a configuration to a dataset folder, by function and by command, for all kinds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from smallmix.commands.data import COMMANDS
from smallmix.datasets.arrays import load_dataset
from smallmix.datasets.cifar import CIFAR10
from smallmix.datasets.digits import digits_dataset
from smallmix.datasets.download import ExpectedFile
from smallmix.datasets.fetch import fetch_dataset
from smallmix.datasets.published_dataset import PublishedDataset
from smallmix.datasets.published_datasets import PUBLISHED_DATASETS
from smallmix.errors import ConfigurationError, DatasetError

from tests.unit.datasets.image_folder import make_image_folder


def run(settings: Any, output: Path) -> int:
    parser = argparse.ArgumentParser()
    command = COMMANDS["fetch-dataset"]
    command.add_arguments(parser)
    text = settings if isinstance(settings, str) else json.dumps(settings)
    return command.run(parser.parse_args(["--settings", text, "--output", str(output)]))


def test_the_digits_are_scikit_learns(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    fetch_dataset({"name": "digits"}, tmp_path / "digits")
    dataset = load_dataset(tmp_path / "digits")
    assert dataset.train_images.shape == (1297, 8, 8, 1)
    assert dataset.test_images.shape == (500, 8, 8, 1)
    assert dataset.description.classes == tuple("0123456789")
    assert dataset.train_labels.tolist() == bunch.target[:1297].tolist()
    assert dataset.test_labels.tolist() == bunch.target[1297:].tolist()
    for images, grey in ((dataset.train_images, bunch.images[:1297]), (dataset.test_images, bunch.images[1297:])):
        assert images[..., 0].tolist() == [[[round(v * 255 / 16) for v in row] for row in image] for image in grey]


def test_other_digits_are_not_taken_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    bunch = type("Bunch", (), {"images": np.zeros((1796, 8, 8)), "target": np.zeros(1796)})
    monkeypatch.setattr("sklearn.datasets.load_digits", lambda: bunch)
    with pytest.raises(DatasetError, match=r"not the 1,797 images.*envs/lock\.txt"):
        digits_dataset()


def test_the_command_reports_in_one_line_what_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run({"name": "digits"}, tmp_path / "digits") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    for part in ("1,297 training", "500 test images", "8 x 8 x 1", "10 classes", str(tmp_path / "digits")):
        assert part in last


def test_the_command_reports_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = make_image_folder(tmp_path / "images", test="path,label\nd.png,dog\n")
    section = {"folder": str(images), "identifier": "mine", "title": "Mine", "image_size": 8, "color": "grey"}
    assert run({"name": "image-list", "image-list": section}, tmp_path / "mine") == 0
    assert "warning: the class 'cat' has no image in test.csv" in capsys.readouterr().out


def test_cifar10_goes_through_downloads_beside_the_folder(
    make_archive: Callable[..., tuple[Path, ExpectedFile]],
    serve: Callable[[bytes], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, expected = make_archive()
    # The settings cannot name another hash, so the test replaces what is known of the file.
    monkeypatch.setitem(
        cast("dict[str, PublishedDataset]", PUBLISHED_DATASETS), "cifar10", replace(CIFAR10, files=(expected,))
    )
    settings = {"archive": None, "sources": [serve(path.read_bytes()).address("good")]}
    fetch_dataset({"name": "cifar10", "cifar10": settings}, tmp_path / "resources" / "cifar10")
    assert load_dataset(tmp_path / "resources" / "cifar10").description.name == "cifar10"
    assert (tmp_path / "resources" / "downloads" / expected.name).is_file()


def test_fetching_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        fetch_dataset({"name": "digits"}, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{", "--settings is not JSON"),
        ("[]", "must be a JSON object"),
        ({}, r"dataset\.name is None"),
        (
            {"name": "lsun"},
            r"dataset\.name is 'lsun'; it must be cifar10, cifar100, .*, digits, image-list or image-fo",
        ),
        ({"name": "mnist"}, r"dataset\.mnist is missing"),
        ({"name": "cifar10"}, r"dataset\.cifar10 is missing"),
        ({"name": "image-list", "image-list": None}, r"dataset\.image-list is missing"),
        ({"name": "image-list", "image-list": {"folder": "x"}}, "lacks identifier, title, image_size, color"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path: Path, settings: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        run(settings, tmp_path / "none")
    assert not (tmp_path / "none").exists()
