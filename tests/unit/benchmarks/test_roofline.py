"""Protects the roofline that steps on a GPU are compared with: operations and bytes of a step, counted by hand."""

from __future__ import annotations

import torch
from smallmix.science.network import build_network
from smallmix.study.cell import ModelValue
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.roofline import step_bytes, step_flops
from benchmarks.workload import ARTICLE, CLASSES


def test_operations_are_those_that_pytorch_counts() -> None:
    """PyTorch leaves out the stem's gradient by its input, which nobody needs; so does no training."""
    value = ModelValue("preact-resnet18", 8, (2, 2, 2, 2))
    model = build_network(value, (16, 16, 3), 10, 0)
    images = torch.zeros(4, 3, 16, 16, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        model(images).sum().backward()
    assert step_flops(value, 16, 3, 10, 4) == counter.get_total_flops()


def test_bytes_of_a_small_network_counted_by_hand() -> None:
    """Width 1, one block a stage, 8 x 8 pixels, one channel; maps of 64, 2 x 16, 4 x 4 and 8 x 1 elements."""
    stem = 3 * 64
    first = 11 * (64 + 64) + 6 * 64 + (64 + 64)
    second = 11 * (64 + 32) + 6 * 32 + (64 + 32) + 2 * 64 + 3 * 32
    third = 11 * (32 + 16) + 6 * 16 + (32 + 16) + 2 * 32 + 3 * 16
    fourth = 11 * (16 + 8) + 6 * 8 + (16 + 8) + 2 * 16 + 3 * 8
    final = 10 * 8
    value = ModelValue("preact-resnet18", 1, (1, 1, 1, 1))
    weights = sum(weight.numel() for weight in build_network(value, (8, 8, 1), 10, 0).parameters())
    expected = 2 * 5 * (stem + first + second + third + fourth + final) + 5 * 4 * weights
    assert step_bytes(value, 8, 1, 10, 5) == expected


def test_the_article_s_step_is_of_the_known_size() -> None:
    """3.34 GFLOP an image, forward and backward."""
    flops = step_flops(ARTICLE.cell().model, ARTICLE.side, ARTICLE.channels, CLASSES, 128)
    assert round(flops / 128 / 1e9, 2) == 3.33
