"""The residual network of He et al. (Deep Residual Learning for Image Recognition, CVPR 2016) for small images.

Blocks and widths are those of its table 1 (ResNet-18), shortcuts those of option B. As in its section 4.2, a 3 x 3
convolution stands for the 7 x 7 one and its pooling. At width 64, blocks (2, 2, 2, 2), 3 channels and 10 classes it has
11,173,962 parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smallmix.science.network import UncountedNetwork
from smallmix.study.cell import ModelValue

if TYPE_CHECKING:
    from torch import nn


class ResNet18(UncountedNetwork):
    """A stem, four stages of blocks, a mean over the image, a classifier (a Network)."""

    def build(self, value: ModelValue, channels: int, classes: int) -> nn.Module:
        """See Network."""
        from smallmix.science.networks.resnet18_layers import ResNet

        return ResNet(value.width, value.blocks, channels, classes)

    def stages(self, value: ModelValue) -> int:
        """See Network."""
        return len(value.blocks)


NETWORK = ResNet18()
