"""Rectangles of pixels, for methods that replace a part of an image.

A batch plan does not know how large an image is. Methods draw centres and sides as fractions of the image's side, and a
step makes pixels of them. Edges are whole numbers of pixels, kept as float32: they are exact there.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Box(NamedTuple):
    """Rows top … bottom - 1 and columns left … right - 1 of an image: each float32, all [] or all [B]."""

    top: Tensor
    bottom: Tensor
    left: Tensor
    right: Tensor

    @property
    def area(self) -> Tensor:
        """Return the number of pixels inside, float32 of the edges' shape."""
        return (self.bottom - self.top) * (self.right - self.left)

    def mask(self, side: int) -> Tensor:
        """Return which pixels of an image of `side` x `side` lie inside: bool [side, side], or [B, 1, side, side]."""
        places = torch.arange(side, dtype=torch.float32, device=self.top.device)
        rows = (places >= self.top[..., None]) & (places < self.bottom[..., None])
        columns = (places >= self.left[..., None]) & (places < self.right[..., None])
        inside = rows[..., :, None] & columns[..., None, :]
        return inside[:, None] if inside.ndim == 3 else inside


def box_around(centre_y: Tensor, centre_x: Tensor, before: Tensor | int, after: Tensor | int, side: int) -> Box:
    """Return a box around a pixel, cut off at the image's border.

    Centres are fractions of the side, in [0, 1). The box begins `before` pixels before the centre's pixel, and ends
    with the one `after` - 1 pixels behind it.
    """
    y, x = (centre_y * side).floor(), (centre_x * side).floor()
    top, bottom, left, right = (edge.clamp(0, side) for edge in (y - before, y + after, x - before, x + after))
    return Box(top, bottom, left, right)


def blank(images: Tensor, inside: Tensor) -> Tensor:
    """Return images float32 [B, C, H, W] with 0 wherever `inside`, bool [B, 1, H, W], is true."""
    # Not masked_fill, which brings images into another order in memory.
    return images.new_zeros(()).where(inside, images)
