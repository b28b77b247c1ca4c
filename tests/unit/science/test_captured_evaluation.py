"""Protects captured evaluations, with stand-ins for torch.cuda: their numbers are the plain ones bit for bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from smallmix.science import batch_plan, evaluation, steps
from smallmix.science.captures import BrokenContext, Captures
from smallmix.science.evaluation import EvaluationImages, EvaluationStopped, evaluate, plain_forward
from smallmix.science.graph_evaluation import CapturedForward
from smallmix.science.history import history_csv
from smallmix.science.results import evaluate_training
from smallmix.science.steps import build_executor
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.study.cell import Cell, Executor, Precision
from torch import Tensor

from tests.cuda_stand_ins import Card
from tests.unit.science.training_cells import make_cell, random_pixels, training_images

CPU = torch.device("cpu")
BATCH = 6
# Batches of 6, 6, 3 of the test images, of 6 and 1 of the training images, and steps of 8, 8, 4.
TEST_IMAGES, CLEAN_IMAGES = 15, 7
LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    monkeypatch.setattr(evaluation, "BATCH_SIZE", BATCH)
    monkeypatch.setattr(batch_plan, "ITERATIONS_PER_CHUNK", 5)
    monkeypatch.setattr(steps, "can_capture", lambda device: True)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return Card.install(monkeypatch)


def cell_of(executor: Executor = "graph", precision: Precision = "fp32") -> Cell:
    return make_cell(
        20, batch_size=8, iterations=30, width=2, learning_rate=0.05, executor=executor, precision=precision
    )


def begin(cell: Cell, layout: torch.memory_format = torch.contiguous_format) -> tuple[TrainingData, TrainingState]:
    training = training_images(cell)
    clean, test = (
        EvaluationImages(random_pixels(count, seed=count), torch.arange(count) % 10, training.normalization, layout)
        for count in (CLEAN_IMAGES, TEST_IMAGES)
    )
    data = TrainingData(training, clean, test, (8, 8, 3), 10)
    state = TrainingState.fresh(cell, data, CPU)
    state.model.train()
    return data, state


def captured(state: TrainingState) -> CapturedForward:
    return CapturedForward(plain_forward(state.model, state.cell.recipe.precision), Captures())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_logits_are_the_plain_ones_and_each_batch_size_is_captured_once(
    precision: Precision, layout: torch.memory_format, card: Card
) -> None:
    data, state = begin(cell_of(precision=precision), layout)
    forward = captured(state)
    assert not forward.is_captured
    for images in (data.test, data.clean_train, data.test):
        plain = evaluate(state.model, images, precision)
        other = evaluate(state.model, images, precision, forward=forward)
        assert torch.equal(plain.logits, other.logits)
        assert (plain.loss, plain.accuracy) == (other.loss, other.accuracy)
    assert forward.is_captured
    assert state.model.training
    # Of 6, 3 and 1 images, in that order; a replay to prove each, and one for each batch but the first of its size.
    assert (len(card.captures), card.replays) == (3, 3 + 1 + 1 + 3)
    assert len(set(card.captures)) == 1


def test_steps_between_evaluations_are_seen_and_evaluations_change_no_step(card: Card) -> None:
    """Graphs of steps and evaluations share one pool, so each replay spoils what the others left there."""
    histories, states = [], []
    for executor in ("eager", "graph"):
        data, state = begin(cell_of(executor))
        runner = build_executor(data, state)
        for _ in range(4):
            for _ in range(5):
                runner.step()
            runner.synchronize()
            evaluate_training(data, state, forward=runner.forward)
        histories.append(history_csv(state.history))
        states.append(state)
    assert histories[0] == histories[1]
    assert states[0].first_difference(states[1]) is None
    assert len(set(card.captures)) == len(card.streams) == card.pools == 1
    assert len(card.captures) == 2 + 3
    assert runner.forward is not None
    assert runner.forward.is_captured
    losses = [row.test_loss for row in states[1].history]
    assert len(set(losses)) == 4


def test_validation_images_are_captured_as_well(card: Card) -> None:
    """Of a batch size of their own; what they add to the history is the plain evaluation's, bit for bit."""
    histories = []
    for executor in ("eager", "graph"):
        data, state = begin(cell_of(executor))
        count = 10
        images = dataclasses.replace(data.test, images=random_pixels(count, seed=3), labels=torch.arange(count))
        data = dataclasses.replace(data, validation=images)
        runner = build_executor(data, state)
        for _ in range(2):
            for _ in range(5):
                runner.step()
            runner.synchronize()
            evaluate_training(data, state, forward=runner.forward)
        histories.append(history_csv(state.history))
    assert histories[0] == histories[1]
    assert histories[0].splitlines()[0].endswith(b"validation_loss,validation_accuracy")
    assert len(card.captures) == 2 + 4  # steps of 8 and 4; evaluations of 6, 3, 1 and 4 images


def test_weights_and_statistics_that_were_loaded_are_seen() -> None:
    data, state = begin(cell_of())
    forward = captured(state)
    before = evaluate(state.model, data.test, "fp32", forward=forward).logits
    _, other = begin(cell_of())
    with torch.no_grad():
        for tensor in other.model.state_dict().values():
            tensor.mul_(1.25)
    state.take_numbers(other.model.state_dict(), other.momentum())
    after = evaluate(state.model, data.test, "fp32", forward=forward).logits
    assert torch.equal(after, evaluate(other.model, data.test, "fp32").logits)
    assert not torch.equal(before, after)


@torch.no_grad()
def test_the_batches_are_left_as_they_are() -> None:
    _, state = begin(cell_of())
    forward = captured(state)
    batches = [torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    kept = [batch.clone() for batch in batches]
    for batch in batches:
        forward(batch)
    assert all(map(torch.equal, batches, kept))


def test_a_capture_changes_no_statistic() -> None:
    data, state = begin(cell_of())
    untouched = state.copy(data)
    evaluate(state.model, data.test, "fp32", forward=captured(state))
    assert state.first_difference(untouched) is None


def test_a_stop_is_heard_between_replayed_batches(card: Card) -> None:
    data, state = begin(cell_of())
    forward = captured(state)
    evaluate(state.model, data.test, "fp32", forward=forward)
    before, asked = card.replays, 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    with pytest.raises(EvaluationStopped):
        evaluate(state.model, data.test, "fp32", stop, forward)
    assert card.replays - before == 2
    assert state.model.training


def spoiled(plain: Callable[[Tensor], Tensor], spoil: Callable[[Tensor], Tensor]) -> CapturedForward:
    """A captured pass of which only a capture is spoiled, as by kernels that capture otherwise."""

    def forward(batch: Tensor) -> Tensor:
        inside = torch.utils._python_dispatch._get_current_dispatch_mode() is not None
        return spoil(plain(batch)) if inside else plain(batch)

    return CapturedForward(forward, Captures())


def test_other_logits_are_not_used_and_the_plain_pass_goes_on(card: Card) -> None:
    data, state = begin(cell_of())
    expected = evaluate(state.model, data.test, "fp32").logits
    forward = spoiled(plain_forward(state.model, "fp32"), lambda logits: logits.add_(1e-6))
    for _ in range(2):
        assert torch.equal(evaluate(state.model, data.test, "fp32", forward=forward).logits, expected)
    assert (forward.fell_back, forward.causes) == (True, ())
    assert not forward.is_captured
    assert len(card.captures) == 1


def test_logits_that_are_not_numbers_are_equal_to_themselves() -> None:
    data, state = begin(cell_of())
    with torch.no_grad():
        state.model.get_parameter("classifier.bias")[3] = float("nan")
    forward = captured(state)
    evaluate(state.model, data.test, "fp32", forward=forward)
    assert forward.is_captured


def test_what_cannot_be_captured_is_evaluated_plainly_and_the_errors_are_kept(card: Card) -> None:
    data, state = begin(cell_of())
    expected, stream = evaluate(state.model, data.test, "fp32").logits, card.current
    forward = spoiled(plain_forward(state.model, "fp32"), lambda logits: logits * float(logits[0, 0]))
    for _ in range(2):
        assert torch.equal(evaluate(state.model, data.test, "fp32", forward=forward).logits, expected)
    assert [cause.partition(": ")[2] for cause in forward.causes] == [
        "CUDA error: operation not permitted when stream is capturing",
        "CUDA error: operation failed due to a previous error during capture",
    ]
    assert card.current is stream
    assert not forward.is_captured


def test_a_capture_that_breaks_the_context_ends_the_training(card: Card) -> None:
    data, state = begin(cell_of())

    def die(logits: Tensor) -> Tensor:
        card.dead = True
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(BrokenContext, match="illegal memory access"):
        evaluate(state.model, data.test, "fp32", forward=spoiled(plain_forward(state.model, "fp32"), die))
