"""Mix images, keep the own label (inference.vc: mixup as data augmentation)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smallmix.study.cell import MethodValue


def draw_weights(
    method: MethodValue, draw: np.random.Generator, count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the weights of the own image, lambda ~ Beta(a, b), and of the own label, 1: float32 [count]."""
    assert method.beta is not None
    first, second = method.beta
    return draw.beta(first, second, size=count).astype(np.float32), np.ones(count, dtype=np.float32)
