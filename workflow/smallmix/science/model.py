"""Pre-activation ResNet for small images (He et al., Identity Mappings in Deep Residual Networks, 2016).

The article's network: convolution stem, four stages of BN-ReLU-conv blocks, no final batch normalisation. At width 64,
blocks (2, 2, 2, 2), 3 channels and 10 classes it has 11,171,146 parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from smallmix.science.randomness import weights_seed
from smallmix.study.cell import ModelValue

STAGE_STRIDES = (1, 2, 2, 2)
SMALLEST_IMAGE = 8


class PreActivationBlock(nn.Module):
    """BN-ReLU-conv twice. An identity shortcut takes the raw input; where the shape changes, a projection of the
    activated input takes its place."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.norm1 = _batch_norm(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.norm2 = _batch_norm(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        changes_shape = stride != 1 or channels_in != channels_out
        self.projection = nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False) if changes_shape else None

    def forward(self, features: Tensor) -> Tensor:
        activated = functional.relu(self.norm1(features))
        shortcut = features if self.projection is None else self.projection(activated)
        hidden = functional.relu(self.norm2(self.conv1(activated)))
        output: Tensor = self.conv2(hidden) + shortcut
        return output


class PreActivationResNet(nn.Module):
    """Maps float32 [B, C, H, W] (square, at least 8 pixels a side) to logits float32 [B, classes]."""

    def __init__(self, width: int, blocks: tuple[int, ...], channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        layers: list[nn.Module] = []
        channels_in = width
        for stage, (count, stage_stride) in enumerate(zip(blocks, STAGE_STRIDES, strict=True)):
            channels_out = width * 2**stage
            for number in range(count):
                layers.append(PreActivationBlock(channels_in, channels_out, stage_stride if number == 0 else 1))
                channels_in = channels_out
        self.stages = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels_in, classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.stages(self.stem(images))
        # A plain mean: the backward pass of adaptive pooling is not deterministic on CUDA.
        logits: Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits


def build_model(value: ModelValue, image_shape: tuple[int, int, int], classes: int, seed: int) -> PreActivationResNet:
    """A network with its initial weights, on the CPU; the same weights for every method and size of a seed.

    image_shape is (height, width, channels). Weights are PyTorch's defaults (Kaiming uniform).
    Raises ValueError for images that are not square or smaller than 8 pixels a side.
    """
    height, width, channels = image_shape
    if height != width or height < SMALLEST_IMAGE:
        raise ValueError(f"the network takes square images of at least {SMALLEST_IMAGE} pixels, not {height} x {width}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights_seed(seed))
        return PreActivationResNet(value.width, value.blocks, channels, classes)


def count_parameters(model: nn.Module) -> int:
    """The number of trainable weights."""
    return sum(parameter.numel() for parameter in model.parameters())


def forward_flops(value: ModelValue, image_shape: tuple[int, int, int], classes: int) -> int:
    """Floating-point operations of one image's forward pass, convolutions and classifier (a multiply-add is two)."""
    height, _, channels = image_shape
    side, total = height, 2 * 9 * channels * value.width * height * height
    channels_in = value.width
    for stage, (count, stride) in enumerate(zip(value.blocks, STAGE_STRIDES, strict=True)):
        channels_out = value.width * 2**stage
        side = -(-side // stride)
        for number in range(count):
            total += 2 * 9 * side * side * channels_out * (channels_in + channels_out)
            if channels_in != channels_out or (number == 0 and stride != 1):
                total += 2 * side * side * channels_in * channels_out
            channels_in = channels_out
    return total + 2 * channels_in * classes


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation without the counter of batches, which nothing reads and which costs a kernel a layer."""
    layer = nn.BatchNorm2d(channels)
    layer.num_batches_tracked = None
    return layer
