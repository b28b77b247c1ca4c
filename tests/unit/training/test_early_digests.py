"""Protects the digests of early weights: there for every training, the same whoever takes its steps."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from smallmix.errors import Interrupted
from smallmix.science import steps
from smallmix.science.graph_steps import GraphSteps
from smallmix.science.network import build_network
from smallmix.science.steps import StepExecutor, StepLauncher
from smallmix.science.training_state import DIGEST_ITERATIONS, TrainingState
from smallmix.science.training_step import MomentumSgd, StepStats
from smallmix.training.signals import StopRequest
from smallmix.training.train_cell import train_cell

from tests.tiny_cell import MIXES, TinyData, tiny_cell


def digests(output: Path) -> dict[str, str]:
    """Return the digests in a cell's record, by iteration."""
    metrics: dict[str, Any] = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    found: dict[str, str] = metrics["early_weights_sha256"]
    return found


def executor_that(
    each_step: bool, state: TrainingState, launcher: StepLauncher, stats: StepStats, synchronize_each_step: bool
) -> StepExecutor:
    """Return an executor that synchronizes as the test wants it, whatever the device."""
    return StepExecutor(state, launcher, stats, each_step)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TinyData:
    return TinyData.write(tmp_path_factory.mktemp("data"))


def test_there_is_one_for_each_moment_within_the_budget(data: TinyData, tmp_path: Path) -> None:
    assert DIGEST_ITERATIONS == (1, 10, 50)
    for iterations, moments in ((1, ["1"]), (9, ["1"]), (10, ["1", "10"]), (51, ["1", "10", "50"])):
        output, _ = data.train(tiny_cell(iterations=iterations, every=100), tmp_path / str(iterations))
        assert list(digests(output)) == moments
    metrics = json.loads((tmp_path / "10" / "cell" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["early_weights_sha256"]["10"] == metrics["weights_sha256"]  # the budget ends there
    assert len(set(digests(tmp_path / "51" / "cell").values())) == 3


def test_methods_seeds_and_rates_have_their_own(data: TinyData, tmp_path: Path) -> None:
    cells = [*(tiny_cell(mix) for mix in MIXES), tiny_cell(learning_rate=0.050001), replace(tiny_cell(), seed=1)]
    found = [digests(data.train(cell, tmp_path / str(number))[0])["1"] for number, cell in enumerate(cells)]
    assert len(set(found)) == len(cells)


def test_captured_and_plain_steps_leave_the_same(
    data: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps of a graph, started without one: there is no GPU here."""
    cell = tiny_cell("images-and-labels", iterations=12, every=5)
    plain = digests(data.train(cell, tmp_path / "plain")[0])
    built = 0

    def uncaptured(*arguments: Any) -> GraphSteps:
        nonlocal built
        built += 1
        return GraphSteps(*arguments, capture=False)

    monkeypatch.setattr(steps, "EagerSteps", uncaptured)
    for each_step in (True, False):
        monkeypatch.setattr(steps, "StepExecutor", partial(executor_that, each_step))
        assert digests(data.train(cell, tmp_path / f"synchronized {each_step}")[0]) == plain
    assert built == 2


def test_a_continued_training_carries_them_on(data: TinyData, tmp_path: Path) -> None:
    cell = tiny_cell("images", iterations=12, every=1)
    whole, _ = data.train(cell, tmp_path / "whole")
    for iteration in (1, 9, 10, 11):
        stop, folder = StopRequest(), tmp_path / str(iteration)

        def report(line: str, stop: StopRequest = stop, iteration: int = iteration) -> None:
            if line.startswith(f"iteration {iteration}/"):
                stop.signal_name = "SIGTERM"

        with pytest.raises(Interrupted):
            train_cell(data.job(cell, folder), stop, report)
        output, _ = data.train(cell, folder)
        assert digests(output) == digests(whole)


def test_weights_that_differ_in_one_bit_have_another_digest() -> None:
    cell = tiny_cell()
    model = build_network(cell.model, (8, 8, 1), 10, 0)
    state = TrainingState(cell, model, MomentumSgd(model.parameters(), 0.9, 0.0, torch.device("cpu")))
    before = state.weights_sha256()
    with torch.no_grad():
        weight = model.get_parameter("classifier.bias")
        weight[0] = torch.nextafter(weight[0], torch.tensor(1.0))
    assert state.weights_sha256() != before
