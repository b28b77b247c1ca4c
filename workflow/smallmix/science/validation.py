"""Which training images validate: a fixed set that no subset of the study uses, with each class's share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smallmix.science.randomness import generator


class TooFewUnusedImages(Exception):
    """The subsets of the study leave only `unused` training images, fewer than were asked for."""

    def __init__(self, unused: int) -> None:
        super().__init__(unused)
        self.unused = unused


def choose_validation_rows(
    images: int, used: NDArray[np.int64], labels: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """Return the rows of the validation images in the training list, ascending, int64 [images].

    `used` are the rows of all subsets, in any order and number. `labels` is int64 [N], of the whole training list.
    Of the unused images each class gives its share, to within one image: classes with the largest remainders give one
    more (Hamilton's method), and the draw decides between equal remainders. Within a class the draw decides.

    Raises TooFewUnusedImages.
    """
    is_unused = np.ones(len(labels), dtype=bool)
    is_unused[used] = False
    unused = int(is_unused.sum())
    if images > unused:
        raise TooFewUnusedImages(unused)
    draw = generator(seed, 0, "validation")
    classes = np.unique(labels[is_unused])
    members = [draw.permutation(np.flatnonzero(is_unused & (labels == label))) for label in classes]
    shares = [divmod(images * len(one), max(unused, 1)) for one in members]  # in whole numbers, equal on every machine
    left = images - sum(whole for whole, _ in shares)
    turn = draw.permutation(len(classes))
    order = sorted(range(len(classes)), key=lambda position: (-shares[position][1], turn[position]))
    counts = [whole + (position in order[:left]) for position, (whole, _) in enumerate(shares)]
    chosen = [one[:count] for one, count in zip(members, counts, strict=True)]
    return np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *chosen])).astype(np.int64)
