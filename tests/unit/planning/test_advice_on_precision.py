"""Protects the plan's word on precision: measured, given only where bf16 is native and worth it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from smallmix.planning import probe as probe_module
from smallmix.planning.cost import ImagesInNumbers
from smallmix.planning.probe import Probe, advise_on_precision
from smallmix.study.cell import Cell

from tests.tiny_cell import tiny_cell

IMAGES = ImagesInNumbers(side=8, channels=1, classes=10, train_count=100, test_count=50)
FP32 = Probe("cpu", seconds_a_step=1.0, flops_a_second=1e9)


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    """The cells that were measured; each step of them takes 0.4 seconds."""
    cells: list[Cell] = []

    def measure(cell: Cell, images: ImagesInNumbers) -> Probe:
        cells.append(cell)
        return dataclasses.replace(FP32, seconds_a_step=0.4)

    monkeypatch.setattr(probe_module, "probe", measure)
    return cells


def pretend(monkeypatch: pytest.MonkeyPatch, **capabilities: Any) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "x86_64", **capabilities})


def test_the_gain_of_bf16_is_measured_and_told(monkeypatch: pytest.MonkeyPatch, probed: list[Cell]) -> None:
    pretend(monkeypatch, amx_bf16=True)
    advice = advise_on_precision(tiny_cell(), IMAGES, FP32)
    assert advice is not None
    assert "recipe.precision: bf16 a step takes 400.0 ms here, 2.5 times as fast" in advice
    assert [cell.recipe.precision for cell in probed] == ["bf16"]


def test_no_word_where_little_is_gained(monkeypatch: pytest.MonkeyPatch, probed: list[Cell]) -> None:
    pretend(monkeypatch, amx_bf16=True)
    assert advise_on_precision(tiny_cell(), IMAGES, dataclasses.replace(FP32, seconds_a_step=0.45)) is None


def test_where_bf16_is_emulated_it_is_not_tried(monkeypatch: pytest.MonkeyPatch, probed: list[Cell]) -> None:
    """With AVX2 a step of the article's network takes most of a minute."""
    pretend(monkeypatch)
    assert advise_on_precision(tiny_cell(), IMAGES, FP32) is None
    assert not probed
    warning = advise_on_precision(tiny_cell(precision="bf16"), IMAGES, FP32)
    assert warning is not None
    assert "recipe='{precision: fp32}'" in warning
    assert not probed
