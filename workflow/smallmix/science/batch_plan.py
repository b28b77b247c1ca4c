"""The batch plan: all random draws of a training, made ahead as tables.

A plan chunk covers a few whole epochs. Row i of its tables says which images iteration i sees, how each is cropped and
flipped, who its partner is, what the method has drawn for it, and at which learning rate. The tables of order, crops,
flips and partners are the same for every method of a (seed, size): methods differ in their own tables alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallmix.science.batch_row import COMMON_TABLES
from smallmix.science.method import Draws, Method, drawn_tables, find_method
from smallmix.science.randomness import generator
from smallmix.study.cell import Cell

# A chunk is as many whole epochs as fill at least this many iterations. Part of the science: it decides the draws.
ITERATIONS_PER_CHUNK = 256


@dataclass(frozen=True)
class PlanChunk:
    """The tables of consecutive iterations; I iterations, B images per batch.

    Entries of a row beyond its batch size are fillers and must not be read.
    """

    first_iteration: int
    batch_sizes: NDArray[np.int64]  # [I]
    rows: NDArray[np.int64]  # [I, B] positions within the subset
    crop_y: NDArray[np.int64]  # [I, B] 0 … 2 x padding
    crop_x: NDArray[np.int64]  # [I, B]
    flip: NDArray[np.bool_]  # [I, B]
    partner: NDArray[np.int64]  # [I, B] positions within the batch
    learning_rate: NDArray[np.float32]  # [I]
    drawn: Mapping[str, NDArray[Any]]  # the method's own tables by name: [I], or [I, B, ...]

    def __len__(self) -> int:
        return len(self.batch_sizes)

    @property
    def tables(self) -> dict[str, NDArray[Any]]:
        """Return all tables that a step reads, by name."""
        return {**{name: getattr(self, name) for name in COMMON_TABLES}, **self.drawn}


@dataclass(frozen=True)
class BatchPlan:
    """The plan of one cell; its chunks are drawn on demand, in any order."""

    cell: Cell

    @cached_property
    def method(self) -> Method:
        """Return the cell's method."""
        return find_method(self.cell.method)

    @property
    def epochs_per_chunk(self) -> int:
        """Return the number of whole epochs in a chunk."""
        return -(-ITERATIONS_PER_CHUNK // self.cell.batches_per_epoch)

    @property
    def iterations_per_chunk(self) -> int:
        """Return the number of iterations in a chunk; the plan's last chunk may be cut short."""
        return self.epochs_per_chunk * self.cell.batches_per_epoch

    def chunk(self, number: int) -> PlanChunk:
        """Draw chunk `number`, which starts at iteration number x iterations_per_chunk."""
        cell, batches = self.cell, self.cell.epoch_batches
        size, width = cell.size, batches.large
        epochs, iterations = self.epochs_per_chunk, self.iterations_per_chunk
        first = number * iterations
        wanted = min(iterations, cell.iterations - first)
        shape = (iterations, width)

        epoch = np.fromiter(batches, dtype=np.int64, count=batches.count)
        batch_sizes = np.tile(epoch, epochs)
        own = np.arange(width)[None, :] < batch_sizes.reshape(-1, 1)  # [I, B] False: a filler

        # Images that an epoch leaves out are the last of its permutation, so they change from epoch to epoch.
        every_image = np.tile(np.arange(size), (epochs, 1))
        ordered = self._draw("order", number).permuted(every_image, axis=1)[:, : batches.images]
        rows = np.zeros(shape, dtype=np.int64)
        rows[own] = ordered.reshape(-1)

        # A random permutation of each batch: sort random keys; fillers sort behind the batch's own images.
        keys = self._draw("partner", number).random(shape)
        keys[~own] = 2.0

        padding = cell.recipe.crop_padding
        crops = self._draw("crop", number).integers(0, 2 * padding + 1, size=(2, *shape))
        flips = self._draw("flip", number).random(shape) < (0.5 if cell.recipe.flip else 0.0)
        drawn = drawn_tables(self.method, Draws(iterations, width, cell.seed, size, number))
        return PlanChunk(
            first_iteration=first,
            batch_sizes=batch_sizes[:wanted],
            rows=rows[:wanted],
            crop_y=crops[0, :wanted],
            crop_x=crops[1, :wanted],
            flip=flips[:wanted],
            partner=keys.argsort(axis=1, kind="stable")[:wanted],
            learning_rate=learning_rates(cell, first, wanted),
            drawn={name: table[:wanted] for name, table in drawn.items()},
        )

    def _draw(self, purpose: str, number: int) -> np.random.Generator:
        return generator(self.cell.seed, self.cell.size, purpose, number)


def learning_rates(cell: Cell, first: int, count: int) -> NDArray[np.float32]:
    """Return the learning rate of iterations first … first + count - 1, float32 [count].

    steps: the rate falls by `decay_factor` at each fraction `decay_at` of the budget (article: epochs 33 and 66 of
    100). cosine: the rate falls to 0 along half a cosine (Loshchilov and Hutter 2017, SGDR, equation 5, without
    restarts), over the iterations that follow on the warm-up.

    A warm-up of W iterations multiplies the rates of the first of them by 1/W, 2/W, … 1: linear from 0, which no step
    is taken at (Goyal et al. 2017, section 2.2).
    """
    recipe, budget = cell.recipe, cell.iterations
    warm_up = round(recipe.warm_up * budget)
    iterations = np.arange(first, first + count)
    rates: NDArray[np.float64]
    if recipe.schedule == "cosine":
        progress = (iterations - warm_up).clip(min=0) / max(1, budget - warm_up)
        rates = recipe.learning_rate * (1 + np.cos(np.pi * progress)) / 2
    else:
        steps = np.array([round(fraction * budget) for fraction in recipe.decay_at], dtype=np.int64)
        decays = (iterations[:, None] >= steps[None, :]).sum(axis=1)
        rates = recipe.learning_rate * recipe.decay_factor**decays
    if warm_up:
        rates = rates * ((iterations + 1) / warm_up).clip(max=1.0)
    return rates.astype(np.float32)


def schedule_sha256(cell: Cell) -> str:
    """Return the sha256 of the learning rates of the whole budget, as 64 hexadecimal digits."""
    return hashlib.sha256(learning_rates(cell, 0, cell.iterations).astype("<f4").tobytes()).hexdigest()
