"""The layers of the residual network `resnet18`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from smallmix.science.network import MixStage
from smallmix.science.networks.layers import after_stage, batch_norm, image_means
from smallmix.science.networks.preactivation import block_shapes, needs_projection


class ResidualBlock(nn.Module):
    """Conv-BN-ReLU-conv-BN, a shortcut, and a ReLU of their sum (figure 2 of the paper).

    Where the shape changes, the shortcut is a 1 x 1 convolution with batch normalisation.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = batch_norm(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = batch_norm(channels_out)
        self.projection = (
            nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False), batch_norm(channels_out))
            if needs_projection(channels_in, channels_out, stride)
            else None
        )

    def forward(self, features: Tensor) -> Tensor:
        hidden = functional.relu(self.norm1(self.conv1(features)), inplace=True)
        output: Tensor = self.norm2(self.conv2(hidden))
        output += features if self.projection is None else self.projection(features)
        return functional.relu(output, inplace=True)


class ResNet(nn.Module):
    """Maps float32 [B, C, H, W] (square, at least 8 pixels a side) to logits float32 [B, classes]."""

    def __init__(self, width: int, blocks: tuple[int, ...], channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.stem_norm = batch_norm(width)
        shapes = block_shapes(width, blocks)
        starts = [sum(blocks[:stage]) for stage in range(len(blocks))]
        self.stages = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(*shape) for shape in shapes[start : start + count]))
            for start, count in zip(starts, blocks, strict=True)
        )
        self.classifier = nn.Linear(shapes[-1].channels_out, classes)

    def forward(self, images: Tensor, mix_stage: MixStage | None = None) -> Tensor:
        features = functional.relu(self.stem_norm(self.stem(images)), inplace=True)
        for number, stage in enumerate(self.stages, 1):
            features = after_stage(stage(features), number, mix_stage)
        logits: Tensor = self.classifier(image_means(features))
        return logits
