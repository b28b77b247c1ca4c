"""Mix images and labels with the same weight (Zhang et al., mixup, ICLR 2018, equation (2))."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smallmix.study.cell import MethodValue


def draw_weights(
    method: MethodValue, draw: np.random.Generator, count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the weights of the own image and of the own label, both the same lambda ~ Beta(a, b): float32 [count]."""
    assert method.beta is not None
    first, second = method.beta
    weights = draw.beta(first, second, size=count).astype(np.float32)
    return weights, weights
