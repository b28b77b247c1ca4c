"""Protects the choice of the executor: a graph is used on its own accord only where it proved itself."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from smallmix.errors import TrainingError
from smallmix.study.cell import Cell, Executor
from smallmix.training import executors
from smallmix.training.evaluation import EvaluationImages
from smallmix.training.executors import REHEARSAL_STEPS, build_executor, passes_rehearsal
from smallmix.training.graph_executor import GraphSteps
from smallmix.training.training_data import TrainingData
from smallmix.training.training_state import TrainingState

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
        if position == REHEARSAL_STEPS - 2:
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
    executor = build_executor(data, state, print)
    for _ in range(5):
        executor.step()
    executor.settle()
    before, lines = copy.deepcopy(state.to_checkpoint()), list[str]()
    assert passes_rehearsal(data, state, uncaptured, lines.append)
    assert lines == ["whole steps are captured as a CUDA graph (8 of them equalled plain ones bit for bit)"]
    untouched = TrainingState.fresh(CELL, data, CPU)
    untouched.restore(before)
    assert state.has_numbers_of(untouched)
    assert (state.iteration, state.loss_images, state.runs) == (5, before["loss_images"], 1)


def test_near_the_end_only_what_is_left_is_rehearsed() -> None:
    data, state = begin()
    executor = build_executor(data, state, print)
    for _ in range(CELL.iterations - 3):
        executor.step()
    lines = list[str]()
    assert passes_rehearsal(data, state, uncaptured, lines.append)
    assert "(3 of them" in lines[0]


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        (Unsupported, "RuntimeError: operation not permitted when stream is capturing)"),
        (Forgetful, "8 of them gave other numbers than plain ones)"),
    ],
)
def test_what_fails_or_differs_is_not_used_and_the_log_says_why(way: type[GraphSteps], reason: str) -> None:
    data, state = begin()
    lines = list[str]()
    assert not passes_rehearsal(data, state, partial(way, capture=False), lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("steps are started one by one")
    assert lines[0].endswith(reason)


def test_a_training_that_diverges_at_once_is_left_to_say_so() -> None:
    data, state = begin(make_cell(20, batch_size=8, iterations=14, width=2, learning_rate=1e30))
    lines = list[str]()
    assert not passes_rehearsal(data, state, uncaptured, lines.append)
    assert lines == []


def test_on_the_cpu_automatic_is_eager_and_rehearses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "passes_rehearsal", lambda *_: pytest.fail("a rehearsal on the CPU"))
    data, state = begin()
    executor = build_executor(data, state, print)
    executor.step()
    assert executor.last_loss is not None  # settled at once


@pytest.mark.parametrize("wanted", ["graph", "graph-compiled"])
def test_a_graph_without_a_card_is_refused_with_the_key_to_change(wanted: Executor) -> None:
    data, state = begin(replace(CELL, recipe=replace(CELL.recipe, executor=wanted)))
    with pytest.raises(TrainingError, match=r"recipe\.executor: graph.* needs a CUDA card"):
        build_executor(data, state, print)


def test_other_numbers_are_noticed_wherever_they_stand() -> None:
    data, state = begin()
    assert state.has_numbers_of(state.twin(data))
    for change in ("weight", "statistic", "momentum", "sum", "largest loss"):
        twin = state.twin(data)
        with torch.no_grad():
            if change == "weight":
                twin.model.classifier.bias[0] += 1e-6
            elif change == "statistic":
                next(twin.model.buffers())[0] += 1e-6
            elif change == "momentum":
                twin.optimizer.state[twin.optimizer.weights[0]]["momentum_buffer"][0] += 1e-6
            elif change == "sum":
                twin.loss_sum += 1e-9
            else:
                twin.largest_early_loss += 1e-9
        assert not state.has_numbers_of(twin), change
