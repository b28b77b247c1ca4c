"""What several networks are built from."""

from __future__ import annotations

from torch import Tensor, nn

from smallmix.science.network import MixStage


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Return batch normalisation without its counter of batches: nothing reads it, and it costs a kernel a layer."""
    layer = nn.BatchNorm2d(channels)
    layer.num_batches_tracked = None
    return layer


def after_stage(features: Tensor, stage: int, mix_stage: MixStage | None) -> Tensor:
    """Return what follows on a stage: its features, or what `mix_stage` makes of them. Stages count from 1."""
    return features if mix_stage is None else mix_stage(features, stage)


def image_means(features: Tensor) -> Tensor:
    """Return the mean of every channel over the image: [B, C, H, W] to [B, C].

    A plain mean: the backward pass of adaptive pooling is not deterministic on CUDA.
    """
    return features.mean(dim=(2, 3))
