"""Mix images, keep the own label, with a weight for each image (as `images`, which draws one for each batch).

Zhang et al. (mixup, ICLR 2018, section 3) define a weight for each pair of images; their code, and so the article,
draws one for each batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Draws, Method
from smallmix.science.mixing import mix_images_one_by_one

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ImagesPerImage(Method):
    """lambda x image + (1 - lambda) x partner's image, with the own label; each image's lambda ~ Beta(a, b)."""

    beta: tuple[float, float]
    mixes_arrays: ClassVar[bool] = True

    def draw(self, draws: Draws) -> Mapping[str, NDArray[Any]]:
        """Return the weights of the own images, lambda: float32 [I, B]."""
        weights = draws.generator("mixing weight").beta(*self.beta, size=(draws.iterations, draws.images))
        return {"image_weight": weights.astype(np.float32)}

    def mix(self, images: Tensor, row: BatchRow) -> Tensor:
        """Return the mixed images."""
        return mix_images_one_by_one(images, row.partner, row.drawn["image_weight"])

    def loss(self, log_probabilities: Tensor, labels: Tensor, row: BatchRow) -> Tensor:
        """Return the mean cross-entropy against the own labels, float32 scalar."""
        from torch.nn import functional

        return functional.nll_loss(log_probabilities, labels)


METHOD = ImagesPerImage
