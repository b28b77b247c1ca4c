"""Pre-activation ResNets for small images in numbers: what they are built from and what they cost. No torch.

A convolution stem, four stages of BN-ReLU-conv blocks, a mean over the image, a classifier. Three forms differ in where
else they normalise. Parameters at width 64, blocks (2, 2, 2, 2), 3 channels and 10 classes:

| `model.name` | after the stem | identity shortcuts take | before the pooling | parameters |
|---|---|---|---|---|
| preact-resnet18 | - | the raw input | BN-ReLU | 11,172,170 |
| preact-resnet18-without-final-norm | - | the raw input | - | 11,171,146 |
| preact-resnet18-mixup | BN-ReLU | the activated input | - | 11,171,274 |

The forms of a seed share all initial weights of convolutions and classifier: batch normalisation draws none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from smallmix.science.network import NetworkCost
from smallmix.study.cell import ModelValue

if TYPE_CHECKING:
    from torch import nn

STAGE_STRIDES = (1, 2, 2, 2)
MAPS_A_BLOCK = 10  # of a training step: activations kept for the backward pass, gradients and work space


class PreActivationForm(NamedTuple):
    """What tells the pre-activation networks apart (a Network): blocks and convolutions are the same."""

    norm_after_stem: bool  # batch normalisation and ReLU between the stem and the first block
    activated_shortcuts: bool  # an identity shortcut takes the block's input after batch normalisation and ReLU
    final_norm: bool  # batch normalisation and ReLU between the last block and the pooling

    def build(self, value: ModelValue, channels: int, classes: int) -> nn.Module:
        """See Network."""
        from smallmix.science.networks.preactivation_layers import PreActivationResNet

        return PreActivationResNet(self, value.width, value.blocks, channels, classes)

    def stages(self, value: ModelValue) -> int:
        """See Network."""
        return len(value.blocks)

    def draws(self, value: ModelValue) -> bool:
        """See Network."""
        return False

    def cost(self, value: ModelValue, side: int, channels: int, classes: int) -> NetworkCost:
        """See Network; by formulas, since most plans are of such a network."""
        maps = sum(count / 2**stage for stage, count in enumerate(value.blocks))
        return NetworkCost(
            parameters=self._parameters(value, channels, classes),
            flops=self._flops(value, side, channels, classes),
            layers=2 * sum(value.blocks) + 2,
            kept=int(MAPS_A_BLOCK * maps * value.width * side * side),
            largest=value.width * side * side,
        )

    def _flops(self, value: ModelValue, side: int, channels: int, classes: int) -> int:
        """Count the operations of convolutions and classifier."""
        total = 2 * 9 * channels * value.width * side * side
        shapes = block_shapes(value.width, value.blocks)
        for channels_in, channels_out, stride in shapes:
            side = -(-side // stride)
            total += 2 * 9 * side * side * channels_out * (channels_in + channels_out)
            if needs_projection(channels_in, channels_out, stride):
                total += 2 * side * side * channels_in * channels_out
        return total + 2 * shapes[-1].channels_out * classes

    def _parameters(self, value: ModelValue, channels: int, classes: int) -> int:
        """Count convolutions without bias, two weights a channel in each batch normalisation, and the classifier."""
        total = 9 * channels * value.width + (2 * value.width if self.norm_after_stem else 0)
        shapes = block_shapes(value.width, value.blocks)
        for channels_in, channels_out, stride in shapes:
            total += 2 * (channels_in + channels_out) + 9 * channels_out * (channels_in + channels_out)
            if needs_projection(channels_in, channels_out, stride):
                total += channels_in * channels_out
        last = shapes[-1].channels_out
        return total + (2 * last if self.final_norm else 0) + (last + 1) * classes


class BlockShape(NamedTuple):
    """A block's channels and the stride of its first convolution."""

    channels_in: int
    channels_out: int
    stride: int


def block_shapes(width: int, blocks: tuple[int, ...]) -> list[BlockShape]:
    """Return the blocks in order. Each stage doubles the channels; its first block halves the image, but in stage 1."""
    shapes, channels_in = [], width
    for stage, (count, stage_stride) in enumerate(zip(blocks, STAGE_STRIDES, strict=True)):
        for number in range(count):
            shapes.append(BlockShape(channels_in, width * 2**stage, stage_stride if number == 0 else 1))
            channels_in = width * 2**stage
    return shapes


def needs_projection(channels_in: int, channels_out: int, stride: int) -> bool:
    """Return whether a block's shortcut must change the shape."""
    return stride != 1 or channels_in != channels_out
