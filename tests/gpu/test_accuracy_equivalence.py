"""Protects the fast path's science: bf16 graphs reach the accuracy of fp32 eager steps, within two standard errors.

On images of made-up classes (a pattern each, under noise), where accuracy is neither chance nor perfect; five seeds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy
import pytest
import torch
from smallmix.science.evaluation import EvaluationImages, evaluate
from smallmix.science.steps import build_executor
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.science.training_step import Normalization, TrainingImages, crop_windows
from smallmix.study.cell import Executor, Precision

from tests.unit.science.training_cells import make_cell

pytestmark = [pytest.mark.gpu, pytest.mark.long]
CUDA = torch.device("cuda")
SEEDS = 5
TEST_IMAGES = 4000


def pictures(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw uint8 [count, 3, 16, 16] and labels: ten faint patterns under strong noise."""
    patterns = numpy.random.default_rng(0).normal(0, 18, (10, 3, 16, 16))
    random = numpy.random.default_rng(seed)
    labels = random.integers(0, 10, count)
    pixels = 128 + patterns[labels] + random.normal(0, 55, (count, 3, 16, 16))
    return torch.from_numpy(pixels.clip(0, 255).astype(numpy.uint8)).to(CUDA), torch.from_numpy(labels).to(CUDA)


def accuracy(size: int, seed: int, precision: Precision, executor: Executor) -> float:
    cell = make_cell(size, seed=seed, width=32, iterations=1500, learning_rate=0.05, precision=precision)
    cell = replace(cell, recipe=replace(cell.recipe, executor=executor, crop_padding=1, flip=False))
    normalization = Normalization.of([0.5] * 3, [0.25] * 3, CUDA)
    pixels, labels = pictures(size, 1 + seed)
    test_pixels, test_labels = pictures(TEST_IMAGES, 1000)
    test = EvaluationImages(test_pixels, test_labels, normalization, torch.channels_last)
    training = TrainingImages(crop_windows(pixels, 1), labels, normalization, torch.channels_last)
    data = TrainingData(training, test, test, (16, 16, 3), 10)
    state = TrainingState.fresh(cell, data, CUDA)
    state.model.train()
    runner = build_executor(data, state)
    for _ in range(cell.iterations):
        runner.step()
    runner.synchronize()
    return evaluate(state.model, test, precision).accuracy


@pytest.mark.parametrize("size", [500, 5000])
def test_bf16_graphs_are_as_accurate_as_fp32_eager_steps(size: int) -> None:
    exact = numpy.array([accuracy(size, seed, "fp32", "eager") for seed in range(SEEDS)])
    fast = numpy.array([accuracy(size, seed, "bf16", "graph") for seed in range(SEEDS)])
    error = ((exact.var(ddof=1) + fast.var(ddof=1)) / SEEDS) ** 0.5
    assert 0.15 < exact.mean() < 0.995
    assert abs(fast.mean() - exact.mean()) < 2 * max(error, 0.002)
