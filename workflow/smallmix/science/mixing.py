"""How images and features are mixed, in one place for training and for pictures of it."""

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


def mix_images_one_by_one(images: Values, partner: Values, image_weights: Values) -> Values:
    """Return the same with a weight for each image, float32 [B]."""
    return mix_images(images, partner, image_weights[:, None, None, None])


def mix_features(features: Tensor, partner: Tensor, weight: Tensor) -> Tensor:
    """Return the same of features [B, ...], through which gradients flow; the weight is a float32 scalar."""
    # The gradient of index_select adds whole rows, where that of an index adds number by number on a CPU.
    return features * weight + features.index_select(0, partner) * (1 - weight)


def mix_shares(one_hot: Values, partner: Values, label_weight: Values) -> Values:
    """Return the targets of mixed labels: weight x own + (1 - weight) x partner's, float32 [B, classes].

    The weight is a float32 scalar, or float32 [B, 1]. All three are tensors, or all three are arrays.
    """
    mixed: Values = one_hot * label_weight + one_hot[partner] * (1 - label_weight)
    return mixed
