"""Pre-activation ResNets for small images (He et al., Identity Mappings in Deep Residual Networks, 2016).

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

import torch
from torch import Tensor, nn
from torch.nn import functional

from smallmix.science.network_shape import NETWORK_FORMS, NetworkForm, block_shapes, needs_projection
from smallmix.science.randomness import weights_seed
from smallmix.study.cell import ModelValue

SMALLEST_IMAGE = 8


class PreActivationBlock(nn.Module):
    """BN-ReLU-conv twice. An identity shortcut takes the raw or the activated input, as the network's form says. Where
    the shape changes, a projection of the activated input takes its place."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, activated_shortcut: bool = False) -> None:
        super().__init__()
        self.activated_shortcut = activated_shortcut
        self.norm1 = _batch_norm(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.norm2 = _batch_norm(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.projection = (
            nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False)
            if needs_projection(channels_in, channels_out, stride)
            else None
        )

    def forward(self, features: Tensor) -> Tensor:
        # In place where no gradient needs what is overwritten: new memory costs a twelfth of a step on a CPU.
        activated = functional.relu(self.norm1(features), inplace=True)
        if self.projection is not None:
            shortcut = self.projection(activated)
        else:
            shortcut = activated if self.activated_shortcut else features
        hidden = functional.relu(self.norm2(self.conv1(activated)), inplace=True)
        output: Tensor = self.conv2(hidden)
        output += shortcut
        return output


class PreActivationResNet(nn.Module):
    """Maps float32 [B, C, H, W] (square, at least 8 pixels a side) to logits float32 [B, classes]."""

    def __init__(self, form: NetworkForm, width: int, blocks: tuple[int, ...], channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.stem_norm = _batch_norm(width) if form.norm_after_stem else None
        shapes = block_shapes(width, blocks)
        self.stages = nn.Sequential(*(PreActivationBlock(*shape, form.activated_shortcuts) for shape in shapes))
        self.final_norm = _batch_norm(shapes[-1].channels_out) if form.final_norm else None
        self.classifier = nn.Linear(shapes[-1].channels_out, classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.stem(images)
        if self.stem_norm is not None:
            features = functional.relu(self.stem_norm(features), inplace=True)
        features = self.stages(features)
        if self.final_norm is not None:
            features = functional.relu(self.final_norm(features), inplace=True)
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
        return PreActivationResNet(NETWORK_FORMS[value.name], value.width, value.blocks, channels, classes)


def count_parameters(model: nn.Module) -> int:
    """The number of trainable weights."""
    return sum(parameter.numel() for parameter in model.parameters())


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation without the counter of batches, which nothing reads and which costs a kernel a layer."""
    layer = nn.BatchNorm2d(channels)
    layer.num_batches_tracked = None
    return layer
