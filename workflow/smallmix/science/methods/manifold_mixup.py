"""Mix at a stage of the network that is drawn for each batch (Verma et al., Manifold Mixup, ICML 2019, section 2).

Stage 0 is the images, stage k what follows on the network's k-th stage. For residual networks the authors take the
images and the first two stages. One stage and one lambda for each batch, both drawn ahead. The labels are mixed with
the same lambda.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Draws, Method
from smallmix.science.mixing import mix_features, mix_images, mix_shares

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ManifoldMixup(Method):
    """lambda x own + (1 - lambda) x partner's, of the features at one of `stages`, and of the labels."""

    beta: tuple[float, float]
    stages: tuple[int, ...]
    mixes_features: ClassVar[bool] = True
    mixes_arrays: ClassVar[bool] = True

    def draw(self, draws: Draws) -> Mapping[str, NDArray[Any]]:
        """Return each batch's stage, int64 [I], and the weight of the own features and label, float32 [I]."""
        weights = draws.generator("mixing weight").beta(*self.beta, size=draws.iterations)
        places = draws.generator("stage").integers(0, len(self.stages), size=draws.iterations)
        return {"stage": np.array(self.stages, np.int64)[places], "label_weight": weights.astype(np.float32)}

    def mix(self, images: Tensor, row: BatchRow) -> Tensor:
        """Return the mixed images where stage 0 is drawn, else the images."""
        return mix_images(images, row.partner, _weight_at(0, row)) if 0 in self.stages else images

    def mix_features(self, features: Tensor, stage: int, row: BatchRow) -> Tensor:
        """Return the mixed features of the stage that is drawn, and the features of every other one."""
        return mix_features(features, row.partner, _weight_at(stage, row)) if stage in self.stages else features

    def target(self, one_hot: Tensor, row: BatchRow) -> Tensor:
        """Return both labels' shares: the weights of their features."""
        return mix_shares(one_hot, row.partner, row.drawn["label_weight"])

    def loss(self, log_probabilities: Tensor, labels: Tensor, row: BatchRow) -> Tensor:
        """Return the mean cross-entropy against both labels, weighted; float32 scalar."""
        from smallmix.science.losses import mixed_loss

        return mixed_loss(log_probabilities, labels, row.partner, row.drawn["label_weight"])


def _weight_at(stage: int, row: BatchRow) -> Tensor:
    """Return lambda where this stage is the drawn one, else 1: every batch takes the same steps."""
    # Exactly lambda, or exactly 1: the other term is 0.
    weight, drawn_here = row.drawn["label_weight"], row.drawn["stage"] == stage
    return weight * drawn_here + 1.0 * ~drawn_here


METHOD = ManifoldMixup
