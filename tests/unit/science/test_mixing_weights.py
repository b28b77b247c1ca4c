"""Protects the methods' weights: drawn from the Beta distribution of the configuration, in [0, 1], one a batch."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from smallmix.science.method import Draws, Method, drawn_tables, find_method
from smallmix.science.randomness import generator
from smallmix.study.cell import MethodValue

COUNT = 40_000


def draws(seed: int, size: int, iterations: int, chunk: int = 0) -> Draws:
    """Return what a method draws with, for batches of eight images."""
    return Draws(iterations, 8, seed, size, chunk)


PAIRS = [(1.0, 1.0), (2.0, 1.0), (0.2, 0.2), (1.2, 0.2), (8.0, 3.0)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_weights_follow_the_beta_distribution(first: float, second: float) -> None:
    weights = drawn_tables(find_method(MethodValue("images", (first, second))), draws(0, 500, COUNT))["image_weight"]
    mean = first / (first + second)
    variance = mean * (1 - mean) / (first + second + 1)
    assert abs(float(weights.mean(dtype=numpy.float64)) - mean) < 4 * (variance / COUNT) ** 0.5
    assert float(weights.var(dtype=numpy.float64)) == pytest.approx(variance, rel=0.03)
    # The distribution function away from 0 and 1, where float32 rounds what is closer than its last digit.
    for point in numpy.linspace(0.02, 0.98, 25):
        expected = float(stats.beta(first, second).cdf(point))
        error = (expected * (1 - expected) / COUNT) ** 0.5
        assert abs(float((weights <= point).mean()) - expected) < 4.5 * error


@given(
    st.floats(1e-3, 1e3),
    st.floats(1e-3, 1e3),
    st.sampled_from(["images", "images-and-labels"]),
    st.integers(0, 2**31),
)
def test_weights_lie_between_0_and_1_for_every_beta(first: float, second: float, mix: str, seed: int) -> None:
    method = MethodValue("images" if mix == "images" else "images-and-labels", (first, second))
    for weights in drawn_tables(find_method(method), draws(seed, 1, 200)).values():
        assert weights.dtype == numpy.float32
        assert weights.shape == (200,)
        assert ((weights >= 0) & (weights <= 1)).all()


def test_label_weights_are_those_of_the_methods() -> None:
    both = drawn_tables(find_method(MethodValue("images-and-labels", (1.0, 1.0))), draws(0, 500, 50))
    assert (both["image_weight"] == both["label_weight"]).all()
    assert both["image_weight"].std() > 0.1
    images = drawn_tables(find_method(MethodValue("images", (2.0, 1.0))), draws(0, 500, 50))
    assert list(images) == ["image_weight"]
    assert images["image_weight"].std() > 0.1
    assert drawn_tables(find_method(MethodValue("none")), draws(0, 500, 50)) == {}


def test_weights_are_those_of_the_named_generator() -> None:
    weights = drawn_tables(find_method(MethodValue("images", (2.0, 1.0))), draws(3, 500, 50, chunk=2))["image_weight"]
    expected = generator(3, 500, "mixing weight", 2).beta(2.0, 1.0, size=50).astype(numpy.float32)
    assert numpy.array_equal(weights, expected)


@pytest.mark.parametrize("name", ["order", "partner", "subset", "weights"])
def test_a_method_cannot_draw_what_all_methods_share(name: str) -> None:
    with pytest.raises(ValueError, match="all methods share"):
        draws(0, 500, 5).generator(name)


class Odd(Method):
    """A method with one table, as given."""

    def __init__(self, **tables: object) -> None:
        self.tables = tables

    def draw(self, draws: Draws) -> dict[str, NDArray[Any]]:
        return dict(self.tables)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "table",
    [
        numpy.zeros(5),
        numpy.zeros(4, dtype=numpy.float32),
        numpy.zeros((5, 3), dtype=numpy.float32),
        numpy.zeros((), dtype=numpy.float32),
        [0.0] * 5,
        [1, 2, 3, 4, 5],
    ],
    ids=["float64", "too few rows", "another number of images", "no rows", "a list", "a list of whole numbers"],
)
def test_tables_of_other_types_or_shapes_are_refused(table: object) -> None:
    with pytest.raises(ValueError, match=r"the table 'share' is .* \[5\] or \[5, 8\]"):
        drawn_tables(Odd(share=table), draws(0, 500, 5))


def test_tables_for_each_batch_and_for_each_image_are_taken() -> None:
    tables = {
        "one": numpy.zeros(5, dtype=numpy.int64),
        "many": numpy.zeros((5, 8), dtype=bool),
        "boxes": numpy.zeros((5, 8, 4), dtype=numpy.float32),
    }
    assert drawn_tables(Odd(**tables), draws(0, 500, 5)) == tables


def test_a_table_cannot_take_a_common_name() -> None:
    with pytest.raises(ValueError, match="'partner'"):
        drawn_tables(Odd(partner=numpy.zeros((5, 8), dtype=numpy.int64)), draws(0, 500, 5))


def test_purposes_seeds_sizes_and_chunks_have_draws_of_their_own() -> None:
    first = generator(0, 500, "mixing weight", 0).random(8).tolist()
    others = [
        generator(1, 500, "mixing weight", 0),
        generator(0, 250, "mixing weight", 0),
        generator(0, 500, "crop", 0),
        generator(0, 500, "mixing weight", 1),
    ]
    assert generator(0, 500, "mixing weight", 0).random(8).tolist() == first
    assert all(other.random(8).tolist() != first for other in others)
