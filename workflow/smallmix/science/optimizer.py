"""Stochastic gradient descent with momentum (Sutskever et al. 2013, in PyTorch's form), as one fused kernel.

The kernel is PyTorch's own, called through `torch.optim.sgd.sgd`. The class `torch.optim.SGD` around it is not used:
building one imports PyTorch's compiler, which takes 1.4 s and 155 MB of every training's start.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.sgd import sgd


class MomentumSgd:
    """velocity = momentum x velocity + (gradient + weight decay x weight); weight -= rate x velocity.

    Velocities start at zero, which gives the same first step as none (0.9 x 0 + gradient) and no special case to a
    captured step. `learning_rate` and `stopped` (float32 scalars) lie on the weights' device: each step fills the one,
    and a step with the other at 1 updates nothing.
    """

    def __init__(self, weights: Iterable[Tensor], momentum: float, weight_decay: float, device: torch.device) -> None:
        self.weights = list(weights)
        self.state = {weight: {"momentum_buffer": torch.zeros_like(weight)} for weight in self.weights}
        # The same memory as the kernel sees it.
        self._weights = [_in_order_of(weight, weight.detach()) for weight in self.weights]
        self._velocities: list[Tensor | None] = [
            _in_order_of(weight, self.state[weight]["momentum_buffer"]) for weight in self.weights
        ]
        self.learning_rate = torch.zeros((), dtype=torch.float32, device=device)
        self.stopped = torch.zeros((), dtype=torch.float32, device=device)
        self._momentum, self._weight_decay = momentum, weight_decay

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weight in self.weights:
            weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every weight from its gradient."""
        gradients = [_in_order_of(weight, weight.grad) for weight in self.weights if weight.grad is not None]
        sgd(
            self._weights,
            gradients,
            self._velocities,
            foreach=False,
            fused=True,
            found_inf=self.stopped,
            weight_decay=self._weight_decay,
            momentum=self._momentum,
            lr=self.learning_rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )


def _in_order_of(weight: Tensor, tensor: Tensor) -> Tensor:
    """`tensor` with its dimensions in the order of the weight's memory: the kernel on the CPU copies any other."""
    channels_last = weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last)
    return tensor.permute(0, 2, 3, 1) if channels_last else tensor
