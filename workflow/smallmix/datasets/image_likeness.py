"""Find images that look alike: the same photograph saved anew, made larger, smaller or brighter, and shots of a series.

Two images look alike where their thumbnails (16 x 16 pixels, grey) have a correlation of at least 0.995. An image
without contrast looks like no other. All numbers are whole and the sums exact, so every machine finds the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

THUMBNAIL_SIDE = 16
LEAST_CONTRAST = 8  # of 255, between the darkest and the brightest pixel of a thumbnail
# A correlation r counts as alike where 100 r^2 >= 99, that is from 0.99499 on.
ALIKE_NUMERATOR, ALIKE_DENOMINATOR = 99, 100
LARGEST_VALUE = 127  # 16 * 16 * 127^2 < 2^24: sums of such products are exact in float32, in any order
ROWS_AT_ONCE = 1024


def group_alike(
    thumbnails: NDArray[np.uint8],
    equal: Sequence[Iterable[Hashable]],
    report: Callable[[int], None] = lambda done: None,
) -> list[int]:
    """Return for each image the number of its group: the smallest index among those that are alike, also over others.

    `thumbnails` is uint8 [N, 16, 16]. `equal` has keys for each image; images that share a key are alike as well.
    `report` is called with the number of images compared so far.
    """
    groups = _Groups(len(thumbnails))
    first: dict[Hashable, int] = {}
    for index, keys in enumerate(equal):
        for key in keys:
            groups.join(index, first.setdefault(key, index))
    with_contrast, values = _centred(thumbnails)
    indices = with_contrast.tolist()
    lengths = (values.astype(np.float64) ** 2).sum(axis=1)
    for start in range(0, len(values), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        for other in range(start, len(values), ROWS_AT_ONCE):
            columns = slice(other, other + ROWS_AT_ONCE)
            products = (values[rows] @ values[columns].T).astype(np.float64)
            limits = lengths[rows, None] * lengths[None, columns] * ALIKE_NUMERATOR
            alike = (products > 0) & (products * products * ALIKE_DENOMINATOR >= limits)
            groups.join_all(indices[rows], indices[columns], alike)
        report(min(start + ROWS_AT_ONCE, len(values)))
    return [groups.root(index) for index in range(len(thumbnails))]


def no_thumbnails(count: int) -> NDArray[np.uint8]:
    """Return room for thumbnails: zeros, uint8 [count, 16, 16]."""
    return np.zeros((count, THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)


def _centred(thumbnails: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the indices of thumbnails with contrast, and these less their mean as whole numbers up to 127 [n, 256]."""
    pixels = thumbnails.reshape(len(thumbnails), THUMBNAIL_SIDE**2).astype(np.int32)
    with_contrast = np.flatnonzero(pixels.max(axis=1) - pixels.min(axis=1) >= LEAST_CONTRAST)
    pixels = pixels[with_contrast]
    centred = pixels * pixels.shape[1] - pixels.sum(axis=1, keepdims=True)
    largest = np.abs(centred).max(axis=1, keepdims=True, initial=1)
    return with_contrast, np.rint(centred * (LARGEST_VALUE / largest)).astype(np.float32)


class _Groups:
    """Groups of indices that are joined pair by pair. The smallest index stands for the group."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def root(self, index: int) -> int:
        above = self._above
        while above[index] != index:
            above[index] = above[above[index]]
            index = above[index]
        return index

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        self._above[high] = low

    def join_all(self, ones: Sequence[int], others: Sequence[int], alike: NDArray[np.bool_]) -> None:
        """Join the pairs that `alike`, bool [ones, others], marks, but for those that are together by then."""
        apart = alike
        while apart.any():
            roots, other_roots = (np.array([self.root(index) for index in part]) for part in (ones, others))
            apart = apart & (roots[:, None] != other_roots[None, :])
            for row in np.flatnonzero(apart.any(axis=1)).tolist():
                self.join(ones[row], others[int(apart[row].argmax())])
            for column in np.flatnonzero(apart.any(axis=0)).tolist():
                self.join(others[column], ones[int(apart[:, column].argmax())])
