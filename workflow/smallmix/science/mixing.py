"""How a batch's images are mixed, in one place for training and for pictures of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Values = TypeVar("Values", "Tensor", "NDArray[Any]")


def mix_images(images: Values, partner: Values, image_weight: Values) -> Values:
    """Return weight x image + (1 - weight) x partner's image.

    Images are float32 [B, C, H, W], partner is int64 [B], the weight is a float32 scalar in [0, 1]. All three are
    tensors, or all three are arrays: figures mix without PyTorch, whose import takes seconds.
    """
    mixed: Values = images * image_weight + images[partner] * (1 - image_weight)
    return mixed
