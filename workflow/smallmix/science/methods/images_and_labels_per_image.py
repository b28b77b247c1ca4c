"""Mix images and labels with the same weight, one for each image (Zhang et al., mixup, ICLR 2018, equation (2)).

The paper defines a weight for each pair of images; its code, and so the article, draws one for each batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Draws, Method
from smallmix.science.mixing import mix_images_one_by_one, mix_shares

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ImagesAndLabelsPerImage(Method):
    """lambda x own + (1 - lambda) x partner's, of images and of labels; each image's lambda ~ Beta(a, b)."""

    beta: tuple[float, float]
    mixes_arrays: ClassVar[bool] = True

    def draw(self, draws: Draws) -> Mapping[str, NDArray[Any]]:
        """Return the weights of the own images and of their labels, both the same lambda: float32 [I, B]."""
        weights = draws.generator("mixing weight").beta(*self.beta, size=(draws.iterations, draws.images))
        return {"image_weight": weights.astype(np.float32)}

    def mix(self, images: Tensor, row: BatchRow) -> Tensor:
        """Return the mixed images."""
        return mix_images_one_by_one(images, row.partner, row.drawn["image_weight"])

    def target(self, one_hot: Tensor, row: BatchRow) -> Tensor:
        """Return both labels' shares: the weights of their images."""
        return mix_shares(one_hot, row.partner, row.drawn["image_weight"][:, None])

    def loss(self, log_probabilities: Tensor, labels: Tensor, row: BatchRow) -> Tensor:
        """Return the mean cross-entropy against both labels, weighted; float32 scalar."""
        from smallmix.science.losses import mixed_loss_by_image

        return mixed_loss_by_image(log_probabilities, labels, row.partner, row.drawn["image_weight"])


METHOD = ImagesAndLabelsPerImage
