"""Protects what only a GPU executes: warm-up, capture and replay of whole steps, with stand-ins for torch.cuda."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from smallmix.science import batch_plan
from smallmix.science.batch_plan import BatchPlan
from smallmix.science.captures import BrokenContext, CaptureFailed, Captures, causes_of, require_working_context
from smallmix.science.evaluation import EvaluationImages
from smallmix.science.graph_steps import GraphSteps
from smallmix.science.steps import EagerSteps, StepExecutor
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.science.training_step import StepStats
from smallmix.study.cell import Cell, Precision
from smallmix.study.iterations import LastBatch

from tests.cuda_stand_ins import Card
from tests.unit.science.training_cells import make_cell, random_pixels, training_images

CPU = torch.device("cpu")
# Batches of 8, 8 and 4: the partners of a full batch lie outside of the last one.
CELL = make_cell(20, batch_size=8, iterations=40, width=2, learning_rate=0.01)


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    monkeypatch.setattr(batch_plan, "ITERATIONS_PER_CHUNK", 5)
    return Card.install(monkeypatch)


def data_of(cell: Cell) -> TrainingData:
    training = training_images(cell)
    labels = torch.zeros(8, dtype=torch.int64)
    images = EvaluationImages(random_pixels(8), labels, training.normalization, training.memory_format)
    return TrainingData(training, images, images, (8, 8, 3), 10)


def trained(cell: Cell, build: Any, steps: int, start: int = 0) -> TrainingState:
    """The state after `steps` steps, the first `start` of them eager."""
    data = data_of(cell)
    state = TrainingState.fresh(cell, data, CPU)
    state.model.train()
    for way, count in ((EagerSteps, start), (build, steps - start)):
        stats = StepStats.fresh(CPU)
        executor = StepExecutor(state, way(data, state, stats), stats, synchronize_each_step=False)
        for _ in range(count):
            executor.step()
        executor.synchronize()
    return state


@pytest.mark.parametrize(("rule", "graphs"), [("keep", 2), ("even", 2), ("drop", 1)])
def test_replayed_steps_are_the_plain_ones_bit_for_bit(rule: LastBatch, graphs: int, card: Card) -> None:
    """Over seven chunks, the last cut short; nothing is left of the steps that warm-up and capture took."""
    cell = make_cell(20, batch_size=8, iterations=40, width=2, learning_rate=0.01, last_batch=rule)
    assert trained(cell, GraphSteps, 40).first_difference(trained(cell, EagerSteps, 40)) is None
    assert (len(card.captures), card.replays) == (graphs, 40)


def test_replayed_steps_of_every_part_of_the_recipe_are_the_plain_ones() -> None:
    """A rate that changes with every step, and a kernel for each of two groups of weights."""
    recipe: dict[str, Any] = {"schedule": "cosine", "warm_up": 0.2, "nesterov": True, "decay_normalization": False}
    cell = make_cell(20, batch_size=8, iterations=40, width=2, learning_rate=0.01, weight_decay=0.1, **recipe)
    captured = trained(cell, GraphSteps, 40, 11)
    assert captured.first_difference(trained(cell, EagerSteps, 40)) is None
    plain = make_cell(20, batch_size=8, iterations=40, width=2, learning_rate=0.01, weight_decay=0.1)
    assert captured.first_difference(trained(plain, EagerSteps, 40)) is not None


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("start", [1, 2, 5, 6, 11])
def test_a_training_continued_anywhere_replays_the_same_steps(start: int, precision: Precision) -> None:
    cell = make_cell(20, batch_size=8, iterations=40, width=2, learning_rate=0.01, precision=precision)
    assert trained(cell, GraphSteps, 16, start).first_difference(trained(cell, EagerSteps, 16)) is None


def test_all_graphs_of_a_training_share_one_stream_and_one_pool(card: Card) -> None:
    """Every stream has its own work space in cuBLAS, and a pool of its own would hold every activation again."""
    trained(CELL, GraphSteps, 3)
    assert len(card.captures) == 2
    assert len(set(card.captures)) == len(card.streams) == card.pools == 1
    trained(CELL, GraphSteps, 3)
    assert len(set(card.captures)) == len(card.streams) == card.pools == 2


class AsksTheDevice(GraphSteps):
    """Reads a value back in its step, which no capture allows."""

    def _step(self, batch_size: int) -> None:
        super()._step(batch_size)
        float(self._stats.last_loss)


def test_a_failed_capture_leaves_stream_and_training_as_they_were(card: Card) -> None:
    """PyTorch 2.11 leaves its stream current then, and the warm-up has taken three steps."""
    data = data_of(CELL)
    state = TrainingState.fresh(CELL, data, CPU)
    untouched, before = state.copy(data), card.current
    stats = StepStats.fresh(CPU)
    steps = AsksTheDevice(data, state, stats)
    with pytest.raises(CaptureFailed) as caught:
        steps.load(BatchPlan(CELL).chunk(0), 1)
    assert card.current is before
    assert state.first_difference(untouched) is None
    assert (float(stats.loss_sum), int(stats.finite_steps), int(steps._tables.position)) == (0.0, 0, 1)
    assert caught.value.causes == (
        "RuntimeError: CUDA error: operation not permitted when stream is capturing",
        "RuntimeError: CUDA error: operation failed due to a previous error during capture",
    )


def test_a_step_that_fails_before_its_capture_is_told_alike(card: Card) -> None:
    def fail() -> None:
        raise RuntimeError("no kernel image is available\nmore of it")

    before = card.current
    with pytest.raises(CaptureFailed, match=r"^RuntimeError: no kernel image is available$"):
        Captures().capture(fail)
    assert card.current is before
    assert before.waited_for == card.streams  # so that undoing the warm-up comes behind it
    assert card.captures == []


def test_errors_are_named_from_the_first_to_the_last() -> None:
    with pytest.raises(RuntimeError) as caught:  # noqa: PT012
        try:
            try:
                raise ValueError("one\nand its second line")
            except ValueError:
                raise KeyError("two")  # noqa: B904
        except KeyError as error:
            raise RuntimeError("three") from error
    assert causes_of(caught.value) == ("ValueError: one", "KeyError: 'two'", "RuntimeError: three")
    assert causes_of(CaptureFailed(("a", "b"))) == ("a", "b")


def test_only_a_broken_context_ends_everything(card: Card) -> None:
    error = RuntimeError("device-side assert triggered")
    require_working_context(error)
    card.dead = True
    with pytest.raises(BrokenContext) as caught:
        require_working_context(error)
    assert caught.value.causes == ("RuntimeError: device-side assert triggered",)
