"""Protects the networks beside the article's on a GPU: captured where nothing draws, and equal when repeated."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from smallmix.science.evaluation import EvaluationImages
from smallmix.science.steps import DrawingLayers, StepExecutor, build_executor
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.study.cell import Cell, Executor, ModelValue

from tests.unit.science.training_cells import make_cell, random_pixels, training_images

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda")
OF_TORCHVISION = (("image_size", 0), ("stem", "original"), ("weights_sha256", ""))
PLAIN = [
    ModelValue("resnet18", 8, (1, 1, 1, 1)),
    ModelValue("wide-resnet", 16, (), (("depth", 10), ("dropout", 0.0))),
    ModelValue("convnet", 16, ()),
    ModelValue("torchvision:resnet18", 0, (), OF_TORCHVISION),
]
DRAWING = [
    ModelValue("wide-resnet", 16, (), (("depth", 10), ("dropout", 0.3))),
    ModelValue("torchvision:alexnet", 0, (), (("image_size", 64), *OF_TORCHVISION[1:])),
]


def name_of(value: ModelValue) -> str:
    return value.name


def begin(
    value: ModelValue, executor: Executor, continued: TrainingState | None = None
) -> tuple[TrainingState, StepExecutor]:
    """Return a training of random images of 32 pixels and its executor, from the start or from another's state."""
    if value.name.startswith("torchvision:"):
        pytest.importorskip("torchvision")
    cell: Cell = replace(make_cell(100, width=16, iterations=40, learning_rate=0.02, executor=executor), model=value)
    training = replace(training_images(cell, side=32, device=CUDA), memory_format=torch.channels_last)
    labels = torch.zeros(8, dtype=torch.int64, device=CUDA)
    images = EvaluationImages(random_pixels(8, 32).to(CUDA), labels, training.normalization, training.memory_format)
    data = TrainingData(training, images, images, (32, 32, 3), 10)
    state = TrainingState.fresh(cell, data, CUDA)
    if continued is not None:
        state = continued.copy(data)
    state.model.train()
    return state, build_executor(data, state)


def take(executor: StepExecutor, steps: int) -> None:
    for _ in range(steps):
        executor.step()
    executor.synchronize()


@pytest.mark.parametrize("value", PLAIN, ids=name_of)
def test_captured_steps_equal_eager_ones_bit_for_bit(value: ModelValue) -> None:
    states = []
    for way in ("eager", "graph"):
        state, executor = begin(value, way)
        take(executor, 20)
        states.append(state)
    assert states[0].has_numbers_of(states[1])


@pytest.mark.parametrize("value", DRAWING, ids=name_of)
def test_layers_that_draw_are_taken_eagerly_and_continued_to_the_same_bits(value: ModelValue) -> None:
    whole, executor = begin(value, "automatic")
    assert executor.kind == "eager"
    take(executor, 20)
    first, executor = begin(value, "automatic")
    take(executor, 7)
    torch.rand(3, device=CUDA)  # another training of the process draws meanwhile
    second, executor = begin(value, "automatic", first)
    take(executor, 13)
    assert whole.has_numbers_of(second)


@pytest.mark.parametrize("way", ["graph", "graph-compiled"])
def test_captured_steps_are_refused_to_layers_that_draw(way: Executor) -> None:
    with pytest.raises(DrawingLayers):
        begin(DRAWING[0], way)
