"""The network's shape in numbers, which the network itself is built from and which tell its cost. No torch."""

from __future__ import annotations

from typing import NamedTuple

from smallmix.study.cell import ModelValue

STAGE_STRIDES = (1, 2, 2, 2)


class BlockShape(NamedTuple):
    """A block's channels and the stride of its first convolution."""

    channels_in: int
    channels_out: int
    stride: int


def block_shapes(width: int, blocks: tuple[int, ...]) -> list[BlockShape]:
    """The blocks in order: each stage doubles the channels, and its first block halves the image (but in stage one)."""
    shapes, channels_in = [], width
    for stage, (count, stage_stride) in enumerate(zip(blocks, STAGE_STRIDES, strict=True)):
        for number in range(count):
            shapes.append(BlockShape(channels_in, width * 2**stage, stage_stride if number == 0 else 1))
            channels_in = width * 2**stage
    return shapes


def needs_projection(channels_in: int, channels_out: int, stride: int) -> bool:
    """Whether a block's shortcut must change the shape."""
    return stride != 1 or channels_in != channels_out


def forward_flops(model: ModelValue, side: int, channels: int, classes: int) -> int:
    """Floating-point operations of one image's forward pass (a multiply-add is two): convolutions and classifier.

    `side` is the image's height and width in pixels. Forward and backward together take three times as much.
    """
    total = 2 * 9 * channels * model.width * side * side
    shapes = block_shapes(model.width, model.blocks)
    for channels_in, channels_out, stride in shapes:
        side = -(-side // stride)
        total += 2 * 9 * side * side * channels_out * (channels_in + channels_out)
        if needs_projection(channels_in, channels_out, stride):
            total += 2 * side * side * channels_in * channels_out
    return total + 2 * shapes[-1].channels_out * classes


def parameter_count(model: ModelValue, channels: int, classes: int) -> int:
    """Trainable weights: convolutions without bias, two weights a channel in each batch normalisation, classifier."""
    total = 9 * channels * model.width
    shapes = block_shapes(model.width, model.blocks)
    for channels_in, channels_out, stride in shapes:
        total += 2 * (channels_in + channels_out) + 9 * channels_out * (channels_in + channels_out)
        if needs_projection(channels_in, channels_out, stride):
            total += channels_in * channels_out
    return total + (shapes[-1].channels_out + 1) * classes
