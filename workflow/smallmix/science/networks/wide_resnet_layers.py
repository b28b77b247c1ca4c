"""The layers of the wide residual network; its source and sizes: `wide_resnet`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from smallmix.science.network import MixStage
from smallmix.science.networks.layers import after_stage, batch_norm, image_means
from smallmix.science.networks.preactivation_layers import PreActivationBlock

STEM_CHANNELS = 16
STRIDES = (1, 2, 2)


class WideResNet(nn.Module):
    """Maps float32 [B, C, H, W] (square, at least 8 pixels a side) to logits float32 [B, classes]."""

    def __init__(self, depth: int, width: int, dropout: float, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, STEM_CHANNELS, 3, padding=1, bias=False)
        groups, channels_in = [], STEM_CHANNELS
        for number, stride in enumerate(STRIDES):
            channels_out = width * 2**number
            blocks = [PreActivationBlock(channels_in, channels_out, stride, dropout=dropout)]
            blocks += [
                PreActivationBlock(channels_out, channels_out, 1, dropout=dropout) for _ in range((depth - 4) // 6 - 1)
            ]
            groups.append(nn.Sequential(*blocks))
            channels_in = channels_out
        self.stages = nn.ModuleList(groups)
        self.final_norm = batch_norm(channels_in)
        self.classifier = nn.Linear(channels_in, classes)

    def forward(self, images: Tensor, mix_stage: MixStage | None = None) -> Tensor:
        features = self.stem(images)
        for number, group in enumerate(self.stages, 1):
            features = after_stage(group(features), number, mix_stage)
        features = functional.relu(self.final_norm(features), inplace=True)
        logits: Tensor = self.classifier(image_means(features))
        return logits
