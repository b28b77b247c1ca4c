"""Protects the choice of validation images: none that a subset uses, each class's share, one draw, refused in time."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from smallmix.science.subsets import choose_rows
from smallmix.science.validation import TooFewUnusedImages, choose_validation_rows
from smallmix.study.cell import SubsetRule, SubsetValue

Rows = NDArray[numpy.int64]


@st.composite
def used_and_labels(draw: st.DrawFn) -> tuple[Rows, Rows]:
    """Labels of up to 200 images in up to 8 classes, and the rows that are used: any, in any order, some twice."""
    labels = numpy.array(draw(st.lists(st.integers(0, 7), min_size=1, max_size=200)), dtype=numpy.int64)
    used = draw(st.lists(st.integers(0, len(labels) - 1), max_size=len(labels)))
    return numpy.array(used, dtype=numpy.int64), labels


@given(used_and_labels(), st.integers(0, 9), st.data())
def test_none_is_used_and_each_class_has_its_share(
    given_rows: tuple[Rows, Rows], seed: int, data: st.DataObject
) -> None:
    used, labels = given_rows
    unused = numpy.setdiff1d(numpy.arange(len(labels)), used)
    images = data.draw(st.integers(0, len(unused)))
    rows = choose_validation_rows(images, used, labels, seed)
    assert rows.dtype == numpy.int64
    assert len(rows) == images
    assert (numpy.diff(rows) > 0).all()
    assert set(rows.tolist()) <= set(unused.tolist())
    for label in range(8):
        share = images * (labels[unused] == label).sum() / max(1, len(unused))
        assert abs((labels[rows] == label).sum() - share) < 1
    assert numpy.array_equal(rows, choose_validation_rows(images, numpy.sort(used)[::-1], labels, seed))


@given(used_and_labels(), st.integers(1, 50))
def test_more_than_are_left_is_refused_with_their_number(given_rows: tuple[Rows, Rows], more: int) -> None:
    used, labels = given_rows
    left = len(labels) - len(set(used.tolist()))
    with pytest.raises(TooFewUnusedImages) as caught:
        choose_validation_rows(left + more, used, labels, 0)
    assert caught.value.unused == left


def test_the_largest_remainders_get_the_odd_images() -> None:
    """By hand: of 11 unused images, 6, 3 and 2 a class, ten are shares of 5.45, 2.73 and 1.82; four more are used."""
    labels = numpy.array([0] * 6 + [1] * 3 + [2] * 2 + [0] * 4, dtype=numpy.int64)
    rows = choose_validation_rows(10, numpy.arange(11, 15), labels, 0)
    assert numpy.bincount(labels[rows]).tolist() == [5, 3, 2]


def test_equal_remainders_are_decided_by_the_draw() -> None:
    """Five of ten images in two equal classes: 2 and 3, and which class has 3 depends on the seed alone."""
    labels = numpy.arange(10, dtype=numpy.int64) % 2
    none = numpy.zeros(0, dtype=numpy.int64)
    counts = {tuple(numpy.bincount(labels[choose_validation_rows(5, none, labels, seed)])) for seed in range(20)}
    assert counts == {(2, 3), (3, 2)}


def test_the_seed_decides_which_images() -> None:
    labels = numpy.arange(1000, dtype=numpy.int64) % 10
    used = numpy.arange(100)
    one, other = (choose_validation_rows(200, used, labels, seed) for seed in (0, 1))
    assert not numpy.array_equal(one, other)
    # Of 900 unused images a second draw of 200 shares 44 on average, and hardly ever twice as many.
    assert len(numpy.intersect1d(one, other)) < 90


@pytest.mark.parametrize("rule", ["head", "balanced", "random"])
def test_the_largest_subset_of_a_draw_stands_for_all_of_it(rule: SubsetRule) -> None:
    """Subsets are nested, so that what avoids the largest one avoids every size."""
    labels = numpy.arange(300, dtype=numpy.int64) % 10
    subsets = [choose_rows(SubsetValue(rule, size, 3), labels, 10) for size in (20, 50, 200)]
    rows = choose_validation_rows(100, subsets[-1], labels, 0)
    for subset in subsets:
        assert not numpy.intersect1d(rows, subset).size
