"""The layers of the plain network `convnet`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from smallmix.science.network import MixStage
from smallmix.science.networks.layers import after_stage, batch_norm, image_means

STRIDES = (1, 2, 2)


class ConvNet(nn.Module):
    """Maps float32 [B, C, H, W] (square, at least 8 pixels a side) to logits float32 [B, classes]."""

    def __init__(self, width: int, channels: int, classes: int) -> None:
        super().__init__()
        widths = [width * 2**number for number in range(len(STRIDES))]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
            for channels_in, channels_out, stride in zip([channels, *widths], widths, STRIDES, strict=False)
        )
        self.norms = nn.ModuleList(batch_norm(channels_out) for channels_out in widths)
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor, mix_stage: MixStage | None = None) -> Tensor:
        features = images
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True), 1):
            features = functional.relu(norm(convolution(features)), inplace=True)
            features = after_stage(features, number, mix_stage)
        logits: Tensor = self.classifier(image_means(features))
        return logits
