"""The workloads: random images, and cells with the article's recipe at a given size of image and network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from smallmix.science.arithmetic import choose_memory_format
from smallmix.science.evaluation import EvaluationImages
from smallmix.science.steps import StepExecutor, build_executor
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.science.training_step import Normalization, TrainingImages, crop_windows
from smallmix.study.cell import (
    BudgetValue,
    Cell,
    DatasetValue,
    EvaluationValue,
    Executor,
    MethodValue,
    ModelValue,
    Precision,
    RecipeValue,
    SubsetValue,
)

CLASSES = 10
BATCH_SIZE = 128


@dataclass(frozen=True)
class Workload:
    """Images of `side` x `side` pixels, the border of the crop, and the network's width (64 is the article's)."""

    name: str
    side: int
    channels: int
    width: int
    padding: int
    flip: bool
    images: int

    def cell(self, precision: Precision = "fp32", executor: Executor = "eager", threads: int = 1) -> Cell:
        """Return a label-mix cell with a budget that no measurement reaches the end of."""
        return Cell(
            dataset=DatasetValue("cifar10"),
            subset=SubsetValue("head", self.images),
            method=MethodValue("images-and-labels", (1.0, 1.0)),
            seed=0,
            model=ModelValue("preact-resnet18", self.width, (2, 2, 2, 2)),
            recipe=RecipeValue(
                batch_size=BATCH_SIZE,
                learning_rate=0.1,
                momentum=0.9,
                weight_decay=1e-4,
                decay_at=(0.33, 0.66),
                decay_factor=0.1,
                crop_padding=self.padding,
                flip=self.flip,
                precision=precision,
                executor=executor,
                cpu_threads=threads,
            ),
            budget=BudgetValue("iterations", 10_000_000),
            evaluation=EvaluationValue("iterations", 10_000_000, 1),
        )

    def pixels(self) -> NDArray[np.uint8]:
        """Return the images, uint8 [N, H, W, C]."""
        shape = (self.images, self.side, self.side, self.channels)
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def labels(self) -> NDArray[np.int64]:
        """Return their labels, int64 [N]."""
        return np.random.default_rng(1).integers(0, CLASSES, self.images, dtype=np.int64)

    def training_data(self, device: torch.device, memory_format: torch.memory_format) -> TrainingData:
        """Return the images on the device, as a training takes them."""
        normalization = Normalization.of([0.5] * self.channels, [0.25] * self.channels, device)
        pixels = torch.from_numpy(self.pixels().transpose(0, 3, 1, 2).copy()).to(device)
        labels = torch.from_numpy(self.labels()).to(device)
        training = TrainingImages(crop_windows(pixels, self.padding), labels, normalization, memory_format)
        evaluated = EvaluationImages(pixels[:1], labels[:1], normalization, memory_format)
        return TrainingData(training, evaluated, evaluated, (self.side, self.side, self.channels), CLASSES)

    def begin(
        self, device: torch.device, precision: Precision = "fp32", executor: Executor = "eager", threads: int = 1
    ) -> StepExecutor:
        """Return the step executor of a training of this workload before its first step, on the device."""
        data = self.training_data(device, choose_memory_format(device, self.width))
        state = TrainingState.fresh(self.cell(precision, executor, threads), data, device)
        state.model.train()
        return build_executor(data, state)


ARTICLE = Workload("the article's network, 32 x 32", 32, 3, 64, 4, True, 2_000)
DEMO = Workload("the demonstration's network, 8 x 8", 8, 1, 8, 1, False, 1_000)
