"""Protects the plan's probe: it steps on the machine at hand, whatever machine the recipe is meant for."""

from __future__ import annotations

import pytest
import torch
from smallmix.planning import probe as probe_module
from smallmix.planning.cost import ImagesInNumbers, training_flops
from smallmix.planning.probe import probe
from smallmix.study.cell import Executor

from tests.tiny_cell import tiny_cell

IMAGES = ImagesInNumbers(side=8, channels=1, classes=10, train_count=100, test_count=50)


@pytest.mark.parametrize("executor", ["automatic", "graph", "graph-compiled"])
def test_a_study_for_a_card_can_be_planned_without_one(monkeypatch: pytest.MonkeyPatch, executor: Executor) -> None:
    """On a login node, say."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(probe_module, "SECONDS", 0.2)
    cell = tiny_cell(executor=executor, iterations=3)
    measured = probe(cell, IMAGES)
    assert measured.device == "cpu"
    # The three steps of an epoch differ in size, so operations and seconds agree on the mean step alone.
    mean_step = training_flops(cell, IMAGES) / 3
    assert measured.flops_a_second * measured.seconds_a_step == pytest.approx(mean_step, rel=0.1)
