"""Mix images, keep the own label (inference.vc: mixup as data augmentation). One weight per batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Draws, Method
from smallmix.science.mixing import mix_images

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Images(Method):
    """lambda x image + (1 - lambda) x partner's image, with the own label; lambda ~ Beta(a, b)."""

    beta: tuple[float, float]
    mixes_arrays: ClassVar[bool] = True

    def draw(self, draws: Draws) -> Mapping[str, NDArray[Any]]:
        """Return the weights of the own image, lambda: float32 [I]."""
        weights = draws.generator("mixing weight").beta(*self.beta, size=draws.iterations)
        return {"image_weight": weights.astype(np.float32)}

    def mix(self, images: Tensor, row: BatchRow) -> Tensor:
        """Return the mixed images."""
        return mix_images(images, row.partner, row.drawn["image_weight"])

    def loss(self, log_probabilities: Tensor, labels: Tensor, row: BatchRow) -> Tensor:
        """Return the mean cross-entropy against the own labels, float32 scalar."""
        from torch.nn import functional

        return functional.nll_loss(log_probabilities, labels)


METHOD = Images
