"""Protects the plan's probe: it steps on the machine at hand, whatever machine the recipe is meant for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from smallmix.planning import probe as probe_module
from smallmix.planning.cost import CellWork, ImagesInNumbers, training_flops
from smallmix.planning.pace import ON_A_CORE
from smallmix.planning.probe import Measurement, Probe, fit_line, measure, probe, start_seconds
from smallmix.science import evaluation
from smallmix.science.evaluation import EvaluationImages
from smallmix.science.training_data import TrainingData
from smallmix.study.cell import Executor, Precision
from smallmix.training import training_loop

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


def test_a_measurement_gives_back_the_step_that_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the pace, a mean step takes as long as it was seen to take, whatever is fixed and whatever is operations."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(probe_module, "start_seconds", lambda: 1.25)
    monkeypatch.setattr(probe_module, "SECONDS", 0.3)
    cell = tiny_cell(batch_size=20, iterations=10)
    found = measure(cell, IMAGES)
    work = CellWork.of(cell, IMAGES)
    # The fixed part has a least value.
    assert found.pace.training_seconds(work) / 10 == pytest.approx(found.step.seconds_a_step, abs=1.1e-5)
    assert found.pace.evaluation_seconds(work) > 0
    assert found.pace.start_seconds == 1.25
    assert found.pace.basis == "measured"
    assert 0 < found.share <= 1


@pytest.mark.parametrize(
    ("small", "large", "fixed", "rate"),
    [
        ((1e9, 0.3), (9e9, 1.1), 0.2, 1e10),
        ((1e9, 0.1), (9e9, 0.9), 0.0, 1e10),
        ((1e9, 0.05), (9e9, 0.9), 0.0, 1e10),  # more than in proportion: nothing is fixed
        ((1e9, 1.0), (9e9, 0.9), 0.0, 1e10),  # noise: the larger batch was not slower
        ((9e9, 0.9), (9e9, 0.9), 0.0, 1e10),
    ],
)
def test_two_batch_sizes_show_what_a_step_costs_anyway(
    small: tuple[float, float], large: tuple[float, float], fixed: float, rate: float
) -> None:
    assert fit_line(small, large) == pytest.approx((fixed, rate))


def test_a_step_that_takes_long_is_taken_once_and_on_a_part_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of the article's network in emulated bf16 took five and a half minutes, all for its probe."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(probe_module, "start_seconds", lambda: 1.25)
    monkeypatch.setattr(probe_module, "LONG", 0.0)
    sizes: list[int] = []
    evaluated: list[int] = []
    begin, evaluate = training_loop.begin, evaluation.evaluate

    def counting_begin(data: TrainingData, *rest: Any) -> Any:
        executor = begin(data, *rest)
        step = executor.step

        def counted() -> int:
            sizes.append(step())
            return sizes[-1]

        monkeypatch.setattr(executor, "step", counted)
        return executor

    def counting_evaluate(model: torch.nn.Module, images: EvaluationImages, precision: Precision) -> Any:
        evaluated.append(len(images.images))
        return evaluate(model, images, precision)

    monkeypatch.setattr(probe_module, "begin", counting_begin)
    monkeypatch.setattr(probe_module, "evaluate", counting_evaluate)
    cell = tiny_cell(batch_size=40)
    found = measure(cell, IMAGES)
    assert sizes == [min(cell.size, 40) // 8]
    assert set(evaluated) == {1}
    work = CellWork.of(cell, IMAGES)
    assert found.pace.training_seconds(work) / cell.iterations == pytest.approx(found.step.seconds_a_step, rel=0.3)


@pytest.mark.parametrize(("share", "disturbed"), [(1.0, False), (0.9, False), (0.5, True)])
def test_a_training_kept_from_its_core_was_disturbed(share: float, disturbed: bool) -> None:
    assert Measurement(Probe("cpu", 1.0, 1.0), ON_A_CORE, share).is_disturbed == disturbed


def test_a_start_is_timed_by_a_process_and_assumed_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "IMPORTS", "pass")
    assert probe_module.WITHOUT_IMPORTS <= start_seconds() < 60
    monkeypatch.setattr(probe_module, "IMPORTS", "raise SystemExit(1)")
    assert start_seconds() == ON_A_CORE.start_seconds
    monkeypatch.setattr("sys.executable", "/nowhere")
    assert start_seconds() == ON_A_CORE.start_seconds
