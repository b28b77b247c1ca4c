"""The division of images outlasts a folder of arrays that does not stay, as with a storage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from smallmix.commands import main as command_line
from smallmix.datasets.image_split import read_split
from smallmix.datasets.kept_division import VARIABLE

from tests.unit.datasets.class_folders import noise, one_folder, section

TABLE = "split-seed0-share0.2.csv"


def fetch(images: Path, folder: Path) -> None:
    """Make the arrays by the command."""
    settings: dict[str, Any] = {"name": "image-folder", "image-folder": section(images)}
    arguments = ["fetch-dataset", "--settings", json.dumps(settings), "--output", str(folder)]
    assert command_line.main(arguments) == 0


def test_the_division_is_kept_where_the_arrays_do_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, stays, passing = one_folder(tmp_path / "birds", 6), tmp_path / "resources/mine", tmp_path / "passing"
    monkeypatch.setenv(VARIABLE, str(stays))
    fetch(images, passing)
    assert (stays / TABLE).read_bytes() == (passing / TABLE).read_bytes()
    assert [path.name for path in stays.iterdir()] == [TABLE], "only the table stays"

    # The user moves an image to the other side, and adds one. A division anew would know neither.
    moved = next(content for content, (side, _, _) in read_split(stays / TABLE).items() if side == "test")
    text = (stays / TABLE).read_text(encoding="utf-8")
    (stays / TABLE).write_text(text.replace(f"{moved},test", f"{moved},train"), encoding="utf-8")
    noise(90).save(images / "cat/new.png")
    shutil.rmtree(passing)
    fetch(images, passing)
    known = read_split(stays / TABLE)
    assert known[moved][0] == "train"
    assert len(known) == 13
    assert (stays / TABLE).read_bytes() == (passing / TABLE).read_bytes()


def test_without_a_storage_nothing_is_written_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    images = one_folder(tmp_path / "birds", 6)
    fetch(images, tmp_path / "made")
    assert {path.name for path in tmp_path.iterdir()} == {"birds", "made"}
