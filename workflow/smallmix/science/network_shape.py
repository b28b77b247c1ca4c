"""The network's shape in numbers, which the network itself is built from and which tell its cost. No torch."""

from __future__ import annotations

from typing import NamedTuple

from smallmix.study.cell import ModelValue

STAGE_STRIDES = (1, 2, 2, 2)


class NetworkForm(NamedTuple):
    """What tells the pre-activation networks apart: their blocks and their convolutions are the same."""

    norm_after_stem: bool  # batch normalisation and ReLU between the stem and the first block
    activated_shortcuts: bool  # an identity shortcut takes the block's input after batch normalisation and ReLU
    final_norm: bool  # batch normalisation and ReLU between the last block and the pooling


# The forms that `model.name` may call for, and where each comes from.
NETWORK_FORMS = {
    # He et al., Identity Mappings in Deep Residual Networks, 2016, figure 4(e) and its appendix: the form proper.
    "preact-resnet18": NetworkForm(norm_after_stem=False, activated_shortcuts=False, final_norm=True),
    # A widespread shortening of it. Nothing bounds the sum of its blocks: at width 64 it diverges at rate 0.1.
    "preact-resnet18-without-final-norm": NetworkForm(
        norm_after_stem=False, activated_shortcuts=False, final_norm=False
    ),
    # The network of the mixup paper's own repository (Zhang et al. 2018), as described; written anew here.
    "preact-resnet18-mixup": NetworkForm(norm_after_stem=True, activated_shortcuts=True, final_norm=False),
}


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
    form = NETWORK_FORMS[model.name]
    total = 9 * channels * model.width + (2 * model.width if form.norm_after_stem else 0)
    shapes = block_shapes(model.width, model.blocks)
    for channels_in, channels_out, stride in shapes:
        total += 2 * (channels_in + channels_out) + 9 * channels_out * (channels_in + channels_out)
        if needs_projection(channels_in, channels_out, stride):
            total += channels_in * channels_out
    last = shapes[-1].channels_out
    return total + (2 * last if form.final_norm else 0) + (last + 1) * classes
