"""The cell's network: found by its name, built with its initial weights. Importing this needs no torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from smallmix.code_fingerprint import module_of
from smallmix.errors import ConfigurationError
from smallmix.network_faults import explain_stages
from smallmix.science.randomness import weights_seed
from smallmix.study.cell import MethodValue, ModelValue

if TYPE_CHECKING:
    from torch import Tensor, nn

SMALLEST_IMAGE = 8
# Takes the features of a stage, [B, ...], and the stage's number from 1 on; returns what follows on the stage instead.
MixStage: TypeAlias = Callable[["Tensor", int], "Tensor"]


@dataclass(frozen=True)
class NetworkCost:
    """What a network costs, in numbers that time and memory follow from. They decide no result.

    `flops` counts the floating-point operations of one image's forward pass (a multiply-add is two). Forward and
    backward together take three times as much. `layers` counts its convolutions and other products of matrices. `kept`
    counts the numbers that a training step has in memory for one image, `largest` those of one image's largest map.
    """

    parameters: int
    flops: int
    layers: int
    kept: int
    largest: int


class Network(Protocol):
    """What a file of `networks/` gives as NETWORK."""

    def build(self, value: ModelValue, channels: int, classes: int) -> nn.Module:
        """Return the network: float32 [B, channels, H, W] (square) to logits float32 [B, classes].

        A network with stages takes a second argument, `mix_stage` (MixStage or None), which it calls on the features
        of each stage. Raises ConfigurationError where the value's parameters or files cannot be used.
        """

    def stages(self, value: ModelValue) -> int:
        """Count the stages after which `mix_stage` is called; 0 where the network takes no second argument."""

    def draws(self, value: ModelValue) -> bool | None:
        """Return whether its layers draw random numbers in training, as dropout does; None where trying it must tell.

        They draw from PyTorch's own generators.
        """

    def cost(self, value: ModelValue, side: int, channels: int, classes: int) -> NetworkCost | None:
        """Return its cost by formulas, for images of `side` pixels a side; None where trying it must tell."""


class UncountedNetwork:
    """What networks have in common that draw nothing in their layers, and for whose cost there is no formula."""

    def draws(self, value: ModelValue) -> bool | None:
        """See Network."""
        return False

    def cost(self, value: ModelValue, side: int, channels: int, classes: int) -> NetworkCost | None:
        """See Network."""
        return None


def find_network(value: ModelValue) -> Network:
    """Return the network of a cell's value. Raises ModuleNotFoundError where no file has its name."""
    return cast(Network, importlib.import_module(f"smallmix.science.networks.{module_of(value.name)}").NETWORK)


def require_stages(model: ModelValue, method: MethodValue) -> None:
    """Raise ConfigurationError where a method mixes inside of networks, at stages that this one does not have."""
    wanted = dict(method.parameters).get("stages", ())
    if max(wanted, default=0) == 0:
        return
    stages = find_network(model).stages(model)
    if max(wanted) > stages:
        raise ConfigurationError(explain_stages(method.mix, wanted, model.name, stages))


def build_network(value: ModelValue, image_shape: tuple[int, int, int], classes: int, seed: int) -> nn.Module:
    """Return the network with its initial weights, on the CPU; the same weights for every method and size of a seed.

    image_shape is (height, width, channels). Weights are PyTorch's defaults (Kaiming uniform), or as the network's own
    file draws them. Raises ValueError for images that are not square or smaller than 8 pixels a side.
    """
    import torch

    height, width, channels = image_shape
    if height != width or height < SMALLEST_IMAGE:
        raise ValueError(f"the network takes square images of at least {SMALLEST_IMAGE} pixels, not {height} x {width}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights_seed(seed))
        return find_network(value).build(value, channels, classes)
