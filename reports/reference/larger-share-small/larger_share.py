"""Mixing of images alone, where the label is that of the image with the larger share. One weight for each batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Draws, Method
from torch import Tensor


@dataclass(frozen=True)
class LargerShare(Method):
    """Mix with the share max(lambda, 1 - lambda) of the own image, lambda ~ Beta(a, b), and keep the own label.

    The numbers lambda of a seed are those of `mix: images` with the same two parameters.
    """

    beta: tuple[float, float]

    def draw(self, draws: Draws) -> Mapping[str, NDArray[Any]]:
        """Return the shares of the own image: float32 [I], from 1/2 to 1."""
        weights = draws.generator("mixing weight").beta(*self.beta, size=draws.iterations)
        return {"own_share": np.maximum(weights, 1 - weights).astype(np.float32)}

    def mix(self, images: Tensor, row: BatchRow) -> Tensor:
        """Return the mixed images: float32 [B, C, H, W]."""
        own = row.drawn["own_share"]
        return own * images + (1 - own) * images[row.partner]
