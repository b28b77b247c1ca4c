"""A small plain network that is fast on CPUs: three convolutions with batch normalisation and ReLU, and a classifier.

The first convolution has stride 1, the others stride 2 and twice as many channels as the one before. It is of no paper.
With width 64, 3 channels and 10 classes it has 373,834 parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smallmix.science.network import UncountedNetwork
from smallmix.study.cell import ModelValue

if TYPE_CHECKING:
    from torch import nn


class ConvNetForm(UncountedNetwork):
    """The network by its width (a Network)."""

    def build(self, value: ModelValue, channels: int, classes: int) -> nn.Module:
        """See Network."""
        from smallmix.science.networks.convnet_layers import ConvNet

        return ConvNet(value.width, channels, classes)

    def stages(self, value: ModelValue) -> int:
        """See Network."""
        return 3


NETWORK = ConvNetForm()
