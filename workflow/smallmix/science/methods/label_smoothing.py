"""Leave the images, spread a part of the label evenly over all classes (Szegedy et al. 2016, section 7).

Rethinking the Inception Architecture for Computer Vision, CVPR 2016. What mixing of labels must beat: targets without
certainty, and no mixture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Method

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LabelSmoothing(Method):
    """1 - smoothing for the own class, and smoothing spread evenly over all classes, the own one among them."""

    smoothing: float
    mixes_arrays: ClassVar[bool] = True

    def target(self, one_hot: Tensor, row: BatchRow) -> Tensor:
        """Return (1 - smoothing) x one-hot + smoothing / classes."""
        return one_hot * (1 - self.smoothing) + self.smoothing / one_hot.shape[1]


METHOD = LabelSmoothing
