"""Trying a network before it is trained: a step on PyTorch's `meta` device, where tensors have shapes and no numbers.

It tells whether the network takes such images and gives logits of the right shape, whether its layers draw random
numbers, and what it costs.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from smallmix.errors import ConfigurationError
from smallmix.network_faults import explain_unfit_network
from smallmix.science.network import Network, NetworkCost, find_network
from smallmix.study.cell import ModelValue

IMAGES = 2  # the fewest with which batch normalisation of maps of one pixel computes
# The numbers that a step keeps for each that a forward pass writes: gradients and work space come on top.
KEPT_A_NUMBER = 2.5


@dataclass(frozen=True)
class NetworkTrial:
    """What trying a network has shown."""

    cost: NetworkCost
    draws: bool  # whether its layers draw random numbers in training


_tried: dict[tuple[Any, ...], NetworkTrial] = {}


def try_network(value: ModelValue, side: int, channels: int, classes: int) -> NetworkTrial:
    """Return what a network is like on images of `side` pixels a side; each network is tried once a process.

    Raises ConfigurationError where it cannot be built, does not take such images, gives other logits than float
    [B, classes], or has weights that decide no logit.
    """
    key = (value, value.file, side, channels, classes)
    if key not in _tried:
        _tried[key] = _try(value, side, channels, classes)
    return _tried[key]


def draws_numbers(value: ModelValue, side: int, channels: int, classes: int) -> bool:
    """Return whether the network's layers draw random numbers in training. Raises ConfigurationError as above."""
    known = find_network(value).draws(value)
    return try_network(value, side, channels, classes).draws if known is None else known


def on_meta(network: Network, value: ModelValue, channels: int, classes: int) -> nn.Module:
    """Return the network without numbers. One that cannot be built so is built with numbers, which are dropped."""
    with contextlib.suppress(Exception), torch.device("meta"):
        return network.build(value, channels, classes)
    with torch.random.fork_rng(devices=[]):
        return network.build(value, channels, classes).to("meta")


def _try(value: ModelValue, side: int, channels: int, classes: int) -> NetworkTrial:
    module = on_meta(find_network(value), value, channels, classes).train()
    module.to(memory_format=torch.channels_last)
    images = torch.empty(IMAGES, channels, side, side, device="meta").to(memory_format=torch.channels_last)
    trained = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    try:
        with _Operations() as operations:
            logits = module(images)
    except Exception as error:
        raise ConfigurationError(
            explain_unfit_network(value.name, value.file, f"{IMAGES} images of {channels} x {side} x {side}", error)
        ) from error
    _check_logits(value, logits, classes)
    gradients = torch.autograd.grad(logits.sum(), list(trained.values()), allow_unused=True)
    idle = [name for name, gradient in zip(trained, gradients, strict=True) if gradient is None]
    if idle:
        raise ConfigurationError(
            f"model.name: {value.name}: its weights {', '.join(idle[:5])} decide no logit, so they cannot be trained. "
            "Take them out of the network, or set their requires_grad to False."
        )
    cost = NetworkCost(
        parameters=sum(weight.numel() for weight in module.parameters()),
        flops=operations.flops // IMAGES,
        layers=operations.products,
        kept=int(KEPT_A_NUMBER * operations.written / IMAGES),
        largest=operations.largest // IMAGES,
    )
    return NetworkTrial(cost, operations.draws)


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes of every operation what it costs, by PyTorch's own table of formulas, and whether it draws."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # Imported here: a tenth of a second that most trainings need not spend.
        from torch.utils.flop_counter import flop_registry

        self._formulas = flop_registry
        self.flops = self.products = self.written = self.largest = 0
        self.draws = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func._overloadpacket in self._formulas:
            self.products += 1
            self.flops += self._formulas[func._overloadpacket](*args, **(kwargs or {}), out_val=output)
        self.draws |= torch.Tag.nondeterministic_seeded in func.tags
        outputs = output if isinstance(output, tuple | list) else (output,)
        for returned, tensor in zip(func._schema.returns, outputs, strict=False):
            if isinstance(tensor, Tensor) and returned.alias_info is None:  # neither a view nor in place
                self.written += tensor.numel()
                self.largest = max(self.largest, tensor.numel())
        return output


def _check_logits(value: ModelValue, logits: Any, classes: int) -> None:
    wanted = f"[{IMAGES}, {classes}]"
    if isinstance(logits, Tensor) and tuple(logits.shape) == (IMAGES, classes) and logits.is_floating_point():
        return
    found = f"{str(logits.dtype).removeprefix('torch.')} {list(logits.shape)}" if isinstance(logits, Tensor) else ""
    raise ConfigurationError(
        f"model.name: {value.name}: for {IMAGES} images of {classes} classes the network gives "
        f"{found or type(logits).__name__}, and logits float {wanted} are wanted. Correct its forward function."
    )
