"""Random numbers that depend on nothing but their purpose.

Every draw of a training comes from a generator of its own, seeded by (seed, size, purpose, chunk). No state is carried
along: the batches of iteration 70,000 can be drawn without those before it, which is why a counter is enough to resume.
"""

from __future__ import annotations

import hashlib

import numpy as np

# What all methods of a seed and size draw alike. Under any other name a method draws its own.
COMMON_PURPOSES = ("subset", "validation", "weights", "layers", "order", "crop", "flip", "partner")


def generator(seed: int, size: int, purpose: str, chunk: int = 0) -> np.random.Generator:
    """Return a numpy generator (PCG64) for one purpose; equal arguments give equal draws on every machine."""
    return np.random.Generator(np.random.PCG64(_entropy(seed, size, purpose, chunk)))


def weights_seed(seed: int) -> int:
    """Return the seed of the initial weights: equal for all sizes and methods of a seed. Below 2^63."""
    return _entropy(seed, 0, "weights", 0) >> 65


def layers_seed(seed: int, size: int, iteration: int) -> int:
    """Return the seed of what a network's own layers draw in the step after `iteration` steps. Below 2^63."""
    return _entropy(seed, size, "layers", iteration) >> 65


def _entropy(seed: int, size: int, purpose: str, chunk: int) -> int:
    text = f"smallmix/{seed}/{size}/{purpose}/{chunk}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
