"""Protects the methods' weights: drawn from the Beta distribution of the configuration, in [0, 1], one a batch."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from smallmix.science.batch_plan import draw_mixing_weights
from smallmix.science.randomness import generator
from smallmix.study.cell import MethodValue

COUNT = 40_000
PAIRS = [(1.0, 1.0), (2.0, 1.0), (0.2, 0.2), (1.2, 0.2), (8.0, 3.0)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_weights_follow_the_beta_distribution(first: float, second: float) -> None:
    draw = generator(0, 500, "mixing weight")
    weights, _ = draw_mixing_weights(MethodValue("images", (first, second)), draw, COUNT)
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
    images, labels = draw_mixing_weights(method, generator(seed, 1, "mixing weight"), 200)
    for weights in (images, labels):
        assert weights.dtype == numpy.float32
        assert weights.shape == (200,)
        assert ((weights >= 0) & (weights <= 1)).all()


def test_label_weights_are_those_of_the_methods() -> None:
    draws = [generator(0, 500, "mixing weight") for _ in range(3)]
    images, labels = draw_mixing_weights(MethodValue("images-and-labels", (1.0, 1.0)), draws[0], 50)
    assert (images == labels).all()
    assert images.std() > 0.1
    images, labels = draw_mixing_weights(MethodValue("images", (2.0, 1.0)), draws[1], 50)
    assert (labels == 1).all()
    assert images.std() > 0.1
    images, labels = draw_mixing_weights(MethodValue("none"), draws[2], 50)
    assert (images == 1).all()
    assert (labels == 1).all()


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
