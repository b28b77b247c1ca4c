"""The methods: how much of a partner's image and label a batch gets. One weight a batch, as in the mixup paper's code.

| mix               | weight of the own image | weight of the own label | source                                       |
|-------------------|-------------------------|-------------------------|----------------------------------------------|
| none              | 1                       | 1                       | plain training                               |
| images            | lambda ~ Beta(a, b)     | 1                       | inference.vc: mixup as data augmentation     |
| images-and-labels | lambda ~ Beta(a, b)     | lambda                  | Zhang et al., mixup, ICLR 2018, equation (2) |

Cross-entropy is linear in the label, so mixing labels with lambda ~ Beta(a, a) has, in expectation, the same loss as
keeping the first label with lambda ~ Beta(a + 1, a): for a = 1 that is the article's data-mix, Beta(2, 1).
"""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

from smallmix.study.cell import MethodValue


def draw_mixing_weights(
    method: MethodValue, draw: numpy.random.Generator, count: int
) -> tuple[NDArray[numpy.float32], NDArray[numpy.float32]]:
    """The image weights and label weights of `count` batches, both float32 [count], in [0, 1]."""
    ones = numpy.ones(count, dtype=numpy.float32)
    if method.mix == "none" or method.beta is None:
        return ones, ones
    first, second = method.beta
    image_weights = draw.beta(first, second, size=count).astype(numpy.float32)
    return image_weights, image_weights if method.mix == "images-and-labels" else ones
