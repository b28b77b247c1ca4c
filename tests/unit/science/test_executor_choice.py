"""Protects the choice of the executor: a graph is used on its own accord only where it proved itself."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from smallmix.errors import TrainingError
from smallmix.science import steps
from smallmix.science.evaluation import EvaluationImages
from smallmix.science.graph_steps import GraphSteps
from smallmix.science.steps import EQUIVALENCE_STEPS, EquivalenceCheck, build_executor, check_equivalence
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.study.cell import Cell, Executor
from smallmix.training.messages import describe_executor
from smallmix.training.resumable import ResumableTraining
from smallmix.training.training_loop import begin as begin_training

from tests.unit.science.training_cells import make_cell, random_pixels, training_images

CPU = torch.device("cpu")
CELL = make_cell(20, batch_size=8, iterations=14, width=2, learning_rate=0.01)
uncaptured = partial(GraphSteps, capture=False)


class Unsupported(GraphSteps):
    """As if the driver refused to capture."""

    def load(self, *_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nCUDA kernel errors might be …")


class Forgetful(GraphSteps):
    """Takes a step and forgets the momentum of one weight, once."""

    def launch(self, position: int, batch_size: int) -> None:
        self._step(batch_size)
        if position == EQUIVALENCE_STEPS - 2:
            optimizer = self._state.optimizer
            optimizer.state[optimizer.weights[3]]["momentum_buffer"].zero_()


def begin(cell: Cell = CELL) -> tuple[TrainingData, TrainingState]:
    training = training_images(cell)
    pixels, labels = random_pixels(8), torch.zeros(8, dtype=torch.int64)
    images = EvaluationImages(pixels, labels, training.normalization, training.memory_format)
    data = TrainingData(training, images, images, (8, 8, 3), 10)
    return data, TrainingState.fresh(cell, data, CPU)


def test_equal_steps_pass_and_leave_the_training_as_it_was() -> None:
    data, state = begin()
    executor = build_executor(data, state)
    for _ in range(5):
        executor.step()
    executor.synchronize()
    state.early_digests = {1: "of a loop that notes it"}
    before = copy.deepcopy(ResumableTraining(state).to_checkpoint())
    check = check_equivalence(data, state, uncaptured)
    assert check is not None
    assert describe_executor(check) == (
        "whole steps are captured as a CUDA graph (8 of them equalled plain ones bit for bit)"
    )
    untouched = TrainingState.fresh(CELL, data, CPU)
    ResumableTraining(untouched).restore(before)
    assert state.has_numbers_of(untouched)
    assert (state.iteration, state.loss_images) == (5, before["loss_images"])


def test_near_the_end_only_what_is_left_is_compared() -> None:
    data, state = begin()
    executor = build_executor(data, state)
    for _ in range(CELL.iterations - 3):
        executor.step()
    assert check_equivalence(data, state, uncaptured) == EquivalenceCheck(3)


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        (Unsupported, "RuntimeError: operation not permitted when stream is capturing)"),
        (Forgetful, "8 of them gave other numbers than plain ones)"),
    ],
)
def test_what_fails_or_differs_is_not_used_and_the_log_gives_the_reason(way: type[GraphSteps], reason: str) -> None:
    data, state = begin()
    check = check_equivalence(data, state, partial(way, capture=False))
    assert check is not None
    assert check.failure
    message = describe_executor(check)
    assert message.startswith("steps are started one by one")
    assert message.endswith(reason)


def test_a_training_that_diverges_at_once_reports_it_itself() -> None:
    data, state = begin(make_cell(20, batch_size=8, iterations=14, width=2, learning_rate=1e30))
    assert check_equivalence(data, state, uncaptured) is None


def test_on_the_cpu_automatic_is_eager_and_checks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "check_equivalence", lambda *_: pytest.fail("a check on the CPU"))
    data, state = begin()
    executor = build_executor(data, state)
    executor.step()
    assert executor.last_loss is not None  # synchronized at once


@pytest.mark.parametrize("wanted", ["graph", "graph-compiled"])
def test_a_graph_without_a_gpu_is_refused_with_the_key_to_change(wanted: Executor) -> None:
    data, state = begin(replace(CELL, recipe=replace(CELL.recipe, executor=wanted)))
    with pytest.raises(TrainingError, match=r"recipe\.executor: graph.* needs a CUDA GPU"):
        begin_training(data, state, print)


def test_other_numbers_are_noticed_wherever_they_stand() -> None:
    data, state = begin()
    assert state.has_numbers_of(state.copy(data))
    for change in ("weight", "statistic", "momentum", "sum", "largest loss"):
        other = state.copy(data)
        with torch.no_grad():
            if change == "weight":
                other.model.get_parameter("classifier.bias")[0] += 1e-6
            elif change == "statistic":
                next(other.model.buffers())[0] += 1e-6
            elif change == "momentum":
                other.optimizer.state[other.optimizer.weights[0]]["momentum_buffer"][0] += 1e-6
            elif change == "sum":
                other.loss_sum += 1e-9
            else:
                other.largest_early_loss += 1e-9
        assert not state.has_numbers_of(other), change
