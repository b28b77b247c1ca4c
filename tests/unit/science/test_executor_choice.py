"""Protects the choice of the executor: a graph is used on its own accord only where it proved itself.

Stand-ins for torch.cuda take the place of a GPU.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from smallmix.errors import TrainingError
from smallmix.science import arithmetic, batch_plan, steps
from smallmix.science.captures import BrokenContext
from smallmix.science.evaluation import EvaluationImages
from smallmix.science.graph_steps import GraphSteps
from smallmix.science.steps import EquivalenceCheck, build_executor, check_equivalence, rows_to_compare
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.science.training_step import batch_loss
from smallmix.study.cell import Cell, Executor
from smallmix.training.messages import describe_executor, describe_fallback
from smallmix.training.resumable import ResumableTraining
from smallmix.training.training_loop import begin as begin_training

from tests.cuda_stand_ins import Card
from tests.unit.science.training_cells import make_cell, random_pixels, training_images

CPU = torch.device("cpu")
CELL = make_cell(20, batch_size=8, iterations=14, width=2, learning_rate=0.01)


class Unsupported(GraphSteps):
    """As if the driver refused to capture."""

    def _step(self, batch_size: int) -> None:
        super()._step(batch_size)
        float(self._stats.last_loss)


class Asserting(GraphSteps):
    """As if an index were out of bounds in a kernel of a GPU: nothing in this process works afterwards."""

    card: Card

    def _step(self, batch_size: int) -> None:
        self.card.dead = True
        raise RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be …")


class Forgetful(GraphSteps):
    """Loses the momentum of one weight after a step of `size` images."""

    size = 8

    def launch(self, position: int, batch_size: int) -> None:
        super().launch(position, batch_size)
        if batch_size == self.size:
            optimizer = self._state.optimizer
            optimizer.state[optimizer.weights[3]]["momentum_buffer"].zero_()


class ForgetfulRemainder(Forgetful):
    """The same after a remainder batch."""

    size = 4


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    return Card.install(monkeypatch)


@pytest.fixture
def gpu(card: Card, monkeypatch: pytest.MonkeyPatch) -> Card:
    """The CPU passes for a device that can capture."""
    monkeypatch.setattr(steps, "can_capture", lambda device: True)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    return card


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
    check = check_equivalence(data, state, GraphSteps)
    assert describe_executor(check) == (
        "whole steps are captured as a CUDA graph (8 of them equalled plain ones bit for bit)"
    )
    assert describe_fallback(check) == ""
    untouched = TrainingState.fresh(CELL, data, CPU)
    ResumableTraining(untouched).restore(before)
    assert state.has_numbers_of(untouched)
    assert (state.iteration, state.loss_images) == (5, before["loss_images"])


def test_every_batch_size_is_compared_wherever_it_stands_in_the_plan() -> None:
    """With more than 1,024 images an epoch's remainder lies beyond the next eight steps."""
    epoch = [8] * 20 + [4]
    assert rows_to_compare(epoch * 2, 0) == [*range(8), 20, 41]
    assert rows_to_compare(epoch * 2, 18) == [*range(18, 26), 41]
    assert rows_to_compare(epoch, 0) == [*range(8), 20]
    assert rows_to_compare([8, 8, 4, 8, 8, 4], 5) == [5, 0, 1, 2]
    assert rows_to_compare([8] * 3, 1) == [1, 2]
    assert rows_to_compare([7] * 3 + [6] * 9, 11) == [11, 0, 1, 3]


@pytest.mark.parametrize("last_steps", [1, 3, 0])
def test_near_the_end_other_rows_take_the_place_of_steps_that_are_not_there(
    last_steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_plan, "ITERATIONS_PER_CHUNK", 5)
    data, state = begin()
    executor = build_executor(data, state)
    for _ in range(CELL.iterations - last_steps):
        executor.step()
    assert check_equivalence(data, state, GraphSteps) == EquivalenceCheck({1: 2, 3: 4, 0: 0}[last_steps])


def test_a_remainder_batch_that_computes_otherwise_is_found_in_a_large_subset() -> None:
    data, state = begin(make_cell(172, batch_size=8, iterations=60, width=2, learning_rate=0.01))
    check = check_equivalence(data, state, ForgetfulRemainder)
    assert not check.passed
    assert check.steps == 10


def test_what_differs_is_not_used_and_the_log_names_the_first_tensor() -> None:
    data, state = begin()
    check = check_equivalence(data, state, Forgetful)
    assert not check.passed
    message = describe_executor(check)
    assert message.startswith("steps are started one by one, which is slower: captured steps gave other numbers than")
    assert "after 8 of them, stem.weight differs in " in message
    assert " of 54 numbers, by up to " in message


def test_what_cannot_be_captured_is_not_used_and_the_log_names_the_errors_from_the_first_on() -> None:
    data, state = begin()
    check = check_equivalence(data, state, Unsupported)
    assert describe_executor(check) == (
        "steps are started one by one, which is slower: captured steps do not work here "
        "(RuntimeError: CUDA error: operation not permitted when stream is capturing, then "
        "RuntimeError: CUDA error: operation failed due to a previous error during capture)"
    )


def test_a_capture_that_breaks_the_context_ends_with_what_to_do(gpu: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing could be trained after it, eagerly neither."""
    data, state = begin()
    Asserting.card = gpu
    with pytest.raises(BrokenContext):
        check_equivalence(data, state, Asserting)
    gpu.dead = False
    monkeypatch.setattr(steps, "GraphSteps", Asserting)
    with pytest.raises(TrainingError, match=r"broke this process's CUDA context \(RuntimeError: CUDA error: device-s"):
        begin_training(data, state, print)
    gpu.dead = False
    data, state = begin(replace(CELL, recipe=replace(CELL.recipe, executor="graph")))
    with pytest.raises(TrainingError, match=r"context .*Run again with recipe\.executor: eager\.$"):
        begin_training(data, state, print)


def test_a_training_that_diverges_at_once_takes_plain_steps_and_says_why() -> None:
    data, state = begin(make_cell(20, batch_size=8, iterations=14, width=2, learning_rate=1e30))
    check = check_equivalence(data, state, GraphSteps)
    assert check.non_finite
    assert describe_executor(check).endswith("a loss that is not finite, so captured steps could not be compared")


def taken(data: TrainingData, state: TrainingState, count: int, lines: list[str]) -> tuple[Any, TrainingState]:
    """Take steps by the cell's executor, as the training loop begins it; return the executor and the state."""
    state = state.copy(data)
    state.model.train()
    executor = begin_training(data, state, lines.append)
    for _ in range(count):
        executor.step()
    executor.synchronize()
    return executor, state


@pytest.mark.parametrize("wanted", ["automatic", "graph"])
def test_on_a_gpu_graphs_are_taken_with_the_steps_of_eager_ones(wanted: Executor, gpu: Card) -> None:
    lines: list[str] = []
    data, state = begin(replace(CELL, recipe=replace(CELL.recipe, executor="eager")))
    eager, expected = taken(data, state, 14, lines)
    assert (eager.kind, eager.check, eager.forward, gpu.replays, lines) == ("eager", None, None, 0, [])
    data, state = begin(replace(CELL, recipe=replace(CELL.recipe, executor=wanted)))
    executor, trained = taken(data, state, 14, lines)
    assert executor.kind == "graph"
    assert executor.forward is not None
    assert executor.last_loss == eager.last_loss
    assert trained.first_difference(expected) is None
    checked = 8 if wanted == "automatic" else 0
    assert gpu.replays == 14 + checked
    assert [line.partition(" (")[0] for line in lines] == ["whole steps are captured as a CUDA graph"] * bool(checked)


def test_compiled_steps_are_captured_where_they_are_asked_for(gpu: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = 0

    def compile_loss() -> Any:
        nonlocal compiled
        compiled += 1
        return batch_loss

    monkeypatch.setattr("smallmix.science.graph_steps.compile_loss", compile_loss)
    data, state = begin(replace(CELL, recipe=replace(CELL.recipe, executor="graph-compiled")))
    executor, _ = taken(data, state, 3, [])
    assert (executor.kind, compiled, gpu.replays) == ("graph-compiled", 1, 3)


@pytest.mark.parametrize("wanted", ["automatic", "graph"])
def test_a_graph_that_cannot_be_had_is_replaced_or_refused(
    wanted: Executor, gpu: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "GraphSteps", Unsupported)
    data, state = begin(replace(CELL, recipe=replace(CELL.recipe, executor=wanted)))
    lines: list[str] = []
    if wanted == "graph":
        with pytest.raises(TrainingError, match=r"graph: whole steps could not be captured on this GPU .*automatic"):
            begin_training(data, state, print)
        return
    executor, trained = taken(data, state, 5, lines)
    assert (executor.kind, executor.forward) == ("eager", None)
    assert "operation not permitted when stream is capturing, then RuntimeError" in lines[0]
    data, state = begin(replace(CELL, recipe=replace(CELL.recipe, executor="eager")))
    assert trained.first_difference(taken(data, state, 5, lines)[1]) is None


def test_graphs_that_passed_and_then_cannot_be_captured_again_are_replaced(
    gpu: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the memory of the GPU is not enough for those of the training."""
    passed = EquivalenceCheck(8)
    monkeypatch.setattr(steps, "check_equivalence", lambda *_: passed)
    monkeypatch.setattr(steps, "GraphSteps", Unsupported)
    data, state = begin()
    executor, trained = taken(data, state, 5, [])
    assert executor.kind == "eager"
    assert executor.check.causes
    data, state = begin(replace(CELL, recipe=replace(CELL.recipe, executor="eager")))
    assert trained.first_difference(taken(data, state, 5, [])[1]) is None


def test_memory_that_runs_out_in_a_capture_is_told_as_such(gpu: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the training job, which knows what to change."""

    class TooLarge(GraphSteps):
        def _step(self, batch_size: int) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(steps, "GraphSteps", TooLarge)
    data, state = begin(replace(CELL, recipe=replace(CELL.recipe, executor="graph")))
    with pytest.raises(RuntimeError, match="out of memory"):
        begin_training(data, state, print)


def test_after_the_last_step_nothing_is_compared_or_captured(gpu: Card) -> None:
    data, state = begin()
    state.iteration = CELL.iterations
    executor = begin_training(data, state, print)
    assert (executor.kind, gpu.captures) == ("graph", [])


@pytest.mark.parametrize("value", [":4096:2", "", ":16:8 "])
def test_a_work_space_of_cublas_that_is_not_deterministic_is_refused(
    value: str, gpu: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", value)
    data, state = begin(replace(CELL, recipe=replace(CELL.recipe, executor="eager")))
    with pytest.raises(TrainingError, match=r"CUBLAS_WORKSPACE_CONFIG is .*Unset it, or set it to :4096:8 or :16:8\.$"):
        begin_training(data, state, print)
    monkeypatch.setattr(steps, "can_capture", lambda device: False)
    begin_training(data, state, print)  # no matter on a CPU
    for allowed in arithmetic.DETERMINISTIC_WORKSPACES:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", allowed)
        arithmetic.require_deterministic_products()


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


NAMES = {
    "weight": ("classifier.bias", 1, 10),
    "statistic": ("stages.0.norm1.running_mean", 1, 2),
    "momentum": ("momentum/stem.weight", 27, 54),
    "sum": ("loss_sum", 1, 1),
    "largest loss": ("largest_early_loss", 1, 1),
}


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
        found = state.first_difference(other)
        assert found is not None
        assert (found.name, found.numbers, found.of) == NAMES[change]
        assert found.largest == pytest.approx(1e-9 if found.of == 1 else 1e-6, rel=0.1)
