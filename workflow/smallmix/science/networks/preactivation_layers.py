"""The layers of the pre-activation ResNets; their forms and costs: `preactivation`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from smallmix.science.network import MixStage
from smallmix.science.networks.layers import after_stage, batch_norm, image_means
from smallmix.science.networks.preactivation import PreActivationForm, block_shapes, needs_projection


class PreActivationBlock(nn.Module):
    """BN-ReLU-conv twice, and a shortcut.

    An identity shortcut takes the raw or the activated input, as the network's form says. Where the shape changes, a
    projection of the activated input takes its place. `dropout` is the share of the numbers before the second
    convolution that a training step sets to 0.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int,
        activated_shortcut: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.activated_shortcut = activated_shortcut
        self.dropout = dropout
        self.norm1 = batch_norm(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.norm2 = batch_norm(channels_out)
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
        if self.dropout:
            hidden = functional.dropout(hidden, self.dropout, self.training)
        output: Tensor = self.conv2(hidden)
        output += shortcut
        return output


class PreActivationResNet(nn.Module):
    """Maps float32 [B, C, H, W] (square, at least 8 pixels a side) to logits float32 [B, classes]."""

    def __init__(
        self, form: PreActivationForm, width: int, blocks: tuple[int, ...], channels: int, classes: int
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.stem_norm = batch_norm(width) if form.norm_after_stem else None
        shapes = block_shapes(width, blocks)
        self.stages = nn.Sequential(*(PreActivationBlock(*shape, form.activated_shortcuts) for shape in shapes))
        # The number of the stage that ends with a block; 0 where a stage goes on.
        self.stage_ends = [number for number, count in enumerate(blocks, 1) for number in [0] * (count - 1) + [number]]
        self.final_norm = batch_norm(shapes[-1].channels_out) if form.final_norm else None
        self.classifier = nn.Linear(shapes[-1].channels_out, classes)

    def forward(self, images: Tensor, mix_stage: MixStage | None = None) -> Tensor:
        features = self.stem(images)
        if self.stem_norm is not None:
            features = functional.relu(self.stem_norm(features), inplace=True)
        for block, ended in zip(self.stages, self.stage_ends, strict=True):
            features = block(features)
            if ended:
                features = after_stage(features, ended, mix_stage)
        if self.final_norm is not None:
            features = functional.relu(self.final_norm(features), inplace=True)
        logits: Tensor = self.classifier(image_means(features))
        return logits
