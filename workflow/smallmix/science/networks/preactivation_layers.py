"""The layers of the pre-activation ResNets; their forms and costs: `preactivation`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from smallmix.science.networks.preactivation import PreActivationForm, block_shapes, needs_projection


class PreActivationBlock(nn.Module):
    """BN-ReLU-conv twice, and a shortcut.

    An identity shortcut takes the raw or the activated input, as the network's form says. Where the shape changes, a
    projection of the activated input takes its place.
    """

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

    def __init__(
        self, form: PreActivationForm, width: int, blocks: tuple[int, ...], channels: int, classes: int
    ) -> None:
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


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    """Return batch normalisation without its counter of batches: nothing reads it, and it costs a kernel a layer."""
    layer = nn.BatchNorm2d(channels)
    layer.num_batches_tracked = None
    return layer
