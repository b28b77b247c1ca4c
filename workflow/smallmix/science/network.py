"""The cell's network: found by its name, built with its initial weights. Importing this needs no torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol, cast

from smallmix.code_fingerprint import module_of
from smallmix.science.randomness import weights_seed
from smallmix.study.cell import ModelValue

if TYPE_CHECKING:
    from torch import nn

SMALLEST_IMAGE = 8


class Network(Protocol):
    """What a file of `networks/` gives as NETWORK."""

    def build(self, value: ModelValue, channels: int, classes: int) -> nn.Module:
        """Return the network: float32 [B, channels, H, W] (square) to logits float32 [B, classes]."""

    def forward_flops(self, value: ModelValue, side: int, channels: int, classes: int) -> int:
        """Count the floating-point operations of one image's forward pass (a multiply-add is two)."""

    def parameter_count(self, value: ModelValue, channels: int, classes: int) -> int:
        """Count the trainable weights."""


def find_network(value: ModelValue) -> Network:
    """Return the network of a cell's value. Raises ModuleNotFoundError where no file has its name."""
    return cast(Network, importlib.import_module(f"smallmix.science.networks.{module_of(value.name)}").NETWORK)


def build_network(value: ModelValue, image_shape: tuple[int, int, int], classes: int, seed: int) -> nn.Module:
    """Return the network with its initial weights, on the CPU; the same weights for every method and size of a seed.

    image_shape is (height, width, channels). Weights are PyTorch's defaults (Kaiming uniform).
    Raises ValueError for images that are not square or smaller than 8 pixels a side.
    """
    import torch

    height, width, channels = image_shape
    if height != width or height < SMALLEST_IMAGE:
        raise ValueError(f"the network takes square images of at least {SMALLEST_IMAGE} pixels, not {height} x {width}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights_seed(seed))
        return find_network(value).build(value, channels, classes)


def forward_flops(model: ModelValue, side: int, channels: int, classes: int) -> int:
    """Count the floating-point operations of one image's forward pass (a multiply-add is two).

    `side` is the image's height and width in pixels. Forward and backward together take three times as much.
    """
    return find_network(model).forward_flops(model, side, channels, classes)


def parameter_count(model: ModelValue, channels: int, classes: int) -> int:
    """Count the network's trainable weights."""
    return find_network(model).parameter_count(model, channels, classes)
