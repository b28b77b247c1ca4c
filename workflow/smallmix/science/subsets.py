"""Which training images a cell sees: the rules head (the article's), balanced and random.

Within one draw the subsets are nested: the images of a size are among those of every larger size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smallmix.science.randomness import generator
from smallmix.study.cell import SubsetValue


class TooFewImages(Exception):
    """The data set has only `total` training images, fewer than were asked for."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self.total = total


class TooManyClasses(Exception):
    """A balanced subset was asked for with fewer images than the data set has classes (`classes`)."""

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.classes = classes


class ScarceClasses(Exception):
    """A balanced subset needs `wanted` images of each class; `at_hand` maps each label with fewer to their number.

    The scarcest come first.
    """

    def __init__(self, wanted: int, at_hand: dict[int, int]) -> None:
        super().__init__(wanted, at_hand)
        self.wanted, self.at_hand = wanted, at_hand


def choose_rows(rule: SubsetValue, labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return the chosen rows of the training list, ascending, int64 [size].

    head: the first `size` rows, so classes are uneven (article, section 2). balanced: as many of each class as of any
    other, give or take one. random: uniform without replacement. `labels` is int64 [N], from 0 to `classes` - 1.

    Raises TooFewImages, TooManyClasses or ScarceClasses where the data set cannot give such a subset.
    """
    total, size = len(labels), rule.size
    if size > total:
        raise TooFewImages(total)
    if rule.rule == "head":
        return np.arange(size, dtype=np.int64)
    draw = generator(rule.seed or 0, 0, "subset")
    if rule.rule == "random":
        return np.sort(draw.permutation(total)[:size]).astype(np.int64)
    return _balanced_rows(draw, labels, classes, size)


def _balanced_rows(draw: np.random.Generator, labels: NDArray[np.int64], classes: int, size: int) -> NDArray[np.int64]:
    if size < classes:
        raise TooManyClasses(classes)
    # Deal the shuffled images of each class in turns; a round's order of classes decides who gets the odd images.
    turns, ranks, rows = [], [], []
    for rank, label in enumerate(draw.permutation(classes)):
        members = draw.permutation(np.flatnonzero(labels == label))
        turns.append(np.arange(len(members)))
        ranks.append(np.full(len(members), rank))
        rows.append(members)
    order = np.lexsort((np.concatenate(ranks), np.concatenate(turns)))[:size]
    chosen = np.sort(np.concatenate(rows)[order]).astype(np.int64)
    counts = np.bincount(labels[chosen], minlength=classes)
    if counts.max() - counts.min() > 1:
        wanted = size // classes
        at_hand = np.bincount(labels, minlength=classes)
        wanted += int(at_hand.min() >= wanted)  # all have the even share: too few can give one image more
        scarce = np.flatnonzero(at_hand < wanted)
        scarcest_first = scarce[np.argsort(at_hand[scarce])].tolist()
        raise ScarceClasses(wanted, {label: int(at_hand[label]) for label in scarcest_first})
    return chosen
