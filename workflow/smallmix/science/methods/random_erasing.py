"""Blank a rectangle of some images (Zhong et al., Random Erasing Data Augmentation, AAAI 2020, algorithm 1).

For each image: with a probability, a rectangle of uniform area and uniform aspect ratio (height / width) at a uniform
place; all three are drawn again until the rectangle lies inside the image, which makes small ones more frequent.

It is filled with 0 after the normalisation, the mean of the training images: the paper's variant RE-M. Its variant
RE-R fills with noise, and did about as well there. Noise for every pixel could not be drawn ahead as a table, since the
plan does not know the image's size. With one filling, this method and cutout differ in their holes alone.
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
class RandomErasing(Method):
    """A hole with `probability`, its area and its aspect ratio uniform in ranges; areas are shares of the image's."""

    probability: float
    area: tuple[float, float]
    aspect: tuple[float, float]

    def draw(self, draws: Draws) -> Mapping[str, NDArray[Any]]:
        """Return which images are erased, bool [I, B], and where, as fractions, float32 [I, B].

        height and width are fractions of the image's side, place_y and place_x of what the rectangle leaves free.
        """
        shape = (draws.iterations, draws.images)
        height, width = self._sides(draws.generator("box"), shape)
        places = draws.generator("place").random((2, *shape), dtype=np.float32)
        erased = draws.generator("erased").random(shape) < self.probability
        return {"erased": erased, "height": height, "width": width, "place_y": places[0], "place_x": places[1]}

    def mix(self, images: Tensor, row: BatchRow) -> Tensor:
        """Return the images with their holes."""
        from smallmix.science.boxes import Box, blank

        height, width = ((row.drawn[name] * row.side).round().clamp(1, row.side) for name in ("height", "width"))
        top = (row.drawn["place_y"] * (row.side - height + 1)).floor()
        left = (row.drawn["place_x"] * (row.side - width + 1)).floor()
        inside = Box(top, top + height, left, left + width).mask(row.side)
        return blank(images, inside & row.drawn["erased"][:, None, None, None])

    def _sides(
        self, generator: np.random.Generator, shape: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return heights and widths as fractions, float32 of a shape, distributed as algorithm 1 accepts them.

        A rectangle at a uniform place lies inside with the probability (1 - height) x (1 - width); where it does, its
        place is uniform among those inside. So the place itself need not be drawn here.
        """
        sides = np.empty((2, shape[0] * shape[1]))
        waiting = np.arange(sides.shape[1])
        while len(waiting):
            area, aspect, inside = generator.random((3, len(waiting)))
            area = self.area[0] + (self.area[1] - self.area[0]) * area
            aspect = self.aspect[0] + (self.aspect[1] - self.aspect[0]) * aspect
            sides[:, waiting] = height, width = np.sqrt(area * aspect), np.sqrt(area / aspect)
            waiting = waiting[inside >= np.maximum(1 - height, 0) * np.maximum(1 - width, 0)]
        height, width = sides.astype(np.float32).reshape(2, *shape)
        return height, width


METHOD = RandomErasing
