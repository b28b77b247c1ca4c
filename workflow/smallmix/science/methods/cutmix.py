"""Paste a box of the partner's image, weight the labels by area (Yun et al., CutMix, ICCV 2019, section 3).

As in the paper one box for each batch: its sides are sqrt(1 - lambda) of the image's, its centre is uniform, and what
sticks out over the border is cut off. The labels are weighted by the pixels that were really pasted, as in the paper's
code, not by lambda.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Draws, Method

if TYPE_CHECKING:
    from torch import Tensor

    from smallmix.science.boxes import Box


@dataclass(frozen=True)
class CutMix(Method):
    """A box of the partner's image in the own one; lambda ~ Beta(a, b) is the own share before the box is cut off."""

    beta: tuple[float, float]

    def draw(self, draws: Draws) -> Mapping[str, NDArray[Any]]:
        """Return the boxes as fractions of the image's side: half of their side, and their centre; float32 [I]."""
        own = draws.generator("mixing weight").beta(*self.beta, size=draws.iterations)
        centres = draws.generator("box").random((2, draws.iterations), dtype=np.float32)
        return {"half": (0.5 * np.sqrt(1 - own)).astype(np.float32), "centre_y": centres[0], "centre_x": centres[1]}

    def mix(self, images: Tensor, row: BatchRow) -> Tensor:
        """Return the images with the box of their partners' in them."""
        inside = self._box(row).mask(row.side)
        return images[row.partner].where(inside, images)

    def target(self, one_hot: Tensor, row: BatchRow) -> Tensor:
        """Return both labels' shares: the shares of the pixels."""
        from smallmix.science.mixing import mix_shares

        return mix_shares(one_hot, row.partner, self._own_share(row))

    def loss(self, log_probabilities: Tensor, labels: Tensor, row: BatchRow) -> Tensor:
        """Return the mean cross-entropy against both labels, weighted; float32 scalar."""
        from smallmix.science.losses import mixed_loss

        return mixed_loss(log_probabilities, labels, row.partner, self._own_share(row))

    def _own_share(self, row: BatchRow) -> Tensor:
        """Return the share of the pixels that stay the image's own, float32 scalar."""
        return 1 - self._box(row).area / row.side**2

    def _box(self, row: BatchRow) -> Box:
        from smallmix.science.boxes import box_around

        half = (row.drawn["half"] * row.side).floor()
        return box_around(row.drawn["centre_y"], row.drawn["centre_x"], half, half, row.side)


METHOD = CutMix
