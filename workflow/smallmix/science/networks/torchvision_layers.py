"""What is changed in a network of torchvision: its input, its stem, and layers that would not be deterministic."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import ResNet

from smallmix.errors import ConfigurationError

CHANNELS = 3  # of every network of torchvision


class AdaptedNetwork(nn.Module):
    """A network of torchvision behind images of one or three channels and any size.

    Maps float32 [B, C, H, W] to logits float32 [B, classes].
    """

    def __init__(self, network: nn.Module, channels: int, image_size: int) -> None:
        super().__init__()
        self.network = network
        self.channels, self.image_size = channels, image_size

    def forward(self, images: Tensor) -> Tensor:
        if self.channels != CHANNELS:
            images = images.expand(-1, CHANNELS, -1, -1)
        if self.image_size:
            # Images need no gradient, so the backward pass, which is not deterministic on CUDA, is never taken.
            size = (self.image_size, self.image_size)
            images = functional.interpolate(images, size=size, mode="bilinear", align_corners=False)
        logits: Tensor = self.network(images)
        return logits


class MeansOverRegions(nn.Module):
    """Adaptive average pooling as two products of matrices: its own backward pass is not deterministic on CUDA."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, features: Tensor) -> Tensor:
        height, width = features.shape[2:]
        if (height, width) == self.size:
            return features
        rows = _shares(height, self.size[0], features)
        columns = _shares(width, self.size[1], features)
        return torch.matmul(torch.matmul(rows, features), columns.transpose(0, 1))


def _shares(length: int, count: int, like: Tensor) -> Tensor:
    """Return the share of every position in the mean of every region, [count, length].

    Region k goes from floor(k x length / count) to the position before ceil((k + 1) x length / count).
    """
    regions = torch.arange(count, device=like.device)[:, None]
    positions = torch.arange(length, device=like.device)[None, :]
    first, end = regions * length // count, -(-(regions + 1) * length // count)
    inside = ((positions >= first) & (positions < end)).to(like.dtype)
    return inside / inside.sum(dim=1, keepdim=True)


def make_deterministic(network: nn.Module) -> nn.Module:
    """Replace adaptive average pooling, but for the mean over the whole image, whose backward pass is deterministic."""
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.AdaptiveAvgPool2d):
                size = child.output_size
                rows, columns = size if isinstance(size, tuple) else (size, size)
                if (rows, columns) != (1, 1) and rows is not None and columns is not None:
                    setattr(module, name, MeansOverRegions((rows, columns)))
    return network


def with_small_stem(network: nn.Module, name: str) -> ResNet:
    """Return a ResNet with a stem for small images. Raises ConfigurationError for any other network."""
    if not isinstance(network, ResNet):
        raise ConfigurationError(
            f"model.parameters: stem: found small; {name} is no ResNet, and its stem stays. Write stem: original."
        )
    network.conv1 = nn.Conv2d(CHANNELS, network.conv1.out_channels, 3, padding=1, bias=False)
    # As torchvision initialises its own convolutions.
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()
    return network
