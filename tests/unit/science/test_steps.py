"""Protects the executors: the step that a CUDA graph captures takes the very steps of the plain one, on the CPU too.

Without a GPU nothing is captured here; what is compared bit for bit is everything else: tables at fixed places, rows
picked by a counter on the device, sums and the guard against losses that are not finite kept on the device.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from smallmix.science import batch_plan
from smallmix.science.arithmetic import fix_arithmetic
from smallmix.science.batch_plan import BatchPlan
from smallmix.science.batch_row import COMMON_TABLES
from smallmix.science.early_loss import alarming_loss, early_steps
from smallmix.science.evaluation import EvaluationImages
from smallmix.science.graph_steps import GraphSteps, PlanTables, compile_loss
from smallmix.science.method import find_method
from smallmix.science.steps import EagerSteps, StepExecutor, row_of, upload
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.science.training_step import (
    NonFiniteLoss,
    StepStats,
    batch_loss,
)
from smallmix.study.cell import Cell, Precision
from smallmix.study.iterations import LastBatch
from smallmix.training.resumable import ResumableTraining
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.tiny_cell import MIXES
from tests.unit.science.training_cells import make_cell, momentum_sgd, random_pixels, training_images, training_step

CPU = torch.device("cpu")
# Three batches of 8, 8 and 4 an epoch, and chunks of 6 iterations (short_chunks): the third chunk is cut short.
STEPS = 14
SMALL = make_cell(20, batch_size=8, iterations=STEPS, width=2, learning_rate=0.01)


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_plan, "ITERATIONS_PER_CHUNK", 5)


def data_of(cell: Cell) -> TrainingData:
    training = training_images(cell)
    images = EvaluationImages(random_pixels(8), torch.zeros(8, dtype=torch.int64), training.normalization,
                              training.memory_format)  # fmt: skip
    return TrainingData(training, images, images, (8, 8, 3), 10)


def counted(data: TrainingData, state: TrainingState, synchronize_each_step: bool = False) -> StepExecutor:
    """Return the executor of CUDA graphs, with its steps run one by one instead of captured."""
    stats = StepStats.fresh(CPU)
    return StepExecutor(state, GraphSteps(data, state, stats, capture=False), stats, synchronize_each_step)


def eager(data: TrainingData, state: TrainingState, synchronize_each_step: bool = True) -> StepExecutor:
    stats = StepStats.fresh(CPU)
    return StepExecutor(state, EagerSteps(data, state, stats), stats, synchronize_each_step)


def plain(cell: Cell, data: TrainingData, steps: int) -> TrainingState:
    """Train by a loop over the tables, written down anew, a step and a sum at a time."""
    state, plan = TrainingState.fresh(cell, data, CPU), BatchPlan(cell)
    while state.iteration < steps:
        number, position = divmod(state.iteration, plan.iterations_per_chunk)
        chunk = plan.chunk(number)
        size = int(chunk.batch_sizes[position])
        row = row_of(upload(chunk, CPU), position, size)
        loss = training_step(
            state.model, find_method(cell.method), state.optimizer, data.training, row, cell.recipe.precision
        )
        state.loss_sum += loss * size
        state.loss_images += size
        state.iteration += 1
    return state


def equal(first: TrainingState, second: TrainingState) -> bool:
    one, other = ResumableTraining(first).to_checkpoint(), ResumableTraining(second).to_checkpoint()
    tensors = [*one["model"].values(), *one["momentum"]], [*other["model"].values(), *other["momentum"]]
    return (
        all(torch.equal(a, b) for a, b in zip(*tensors, strict=True))
        and one["loss_sum"] == other["loss_sum"]
        and one["loss_images"] == other["loss_images"]
        and one["iteration"] == other["iteration"]
    )


@pytest.mark.parametrize("mix", MIXES)
def test_all_executors_take_the_same_steps_bit_for_bit(mix: Any) -> None:
    cell = replace(make_cell(20, mix), recipe=SMALL.recipe, budget=SMALL.budget, model=SMALL.model)
    data = data_of(cell)
    expected = plain(cell, data, STEPS)
    for build in (eager, counted):
        for synchronize_each_step in (True, False):
            state = TrainingState.fresh(cell, data, CPU)
            executor = build(data, state, synchronize_each_step)
            sizes = [executor.step() for _ in range(STEPS)]
            executor.synchronize()
            assert equal(state, expected)
            assert sizes == ([8, 8, 4] * 5)[:STEPS]
    assert not equal(TrainingState.fresh(cell, data, CPU), expected)


@pytest.mark.parametrize(("rule", "sizes"), [("even", [7, 7, 6]), ("drop", [8, 8])])
def test_other_rules_for_the_last_batch_take_the_same_steps_in_both_executors(
    rule: LastBatch, sizes: list[int]
) -> None:
    cell = make_cell(20, batch_size=8, iterations=STEPS, width=2, learning_rate=0.01, last_batch=rule)
    data = data_of(cell)
    expected = plain(cell, data, STEPS)
    for build in (eager, counted):
        state = TrainingState.fresh(cell, data, CPU)
        executor = build(data, state, False)
        assert [executor.step() for _ in range(STEPS)] == (sizes * STEPS)[:STEPS]
        executor.synchronize()
        assert equal(state, expected)


@pytest.mark.parametrize(("rule", "graphs"), [("keep", [8, 4]), ("even", [7, 6]), ("drop", [8])])
def test_one_graph_is_kept_for_each_batch_size(
    rule: LastBatch, graphs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a GPU nothing can be captured; which sizes are asked for is known all the same."""
    cell = make_cell(20, batch_size=8, iterations=STEPS, width=2, learning_rate=0.01, last_batch=rule)
    data = data_of(cell)
    state = TrainingState.fresh(cell, data, CPU)
    captured: list[int] = []
    monkeypatch.setattr(GraphSteps, "_captured", lambda self, size, row: captured.append(size))
    steps = GraphSteps(data, state, StepStats.fresh(CPU))
    for number in (0, 1, 2):
        steps.load(BatchPlan(cell).chunk(number), 0)
    assert captured == graphs


@pytest.mark.parametrize("synchronize_each_step", [True, False])
@pytest.mark.parametrize("build", [eager, counted])
@pytest.mark.parametrize("interruption", [None, 1, 2, 7])
def test_the_largest_early_loss_is_noted_with_its_iteration(
    build: Any, synchronize_each_step: bool, interruption: int | None
) -> None:
    """Early are the first three of thirty steps; a stop between them and a restart change nothing."""
    cell = make_cell(20, batch_size=8, iterations=30, width=2, learning_rate=0.3)
    data = data_of(cell)
    losses = [plain(cell, data, steps + 1).loss_sum - plain(cell, data, steps).loss_sum for steps in range(9)]
    means = [total / size for total, size in zip(losses, [8, 8, 4] * 3, strict=True)]
    wanted = max(range(3), key=means.__getitem__)
    assert max(means) > means[wanted]  # later steps are worse, and must not count
    state = TrainingState.fresh(cell, data, CPU)
    executor = build(data, state, synchronize_each_step)
    for number in range(9):
        if number == interruption:
            executor.synchronize()
            saved = copy.deepcopy(ResumableTraining(state).to_checkpoint())
            state = TrainingState.fresh(cell, data, CPU)
            state.take_numbers(saved["model"], saved["momentum"])
            for name in ("iteration", "loss_sum", "largest_early_loss", "largest_early_loss_iteration"):
                setattr(state, name, saved[name])
            executor = build(data, state, synchronize_each_step)
        executor.step()
    executor.synchronize()
    assert state.largest_early_loss_iteration == wanted + 1
    assert state.largest_early_loss == pytest.approx(means[wanted], rel=1e-6)


@pytest.mark.parametrize(("iterations", "early"), [(1, 1), (9, 1), (20, 2), (800, 80), (1000, 100), (39_100, 100)])
def test_early_are_a_tenth_of_the_budget_and_a_hundred_steps_at_most(iterations: int, early: int) -> None:
    assert early_steps(iterations) == early
    assert alarming_loss(10) == pytest.approx(23.02585)
    assert alarming_loss(2) == pytest.approx(6.931472)


def test_later_losses_and_losses_that_are_not_finite_are_no_largest_early_loss() -> None:
    stats = StepStats.fresh(CPU)
    stats.early_steps.fill_(3)
    for loss in (2.0, 5.0, 3.0, 9.0):
        stats.record(torch.tensor(loss), 8)
    assert (float(stats.largest_early_loss), int(stats.largest_early_step)) == (5.0, 2)
    stats = StepStats.fresh(CPU)
    stats.early_steps.fill_(100)
    for loss in (2.0, 5.0, 3.0, float("nan"), 7.0):
        stats.record(torch.tensor(loss), 8)
    assert (float(stats.largest_early_loss), int(stats.largest_early_step)) == (5.0, 2)
    assert int(stats.finite_steps) == 3
    assert float(stats.last_loss) == 3.0


@pytest.mark.parametrize("build", [eager, counted])
@pytest.mark.parametrize("interruption", [1, 4, 6, 13])
def test_a_resumed_training_takes_the_steps_of_an_uninterrupted_one(build: Any, interruption: int) -> None:
    data = data_of(SMALL)
    expected = plain(SMALL, data, STEPS)
    first = TrainingState.fresh(SMALL, data, CPU)
    executor = build(data, first)
    for _ in range(interruption):
        executor.step()
    executor.synchronize()
    saved = copy.deepcopy(ResumableTraining(first).to_checkpoint())
    second = TrainingState.fresh(SMALL, data, CPU)
    second.model.load_state_dict(saved["model"])
    for weight, momentum in zip(second.model.parameters(), saved["momentum"], strict=True):
        second.optimizer.state[weight]["momentum_buffer"].copy_(momentum)
    second.iteration, second.loss_sum, second.loss_images = interruption, saved["loss_sum"], saved["loss_images"]
    executor = build(data, second)
    for _ in range(STEPS - interruption):
        executor.step()
    executor.synchronize()
    assert equal(second, expected)


def test_a_sum_that_was_read_and_reset_begins_anew() -> None:
    data = data_of(SMALL)
    state, expected = TrainingState.fresh(SMALL, data, CPU), plain(SMALL, data, 5)
    executor = counted(data, state)
    for _ in range(5):
        executor.step()
    executor.synchronize()
    assert state.loss_sum == expected.loss_sum
    state.loss_sum, state.loss_images = 0.0, 0
    executor.step()
    executor.synchronize()
    assert executor.last_loss is not None
    assert state.loss_sum == executor.last_loss * 4 or state.loss_sum == executor.last_loss * 8


@pytest.mark.parametrize("synchronize_each_step", [True, False])
@pytest.mark.parametrize("build", [eager, counted])
def test_a_loss_that_is_not_finite_stops_all_updates_on_the_device(build: Any, synchronize_each_step: bool) -> None:
    """A network that breaks after step 5; the host hears of it at the next synchronization, if not at once."""
    data = data_of(SMALL)
    expected = plain(SMALL, data, 5)
    state = TrainingState.fresh(SMALL, data, CPU)
    executor = build(data, state, synchronize_each_step)
    for _ in range(5):
        executor.step()
    executor.synchronize()
    last_loss = executor.last_loss
    with torch.no_grad():
        state.model.get_parameter("classifier.bias")[3] = float("nan")
    with pytest.raises(NonFiniteLoss) as caught:  # noqa: PT012
        for _ in range(4):
            executor.step()
        executor.synchronize()
    assert caught.value.value != caught.value.value
    assert state.iteration == 5
    assert executor.last_loss == last_loss
    assert state.loss_sum == expected.loss_sum
    with torch.no_grad():
        state.model.get_parameter("classifier.bias")[3] = expected.model.get_parameter("classifier.bias")[3]
    for weight, other in zip(state.model.parameters(), expected.model.parameters(), strict=True):
        assert torch.equal(weight, other)
        assert torch.equal(
            state.optimizer.state[weight]["momentum_buffer"], expected.optimizer.state[other]["momentum_buffer"]
        )


def test_tables_on_the_device_give_every_row_of_the_plan() -> None:
    plan = BatchPlan(SMALL)
    tables = PlanTables(plan, CPU)
    for number in (0, 1, 2):
        chunk = plan.chunk(number)
        tables.load(chunk, 1)
        for position in range(1, len(chunk)):
            size = int(chunk.batch_sizes[position])
            expected, row = row_of(upload(chunk, CPU), position, size), tables.next_row(size)
            assert row.drawn.keys() == expected.drawn.keys() == {"image_weight", "label_weight"}
            for name in COMMON_TABLES:
                assert torch.equal(getattr(row, name), getattr(expected, name)), name
            for name, drawn in row.drawn.items():
                assert torch.equal(drawn, expected.drawn[name]), name
            tables.position.add_(1)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_loss_can_be_traced_as_one_piece(precision: Precision) -> None:
    """Dynamo takes forward and backward without a break in the graph; without a code generator nothing else changes."""
    torch._dynamo.reset()
    traced = compile_loss(backend="aot_eager")
    data, method = data_of(SMALL), find_method(SMALL.method)
    chunk = BatchPlan(SMALL).chunk(0)
    for position in (0, 2):
        row = row_of(upload(chunk, CPU), position, int(chunk.batch_sizes[position]))
        results = []
        for function in (batch_loss, traced):
            model = TrainingState.fresh(SMALL, data, CPU).model.train()
            momentum_sgd(model, SMALL.recipe)
            loss = function(model, method, data.training, row, precision)
            loss.backward()  # type: ignore[no-untyped-call]
            results.append([loss, *(weight.grad for weight in model.parameters())])
        for one, other in zip(*results, strict=True):
            assert one is not None
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


class DeviceWatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operation, and those that touch a tensor of the host; the update kernel has no form without data."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[str] = []
        self.on_the_host: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        update = function is torch.ops.aten._fused_sgd_.tensor_lr
        result = None if update else function(*args, **(kwargs or {}))
        self.operations.append(str(function))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
        if any(tensor.device.type == "cpu" for tensor in tensors):
            self.on_the_host.append(str(function))
        return result


@pytest.fixture
def deviceless() -> tuple[GraphSteps, StepStats]:
    """Return the graph executor's steps on a device without data, where every question for a value fails."""
    fix_arithmetic(1)
    nowhere = torch.device("meta")
    training = training_images(SMALL, device=nowhere)
    images = EvaluationImages(training.windows, training.labels, training.normalization, training.memory_format)
    data = TrainingData(training, images, images, (8, 8, 3), 10)
    state = TrainingState.fresh(SMALL, data, nowhere)
    state.model.train()
    stats = StepStats.fresh(nowhere)
    steps = GraphSteps(data, state, stats, capture=False)
    steps.load(BatchPlan(SMALL).chunk(0), 0)
    return steps, stats


def test_a_whole_step_asks_the_device_for_nothing(deviceless: tuple[GraphSteps, StepStats]) -> None:
    """What a capture allows: no value read back (it would fail here), no tensor of the host in any operation."""
    steps, _ = deviceless
    with DeviceWatch() as watch:
        steps.launch(0, 8)
        steps.launch(2, 4)
    assert watch.on_the_host == []
    assert len([name for name in watch.operations if "fused_sgd" in name]) == 2
    assert len([name for name in watch.operations if "convolution_backward" in name]) == 2 * 20


def test_the_watch_would_notice(deviceless: tuple[GraphSteps, StepStats]) -> None:
    _, stats = deviceless
    with DeviceWatch() as watch:
        torch.where(stats.stopped == 0, torch.tensor(1.0), stats.last_loss)
    assert "aten.where.self" in watch.on_the_host
    with pytest.raises(RuntimeError, match="meta"):
        stats.loss_sum.item()
