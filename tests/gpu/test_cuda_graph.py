"""Protects training on a GPU: captured steps are the eager ones bit for bit, resumable, and guarded like them."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from smallmix.science.batch_plan import BatchPlan
from smallmix.science.evaluation import EvaluationImages
from smallmix.science.steps import StepExecutor, build_executor, row_of, upload
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.science.training_step import NonFiniteLoss, batch_loss
from smallmix.study.cell import Cell, Executor, Mix
from smallmix.study.iterations import LastBatch
from smallmix.training.resumable import ResumableTraining

from tests.unit.science.training_cells import make_cell, random_pixels, training_images

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda")
# Sizes whose epochs end with batches of 100, 116, 122 and 8 images.
SIZES = (100, 500, 250, 392)


def data_of(cell: Cell, device: torch.device = CUDA) -> TrainingData:
    training = replace(
        training_images(cell, side=16, device=device),
        memory_format=torch.channels_last if device.type == "cuda" else torch.contiguous_format,
    )
    pixels = random_pixels(8, 16).to(device)
    labels = torch.zeros(8, dtype=torch.int64, device=device)
    images = EvaluationImages(pixels, labels, training.normalization, training.memory_format)
    return TrainingData(training, images, images, (16, 16, 3), 10)


def begin(cell: Cell, data: TrainingData, executor: Executor) -> tuple[TrainingState, StepExecutor]:
    state = TrainingState.fresh(replace(cell, recipe=replace(cell.recipe, executor=executor)), data, CUDA)
    state.model.train()
    return state, build_executor(data, state)


def take(executor: StepExecutor, steps: int) -> None:
    for _ in range(steps):
        executor.step()
    executor.synchronize()


def assert_equal(first: TrainingState, second: TrainingState) -> None:
    one, other = ResumableTraining(first).to_checkpoint(), ResumableTraining(second).to_checkpoint()
    for name, tensor in one["model"].items():
        assert torch.equal(tensor, other["model"][name]), name
    for tensor, other_tensor in zip(one["momentum"], other["momentum"], strict=True):
        assert torch.equal(tensor, other_tensor)
    assert one["loss_sum"] == other["loss_sum"]
    assert one["iteration"] == other["iteration"]


@pytest.mark.parametrize("mix", ["none", "images", "images-and-labels"])
@pytest.mark.parametrize("size", SIZES)
def test_captured_steps_equal_eager_ones_bit_for_bit(size: int, mix: Mix) -> None:
    cell = make_cell(size, mix, width=16, iterations=300, learning_rate=0.02)
    data = data_of(cell)
    states = []
    for way in ("eager", "graph"):
        state, executor = begin(cell, data, way)
        take(executor, 280)
        states.append(state)
    assert_equal(*states)


@pytest.mark.parametrize(("rule", "graphs"), [("even", {131, 130}), ("drop", {196})])
def test_other_rules_for_the_last_batch_keep_a_graph_for_each_batch_size(rule: LastBatch, graphs: set[int]) -> None:
    """392 images: 131 + 131 + 130, or 196 twice."""
    cell = make_cell(392, batch_size=max(graphs), width=16, iterations=300, learning_rate=0.02, last_batch=rule)
    data = data_of(cell)
    states = []
    for way in ("eager", "graph"):
        state, executor = begin(cell, data, way)
        take(executor, 280)
        states.append(state)
    assert_equal(*states)
    assert states[0].largest_early_loss == states[1].largest_early_loss > 0
    assert set(cell.epoch_batches) == graphs


@pytest.mark.parametrize("interruption", [1, 100, 256, 270])
def test_a_resumed_graph_training_equals_an_uninterrupted_one(interruption: int) -> None:
    cell = make_cell(500, width=16, iterations=300, learning_rate=0.02)
    data = data_of(cell)
    whole, executor = begin(cell, data, "graph")
    take(executor, 290)
    first, executor = begin(cell, data, "graph")
    take(executor, interruption)
    saved = copy.deepcopy(ResumableTraining(first).to_checkpoint())
    # A new process would begin like this: fresh state, saved numbers, and only then the capture.
    second = TrainingState.fresh(first.cell, data, CUDA)
    second.model.train()
    second.model.load_state_dict(saved["model"])
    with torch.no_grad():
        for weight, momentum in zip(second.model.parameters(), saved["momentum"], strict=True):
            second.optimizer.state[weight]["momentum_buffer"].copy_(momentum)
    second.iteration, second.loss_sum, second.loss_images = interruption, saved["loss_sum"], saved["loss_images"]
    take(build_executor(data, second), 290 - interruption)
    assert_equal(second, whole)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_automatic_takes_the_graph_here(precision: str) -> None:
    """Its rehearsal must pass on any GPU that is supported; where it does not, the log gives the reason."""
    cell = make_cell(500, width=16, iterations=300, learning_rate=0.02, precision=precision)
    data, lines = data_of(cell), list[str]()
    state = TrainingState.fresh(cell, data, CUDA)
    state.model.train()
    take(build_executor(data, state), 20)
    assert [line.partition(" (")[0] for line in lines] == ["whole steps are captured as a CUDA graph"]
    expected, executor = begin(cell, data, "graph")
    take(executor, 20)
    assert_equal(state, expected)


@pytest.mark.parametrize("own_streams", [False, True], ids=["one stream", "a stream each"])
def test_two_graph_trainings_at_once_do_not_disturb_each_other(own_streams: bool) -> None:
    cells = [make_cell(250, seed=seed, width=16, iterations=300, learning_rate=0.02) for seed in (0, 1)]
    data = [data_of(cell) for cell in cells]
    alone = []
    for cell, images in zip(cells, data, strict=True):
        state, executor = begin(cell, images, "graph")
        take(executor, 60)
        alone.append(state)
    together = [begin(cell, images, "graph") for cell, images in zip(cells, data, strict=True)]
    usual = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() if own_streams else usual for _ in cells]  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    for _ in range(60):
        for stream, (_, executor) in zip(streams, together, strict=True):
            with torch.cuda.stream(stream):
                executor.step()
    for stream, (state, executor), expected in zip(streams, together, alone, strict=True):
        with torch.cuda.stream(stream):
            executor.synchronize()
        torch.cuda.synchronize()
        assert_equal(state, expected)


def test_a_loss_that_is_not_finite_stops_the_replays_updates() -> None:
    cell = make_cell(250, width=16, iterations=300, learning_rate=0.02)
    data = data_of(cell)
    expected, executor = begin(cell, data, "eager")
    take(executor, 10)
    state, executor = begin(cell, data, "graph")
    take(executor, 10)
    with torch.no_grad():
        state.model.get_parameter("classifier.bias")[3] = float("nan")
    with pytest.raises(NonFiniteLoss):
        take(executor, 20)
    assert state.iteration == 10
    with torch.no_grad():
        state.model.get_parameter("classifier.bias")[3] = expected.model.get_parameter("classifier.bias")[3]
    for weight, other in zip(state.model.parameters(), expected.model.parameters(), strict=True):
        assert torch.equal(weight, other)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 3e-2)])
def test_gradients_agree_with_double_precision_on_the_cpu(precision: str, tolerance: float) -> None:
    cell = make_cell(128, width=64)
    chunk = BatchPlan(cell).chunk(0)
    gradients = []
    for device, kind in ((CUDA, torch.float32), (torch.device("cpu"), torch.float64)):
        data = data_of(cell, device)
        state = TrainingState.fresh(cell, data, device)
        model, row = state.model.train().to(kind), row_of(upload(chunk, device), 0, 128)
        images = data.training
        if kind == torch.float64:
            batch, labels = images.batch(row)
            mixed = batch.double() * row.image_weight + batch[row.partner].double() * (1 - row.image_weight)
            log_probabilities = torch.log_softmax(model(mixed), dim=1)
            own = torch.nn.functional.nll_loss(log_probabilities, labels)
            others = torch.nn.functional.nll_loss(log_probabilities, labels[row.partner])
            loss = row.label_weight * own + (1 - row.label_weight) * others
        else:
            loss = batch_loss(model, images, row, precision)  # type: ignore[arg-type]
        loss.backward()  # type: ignore[no-untyped-call]
        gradients.append(torch.cat([weight.grad.double().flatten().cpu() for weight in model.parameters()]))  # type: ignore[union-attr]
    ours, exact = gradients
    assert float((ours - exact).norm() / exact.norm()) < tolerance


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_steps_learn_like_eager_ones(precision: str) -> None:
    """Compiled kernels round differently, so losses of the first steps are compared, not bits."""
    cell = make_cell(250, width=16, iterations=300, learning_rate=0.02, precision=precision)
    data = data_of(cell)
    sums = []
    for way in ("eager", "graph-compiled"):
        state, executor = begin(cell, data, way)
        take(executor, 20)
        sums.append(state.loss_sum / state.loss_images)
    assert sums[1] == pytest.approx(sums[0], rel=2e-2)
