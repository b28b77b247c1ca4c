"""Random images with a row of a method's tables, as the tests of the methods need them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from smallmix.science.batch_row import BatchRow
from smallmix.science.losses import one_hot_of
from smallmix.science.method import Draws, Method, drawn_tables, find_method
from smallmix.study.cell import MethodValue
from torch.nn import functional

CLASSES, IMAGES = 5, 6
MANY = 40_000


def tables_of(value: MethodValue, iterations: int, images: int = IMAGES, seed: int = 0) -> dict[str, NDArray[Any]]:
    return drawn_tables(find_method(value), Draws(iterations, images, seed, 100, 0))


class Batch:
    """Random images and labels of a batch, its partners, and a row of a method's tables."""

    def __init__(self, value: MethodValue, side: int = 8, seed: int = 0, tables: dict[str, Any] | None = None) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.method: Method = find_method(value)
        self.images = torch.randn((IMAGES, 3, side, side), generator=generator)
        self.labels = torch.randint(0, CLASSES, (IMAGES,), generator=generator)
        self.partner = torch.randperm(IMAGES, generator=generator)
        self.logits = torch.randn((IMAGES, CLASSES), generator=generator)
        drawn = {name: table[0] for name, table in tables_of(value, 1, seed=seed).items()} | (tables or {})
        self.drawn: dict[str, Any] = drawn
        nothing = torch.zeros((), dtype=torch.int64)
        self.row = BatchRow(
            rows=torch.arange(IMAGES), crop_y=nothing, crop_x=nothing, flip=nothing, partner=self.partner,
            learning_rate=nothing, drawn={name: torch.as_tensor(table) for name, table in drawn.items()}, side=side,
        )  # fmt: skip

    def mixed(self) -> NDArray[np.float32]:
        return np.asarray(self.method.mix(self.images, self.row))

    def targets(self) -> NDArray[np.float32]:
        return np.asarray(self.method.target(one_hot_of(self.labels, self.logits), self.row))

    def loss(self) -> float:
        return float(self.method.loss(functional.log_softmax(self.logits, dim=1), self.labels, self.row))
