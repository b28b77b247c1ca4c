"""Blank a square of every image (DeVries & Taylor, Improved Regularization with Cutout, 2017, section 3.2).

The square's centre is uniform for each image, and what sticks out over the border is cut off, so that less is blanked
there. The paper found that to matter. It is filled with 0 after the normalisation: the mean of the training images.
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


@dataclass(frozen=True)
class Cutout(Method):
    """A square hole whose side is the share `hole` of the image's side; the paper's is 16 of 32 pixels on CIFAR-10."""

    hole: float

    def draw(self, draws: Draws) -> Mapping[str, NDArray[Any]]:
        """Return the centres of the holes as fractions of the image's side: float32 [I, B]."""
        centres = draws.generator("box").random((2, draws.iterations, draws.images), dtype=np.float32)
        return {"centre_y": centres[0], "centre_x": centres[1]}

    def mix(self, images: Tensor, row: BatchRow) -> Tensor:
        """Return the images with their holes."""
        from smallmix.science.boxes import blank, box_around

        pixels = max(1, round(self.hole * row.side))
        before = pixels // 2
        hole = box_around(row.drawn["centre_y"], row.drawn["centre_x"], before, pixels - before, row.side)
        return blank(images, hole.mask(row.side))


METHOD = Cutout
