"""Cells that share a card in one process, on a stream each, have the bytes of cells alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from smallmix.study.cell import Executor
from smallmix.training.signals import StopRequest
from smallmix.training.train_cells import Outcome, train_cells

from tests.tiny_cell import MIXES, TinyData, tiny_cell

pytestmark = pytest.mark.gpu


def result(output: Path) -> dict[str, Any]:
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    return {
        "history": (output / "history.csv").read_bytes(),
        "predictions": (output / "predictions.npz").read_bytes(),
        "weights": metrics["weights_sha256"],
    }


@pytest.mark.parametrize("executor", ["eager", "automatic"])
def test_cells_in_turns_have_the_bytes_of_cells_alone(tmp_path: Path, executor: Executor) -> None:
    data = TinyData.write(tmp_path)
    cells = {
        mix: tiny_cell(mix, iterations=40 + 10 * number, every=20, executor=executor)
        for number, mix in enumerate(MIXES)
    }
    found = {}
    for at_once in (1, 3):
        folder = tmp_path / str(at_once)
        jobs = {
            name: replace(data.job(cell, folder, output=folder / name), device="cuda") for name, cell in cells.items()
        }
        outcomes = train_cells(jobs, at_once, StopRequest(), lambda line: None)
        assert outcomes == dict.fromkeys(jobs, Outcome())
        found[at_once] = {name: result(job.output) for name, job in jobs.items()}
    assert found[3] == found[1]
