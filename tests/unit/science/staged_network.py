"""A small network with stages, for tests of methods that mix features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class TwoStages(torch.nn.Module):
    """A network with two stages, as every network of ours is called: `mix_stage` is left out where nothing mixes."""

    def __init__(self, classes: int = 10, device: torch.device | None = None) -> None:
        super().__init__()
        with torch.random.fork_rng(), device or torch.device("cpu"):
            torch.manual_seed(0)
            self.first, self.second = torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 6, 3, padding=1)
            self.last = torch.nn.Linear(6, classes)

    def forward(self, images: Tensor, mix_stage: Callable[[Tensor, int], Tensor] | None = None) -> Tensor:
        features = images
        for stage, layer in enumerate((self.first, self.second), start=1):
            features = layer(features).relu()
            features = features if mix_stage is None else mix_stage(features, stage)
        logits: Tensor = self.last(features.mean(dim=(2, 3)))
        return logits
