"""What a method is: what it draws ahead, what it does to a batch, and how it weights the labels.

A method is a class in one file. Those of smallmix lie in `methods/`. A user's lies beside the configuration, which
names it as in `mix: my_method.py:MyMethod`. Order, crops, flips, partners and initial weights are the same for all
methods of a seed. Importing this needs no torch: figures draw and mix without it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from smallmix.own_code import load_own, names_own_code
from smallmix.science.batch_row import COMMON_TABLES, BatchRow
from smallmix.science.randomness import COMMON_PURPOSES, generator
from smallmix.study.cell import MethodValue

if TYPE_CHECKING:
    from torch import Tensor

# The types that a method's tables may have. Others would change the type of images, or lose digits on the device.
TABLE_TYPES = (np.dtype(np.float32), np.dtype(np.int64), np.dtype(np.bool_))


@dataclass(frozen=True)
class Draws:
    """What a method draws its tables with, for one chunk of the batch plan: their shape, and random generators."""

    iterations: int  # I: the rows of every table
    images: int  # B: the images of the largest batch
    seed: int
    size: int
    chunk: int

    def generator(self, name: str) -> np.random.Generator:
        """Return the generator of a name; equal seeds, sizes, chunks and names give equal numbers on every machine.

        Raises ValueError for a name under which all methods draw in common.
        """
        if name in COMMON_PURPOSES:
            raise ValueError(f"{name!r} names draws that all methods share; choose another name")
        return generator(self.seed, self.size, name, self.chunk)


class Method:
    """Plain training. A method inherits from this class and replaces what it does otherwise.

    Its parameters are the arguments of its constructor, which the configuration gives by name. A frozen dataclass is
    the short way to write one. No function may look at the values of tensors (`if`, `.item()`, `float()`): the step is
    captured once and replayed for every batch.
    """

    # Whether the network is to call `mix_features` after each of its stages.
    mixes_features: ClassVar[bool] = False
    # Whether `mix` and `target` take NumPy arrays as well as tensors. Figures then need no PyTorch, whose import takes
    # seconds.
    mixes_arrays: ClassVar[bool] = False

    def draw(self, draws: Draws) -> Mapping[str, NDArray[Any]]:
        """Return the tables that the method draws ahead, by name.

        A table is float32, int64 or bool. One of shape [I] holds a number for each batch, one of [I, B, ...] numbers
        for each image of each batch. A step finds its row of each in `row.drawn`.
        """
        return {}

    def mix(self, images: Tensor, row: BatchRow) -> Tensor:
        """Return what the network sees instead of the images: float32 [B, C, H, W], normalised, cropped and flipped.

        Images are square. Their height and width in pixels stand in `row.side`, for `target` and `loss` as well.
        """
        return images

    def mix_features(self, features: Tensor, stage: int, row: BatchRow) -> Tensor:
        """Return what follows on the network's stage instead of its features [B, ...]; stages count from 1.

        Called only where `mixes_features` is true, on networks that declare stages.
        """
        return features

    def target(self, one_hot: Tensor, row: BatchRow) -> Tensor:
        """Return the share of every class in the target of every image: float32 [B, classes], rows that sum to 1.

        `one_hot` is the same of the images' own labels; `one_hot[row.partner]` is that of their partners' labels.
        """
        return one_hot

    def loss(self, log_probabilities: Tensor, labels: Tensor, row: BatchRow) -> Tensor:
        """Return the batch's mean cross-entropy against the target, float32 scalar.

        log_probabilities are float32 [B, classes], labels int64 [B]. Methods usually replace `target` instead.
        """
        from smallmix.science.losses import one_hot_of, soft_cross_entropy

        return soft_cross_entropy(log_probabilities, self.target(one_hot_of(labels, log_probabilities), row))


def find_method(value: MethodValue) -> Method:
    """Return the method of a cell's value, with its parameters.

    Raises ModuleNotFoundError where no file has the name, and ConfigurationError where a user's file is not usable.
    """
    arguments = dict(value.parameters)
    if value.beta is not None:
        arguments["beta"] = value.beta
    if names_own_code(value.mix):
        return cast(Method, load_own(value.mix, value.file)(**arguments))
    module = importlib.import_module(f"smallmix.science.methods.{value.mix.replace('-', '_')}")
    return cast(Method, module.METHOD(**arguments))


def drawn_tables(method: Method, draws: Draws) -> dict[str, NDArray[Any]]:
    """Return the tables that a method draws. Raises ValueError where one is not as `Method.draw` says."""
    tables = dict(method.draw(draws))
    for name, table in tables.items():
        wanted = (draws.iterations,) if np.ndim(table) == 1 else (draws.iterations, draws.images)
        if not isinstance(table, np.ndarray) or table.dtype not in TABLE_TYPES or table.shape[:2] != wanted:
            found = f"{table.dtype} {list(table.shape)}" if isinstance(table, np.ndarray) else type(table).__name__
            raise ValueError(
                f"the table {name!r} is {found}; a table is a NumPy array of float32, int64 or bool, and its shape "
                f"begins with [{draws.iterations}] or [{draws.iterations}, {draws.images}]"
            )
        if name in COMMON_TABLES:
            raise ValueError(f"a table is named {name!r}, as one that all methods share; choose another name")
    return tables
