"""The article's network as it is usually written, for the reference: no care is taken of memory or of small kernels.

Layers have the names that they have in `smallmix.science.networks.preactivation_layers`, so that both can be given the
same weights.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

BLOCKS_A_STAGE = 2
STAGES = 4


class UsualBlock(nn.Module):
    """BN-ReLU-conv twice, with a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        if stride != 1 or channels_in != channels_out:
            self.projection = nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        activated = functional.relu(self.norm1(features))
        shortcut = self.projection(activated) if hasattr(self, "projection") else features
        hidden = self.conv2(functional.relu(self.norm2(self.conv1(activated))))
        output: Tensor = hidden + shortcut
        return output


class UsualNetwork(nn.Module):
    """Pre-activation ResNet-18 for images float32 [B, C, H, W]; logits float32 [B, classes]."""

    def __init__(self, width: int, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        blocks, channels_in = [], width
        for stage in range(STAGES):
            for block in range(BLOCKS_A_STAGE):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(UsualBlock(channels_in, width * 2**stage, stride))
                channels_in = width * 2**stage
        self.stages = nn.Sequential(*blocks)
        self.final_norm = nn.BatchNorm2d(channels_in)
        self.classifier = nn.Linear(channels_in, classes)

    def forward(self, images: Tensor) -> Tensor:
        features = functional.relu(self.final_norm(self.stages(self.stem(images))))
        logits: Tensor = self.classifier(functional.adaptive_avg_pool2d(features, 1).flatten(1))
        return logits
