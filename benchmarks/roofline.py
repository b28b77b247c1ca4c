"""The roofline of a step on a GPU: its arithmetic at the rate of a large product, its traffic at a large copy's."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from smallmix.science.network import NetworkCost, find_network
from smallmix.science.networks.preactivation import PreActivationForm, block_shapes, needs_projection
from smallmix.study.cell import ModelValue

BYTES_BF16, BYTES_FP32 = 2, 4
# For every element that batch normalisation and ReLU take in: its statistics and its normalisation read it, the
# activation is written, read by the convolution and once more by the weight gradient; the gradient of the activation is
# written and read twice, each time with the element; the element's own gradient is written.
PASSES_OF_AN_INPUT = 11
# For every element that a convolution gives: it is written, and its gradient is read by both of its backward products.
PASSES_OF_AN_OUTPUT = 3
# The fused update reads weight, gradient and momentum and writes weight and momentum.
PASSES_OF_A_WEIGHT = 5


@dataclass(frozen=True)
class Roofline:
    """Peak rates of a GPU, measured in the run in which steps are timed: operations a second, bytes a second."""

    bf16_product: float
    copy: float


def _cost(model: ModelValue, side: int, channels: int, classes: int) -> NetworkCost:
    cost = find_network(model).cost(model, side, channels, classes)
    assert cost is not None  # the pre-activation networks have formulas
    return cost


def step_flops(model: ModelValue, side: int, channels: int, classes: int, batch_size: int) -> int:
    """Return the floating-point operations of a training step: three forward passes."""
    return 3 * batch_size * _cost(model, side, channels, classes).flops


def step_bytes(model: ModelValue, side: int, channels: int, classes: int, batch_size: int) -> int:
    """Return the bytes that a training step in bfloat16 moves if each kernel is ideal but none is fused with the next.

    Every map goes through memory between batch normalisation and convolution: its statistics must be known first.
    """
    elements = PASSES_OF_AN_OUTPUT * model.width * side**2  # the stem, whose input needs no gradient
    for channels_in, channels_out, stride in block_shapes(model.width, model.blocks):
        before, after = channels_in * side**2, channels_out * (-(-side // stride)) ** 2
        elements += PASSES_OF_AN_INPUT * (before + after) + 2 * PASSES_OF_AN_OUTPUT * after
        # The block's sum reads the shortcut, and the sum of gradients before it the shortcut's gradient.
        elements += after + before
        if needs_projection(channels_in, channels_out, stride):
            elements += 2 * before + PASSES_OF_AN_OUTPUT * after
        side = -(-side // stride)
    form = find_network(model)
    assert isinstance(form, PreActivationForm)
    if form.final_norm:  # pooling reads what it gives, and no weight gradient reads it again
        elements += (PASSES_OF_AN_INPUT - 1) * after
    weights = PASSES_OF_A_WEIGHT * BYTES_FP32 * _cost(model, side, channels, classes).parameters
    return BYTES_BF16 * batch_size * elements + weights


def measure_roofline() -> Roofline:
    """Measure the current GPU: a bfloat16 product of 8192 x 8192 matrices, a gibibyte read and written."""
    side = 8192
    left, right = (torch.randn(side, side, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    source = torch.zeros(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    product = _seconds(lambda: left @ right)
    copy = _seconds(lambda: target.copy_(source))
    return Roofline(2 * side**3 / product, 2 * source.numel() / copy)


def _seconds(work: Callable[[], object], repetitions: int = 20, rounds: int = 5) -> float:
    taken = []
    for _ in range(rounds + 1):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(repetitions):
            work()
        torch.cuda.synchronize()
        taken.append((time.perf_counter() - began) / repetitions)
    return statistics.median(taken[1:])
