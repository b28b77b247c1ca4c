"""Every method trains a real network, and a training that was stopped between two batches goes on to the same bytes."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import pytest
from smallmix.errors import Interrupted
from smallmix.study.cell import Cell, Mix

from tests.every_method import EVERY_MIX, method_value
from tests.tiny_cell import StopAtCheck, TinyData, tiny_cell

RECORDED = ("history.csv", "predictions.npz")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TinyData:
    return TinyData.write(tmp_path_factory.mktemp("data"))


def cell_of(mix: Mix) -> Cell:
    return dataclasses.replace(tiny_cell(iterations=8, every=4), method=method_value(mix))


@pytest.mark.parametrize("mix", EVERY_MIX)
def test_a_stopped_training_of_every_method_goes_on(data: TinyData, tmp_path: Path, mix: Mix) -> None:
    cell = cell_of(mix)
    whole, _ = data.train(cell, tmp_path / "whole")
    with pytest.raises(Interrupted, match="saved at iteration 2 of 8"):
        data.train(cell, tmp_path / "stopped", StopAtCheck(4))
    continued, _ = data.train(cell, tmp_path / "stopped")
    for name in RECORDED:
        assert (continued / name).read_bytes() == (whole / name).read_bytes(), name
    with open(whole / "history.csv", encoding="utf-8", newline="") as stream:
        losses = [float(row["train_loss"]) for row in csv.DictReader(stream)]
    assert len(losses) == 2
    assert all(math.isfinite(loss) and loss > 0 for loss in losses)


def test_every_method_trains_in_its_own_way(data: TinyData, tmp_path: Path) -> None:
    histories = {mix: (data.train(cell_of(mix), tmp_path / mix)[0] / "history.csv").read_bytes() for mix in EVERY_MIX}
    assert len(set(histories.values())) == len(EVERY_MIX)
