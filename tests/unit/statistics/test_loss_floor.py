"""Protects the floor that the rules for claims on loss curves measure from."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special
from smallmix.statistics.loss_floor import (
    equal_expected_loss,
    loss_floor,
    methods_of_equal_loss,
    pair_floor,
    share_of_unlike_pairs,
)
from smallmix.study.cell import Cell, MethodValue

from tests.synthetic_configuration import ARTICLE_BUDGETS, METHODS
from tests.unit.statistics.made_up_results import make_study


def known(floor: float | None) -> float:
    """Return a floor that must be known."""
    assert floor is not None
    return floor


# The classes of the first rows of CIFAR-10's training list, counted from the list itself.
HEADS = {
    500: (51, 65, 43, 47, 50, 40, 53, 50, 45, 56),
    250: (18, 35, 23, 25, 20, 22, 33, 24, 21, 29),
    100: (6, 16, 13, 13, 11, 7, 7, 11, 4, 12),
}
EPOCHS = 4000
BINS = 50


def cell_of(size: int, method: MethodValue) -> Cell:
    """The article's cell of this size, mixed in this way."""
    meaning = {"mix": method.mix, "beta": None if method.beta is None else list(method.beta)}
    return make_study(sizes=(size,), methods={"one": meaning}, seeds=(0,), budgets=ARTICLE_BUDGETS).cells[0].value


@pytest.mark.parametrize("size", HEADS)
@pytest.mark.parametrize("name", ["data-mix", "label-mix"])
def test_the_articles_floor_is_the_same_for_both_ways_of_mixing(size: int, name: str) -> None:
    value = next(cell.value for cell in make_study(sizes=(size,), budgets=ARTICLE_BUDGETS).cells if cell.method == name)
    assert 0.4435 < known(loss_floor(value, HEADS[size])) < 0.4475


def draw_epochs(
    counts: tuple[int, ...], batch: int, beta: tuple[float, float]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Own image, partner and both classes of every image of many epochs, and the batch's weight."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    own, partner, weight = [], [], []
    for _ in range(EPOCHS):
        order = generator.permutation(len(labels))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            own.append(rows)
            partner.append(generator.permutation(rows))
            weight.append(np.full(len(rows), generator.beta(*beta)))
    first, second = np.concatenate(own), np.concatenate(partner)
    return first, second, labels[first], labels[second], np.concatenate(weight)


@pytest.mark.parametrize("beta", [(1.0, 1.0), (0.3, 0.3), (2.0, 1.0)])
def test_mixed_labels_leave_their_entropy(beta: tuple[float, float]) -> None:
    counts = (4, 16, 20)
    *_, own, other, weight = draw_epochs(counts, 16, beta)
    target = np.zeros((len(own), 3))
    rows = np.arange(len(own))
    target[rows, own] += weight
    target[rows, other] += 1 - weight
    measured = float(special.entr(target).sum(axis=1).mean())  # the best guess is the target itself
    value = cell_of(40, MethodValue("images-and-labels", beta))
    # One weight a batch: the batches of 16, 16 and 8 are the draws.
    expected = known(pair_floor(value.method)) * share_of_unlike_pairs(counts, 40 / 3)
    assert measured == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("beta", [(2.0, 1.0), (1.0, 1.0), (1.3, 0.3), (1.0, 3.0)])
def test_a_kept_label_leaves_the_doubt_about_which_image_came_first(beta: tuple[float, float]) -> None:
    """The guess is learnt by counting, in narrow bins of the weight, how often the image of that weight came first."""
    counts = (4, 16, 20)
    first, second, own, other, weight = draw_epochs(counts, 16, beta)
    # What can be seen of a mixture: two images, each with its weight; here that of the image further up the list.
    seen = np.where(first < second, weight, 1 - weight)
    came_first = (first < second).astype(float)
    unlike = own != other
    place = np.minimum((seen * BINS).astype(int), BINS - 1)[unlike]
    hits, tries = np.bincount(place, came_first[unlike], BINS), np.bincount(place, minlength=BINS)
    share = hits / np.maximum(tries, 1)
    measured = float((tries * (special.entr(share) + special.entr(1 - share))).sum() / len(own))
    value = cell_of(40, MethodValue("images", beta))
    assert measured == pytest.approx(known(pair_floor(value.method)) * share_of_unlike_pairs(counts, 40 / 3), abs=0.008)


def test_the_cells_batches_decide_how_many_are_their_own_partners() -> None:
    one_batch = cell_of(100, MethodValue("images-and-labels", (1.0, 1.0)))
    two_each = cell_of(2, MethodValue("images-and-labels", (1.0, 1.0)))
    assert loss_floor(one_batch, (50, 50)) == pytest.approx(0.5 * 0.99 * (50 / 99), rel=1e-6)
    assert loss_floor(two_each, (1, 1)) == pytest.approx(0.5 * 0.5, rel=1e-6)
    assert loss_floor(one_batch, (100, 0)) == 0
    assert share_of_unlike_pairs((1,), 1) == 0


@pytest.mark.parametrize("a", [0.05, 0.2, 1.0, 4.0, 30.0])
def test_the_identity_gives_both_the_same_floor(a: float) -> None:
    images, labels = MethodValue("images", (a + 1, a)), MethodValue("images-and-labels", (a, a))
    assert equal_expected_loss(images, labels)
    assert pair_floor(images) == pytest.approx(pair_floor(labels), abs=2e-4)
    # The mean entropy of a weight from Beta(a, a), in closed form.
    closed = special.digamma(2 * a + 1) - special.digamma(a + 1)
    assert pair_floor(labels) == pytest.approx(closed, abs=2e-4)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (MethodValue("images", (1.0, 1.0)), MethodValue("images-and-labels", (1.0, 1.0))),
        (MethodValue("images", (2.0, 1.0)), MethodValue("images-and-labels", (0.2, 0.2))),
        (MethodValue("images", (2.0, 1.0)), MethodValue("images-and-labels", (2.0, 1.0))),
        (MethodValue("none"), MethodValue("images-and-labels", (1.0, 1.0))),
        (MethodValue("images-and-labels", (1.0, 1.0)), MethodValue("images", (2.0, 1.0))),
    ],
)
def test_other_pairs_do_not_optimise_the_same(images: MethodValue, labels: MethodValue) -> None:
    assert not equal_expected_loss(images, labels)


def test_the_pairs_of_a_study_are_found_by_meaning() -> None:
    methods = {
        "label-mix": {"mix": "images", "beta": [1.2, 0.2]},
        "plain": {"mix": "none", "beta": None},
        "other": {"mix": "images-and-labels", "beta": [0.2, 0.2]},
        "lonely": {"mix": "images-and-labels", "beta": [1.0, 1.0]},
    }
    assert methods_of_equal_loss(make_study(methods=methods)) == [("label-mix", "other")]
    assert methods_of_equal_loss(make_study(methods=METHODS)) == [("data-mix", "label-mix")]
    assert methods_of_equal_loss(make_study(methods={"non": METHODS["non"]})) == []


def test_a_distribution_at_the_ends_has_a_floor_as_well() -> None:
    """Weights that round to 0 and 1: with equal parameters, the mixture never tells which image came first."""
    assert pair_floor(MethodValue("images", (0.01, 0.01))) == pytest.approx(np.log(2), abs=1e-6)


def test_without_mixing_the_floor_is_zero() -> None:
    assert pair_floor(MethodValue("none")) == 0
