"""No change of the code changes the science unnoticed: 30 losses a method are compared with recorded ones.

Exactly where PyTorch's version, the instructions it uses and the processor are those of the recording. Elsewhere the
last bits differ, and every step makes that difference larger: `tolerance` grows with it. How to record anew on purpose:
see golden_trace.py.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from smallmix.science import steps
from smallmix.science.batch_row import BatchRow
from torch import Tensor

from tests.tiny_cell import MIXES, TinyData, tiny_cell
from tests.unit.training.golden_trace import ITERATIONS, describe_place, read_golden_trace, record_trace


def tolerance(iteration: int) -> float:
    """Return by what share a loss may differ: 4e-6 for the first step, ten times as much every ten steps.

    On an AMD EPYC with AVX2 alone it was 1e-7 in the first step, 1e-4 in the twentieth and 5e-4 in the thirtieth.
    """
    return 3e-6 * 10 ** (iteration / 10)


def difference(losses: list[str], golden: list[str]) -> float:
    """Return the largest relative difference of two traces, as a multiple of the tolerance."""
    pairs = enumerate(zip(map(float, losses), map(float, golden), strict=True), start=1)
    return max(abs(loss - wanted) / wanted / tolerance(iteration) for iteration, (loss, wanted) in pairs)


def test_the_losses_are_those_recorded(tmp_path: Path) -> None:
    place, golden = read_golden_trace()
    assert list(golden) == list(MIXES)
    trace = record_trace(tmp_path)
    if place == describe_place():
        assert trace == golden
    for mix in MIXES:
        assert len(golden[mix]) == ITERATIONS
        assert difference(trace[mix], golden[mix]) < 1, mix


@pytest.mark.parametrize(
    "change",
    [
        {"momentum": 0.899},
        {"learning_rate": 0.0501},
        {"weight_decay": 1e-3},
        {"decay_at": (0.9,)},
        {"crop_padding": 0},
        {"flip": False},
        {"batch_size": 7},
        {"schedule": "cosine"},
        {"warm_up": 0.1},
        {"nesterov": True},
        {"decay_normalization": False, "weight_decay": 0.05},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_small_change_of_the_recipe_would_be_noticed(tmp_path: Path, change: dict[str, Any]) -> None:
    assert difference(trace_of(tmp_path, change), read_golden_trace()[1]["images"]) > 2


def test_a_slip_in_the_loop_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image one place too late in its batch: with another's crop, flip and partner."""
    row_of = steps.row_of

    def late(table: Mapping[str, Tensor], position: int, batch_size: int) -> BatchRow:
        row = row_of(table, position, batch_size)
        return dataclasses.replace(row, rows=row.rows.roll(1))

    monkeypatch.setattr(steps, "row_of", late)
    assert difference(trace_of(tmp_path, {}), read_golden_trace()[1]["images"]) > 2


def trace_of(folder: Path, change: dict[str, Any]) -> list[str]:
    """Return the trace of mixing images alone with another recipe."""
    cell = tiny_cell("images", iterations=ITERATIONS, every=1, **change)
    output, _ = TinyData.write(folder).train(cell, folder)
    with open(output / "history.csv", encoding="ascii", newline="") as stream:
        return [row["train_loss"] for row in csv.DictReader(stream)]
