"""The wide residual network (Zagoruyko and Komodakis, Wide Residual Networks, BMVC 2016, table 1).

A stem of 16 channels, three groups of pre-activation blocks with dropout between their convolutions (figure 1d), batch
normalisation and ReLU, a mean over the image, a classifier. Depth is 6 n + 4 with n blocks in each group. `width` is
the number of channels of the first group, 16 k for the paper's widening factor k. WRN-16-4 is depth 16 and width 64,
with 2,748,890 parameters for 3 channels and 10 classes. WRN-28-10 is depth 28 and width 160, with 36,479,194.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smallmix.science.network import UncountedNetwork
from smallmix.study.cell import ModelValue

if TYPE_CHECKING:
    from torch import nn


class WideResNetForm(UncountedNetwork):
    """The network by its depth, width and dropout (a Network)."""

    def build(self, value: ModelValue, channels: int, classes: int) -> nn.Module:
        """See Network."""
        from smallmix.science.networks.wide_resnet_layers import WideResNet

        parameters = dict(value.parameters)
        return WideResNet(parameters["depth"], value.width, parameters["dropout"], channels, classes)

    def stages(self, value: ModelValue) -> int:
        """See Network."""
        return 3

    def draws(self, value: ModelValue) -> bool:
        """See Network."""
        return bool(dict(value.parameters)["dropout"] > 0)


NETWORK = WideResNetForm()
