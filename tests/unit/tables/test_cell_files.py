"""Protects the numbers recomputed from stored logits: rounding to float16 must neither hide an edit nor invent one.

And the calibration error by chance: exact for one confidence, and what a simulation gives for many.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from smallmix.science.calibration import calibrate
from smallmix.tables.cell_files import (
    CALIBRATION_NUMBERS,
    accuracy_bounds,
    binomial_deviation,
    calibration_error_by_chance,
    compare_with_predictions,
    share_between_bins,
)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 0.1, 1.0, 10.0]))
def test_the_accuracy_before_rounding_lies_within_the_bounds(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    logits = (generator.normal(0, scale, (50, 4)) + 1000 * scale).astype(np.float32)  # many ties after rounding
    labels = generator.integers(0, 4, 50)
    low, high = accuracy_bounds(logits.astype(np.float16), labels)
    assert low <= np.mean(logits.argmax(axis=1) == labels) <= high


@pytest.mark.parametrize("images", [10, 30, 90])
def test_rounding_refuses_no_honest_cell_of_few_test_images(images: int) -> None:
    """One image in another bin moves the calibration error by up to 2 / 10."""
    generator = np.random.default_rng(images)
    moved = 0
    for _ in range(2000):
        logits = generator.normal(0, 4, (images, 10)).astype(np.float32)
        labels = generator.integers(0, 10, images)
        numbers = {key: float(calibrate(logits, labels)[key]) for key in CALIBRATION_NUMBERS}
        accuracy = float(np.mean(logits.argmax(axis=1) == labels))
        stored = logits.astype(np.float16)
        assert compare_with_predictions({"final_test_accuracy": accuracy, **numbers}, stored, labels) == []
        error = "expected_calibration_error"
        moved += abs(calibrate(stored.astype(np.float32), labels)[error] - numbers[error]) > 0.01
    assert moved > 0 or images > 30, "else rounding is not tested"


def test_an_edited_calibration_error_is_found_with_few_test_images() -> None:
    logits = logits_with(np.array([0.7] * 20)).astype(np.float16)
    labels = np.zeros(20, np.int64)
    assert share_between_bins(logits) == 0
    numbers = {key: float(calibrate(logits.astype(np.float32), labels)[key]) for key in CALIBRATION_NUMBERS}
    low, _ = accuracy_bounds(logits, labels)
    numbers["expected_calibration_error"] += 0.02
    (problem,) = compare_with_predictions({"final_test_accuracy": low, **numbers}, logits, labels)
    assert problem.startswith("expected_calibration_error is 0.")


def test_an_image_between_two_bins_is_counted() -> None:
    """The edge between bins 10 and 11 of 15 is two thirds."""
    logits = logits_with(np.array([2 / 3, 0.7]))
    assert share_between_bins(logits.astype(np.float16)) == 0.5


def test_without_ties_the_bounds_meet() -> None:
    logits = np.array([[3, 1], [1, 3], [2, 1]], np.float16)
    assert accuracy_bounds(logits, np.array([0, 1, 1])) == (2 / 3, 2 / 3)


def test_a_tie_at_the_top_leaves_both_open() -> None:
    assert accuracy_bounds(np.array([[2, 2], [0, 1]], np.float16), np.array([0, 1])) == (0.5, 1.0)


def logits_with(confidence: np.ndarray) -> np.ndarray:
    """Logits [N, 2] whose larger probability is `confidence`."""
    return np.stack([np.log(confidence / (1 - confidence)), np.zeros_like(confidence)], axis=1).astype(np.float16)


@pytest.mark.parametrize(
    ("count", "probability", "wanted"),
    [
        (1, 0.7, 0.42),  # 0.7 * 0.3 + 0.3 * 0.7
        (2, 0.5, 0.5),  # 1 off in half of the cases
        (4, 0.5, 0.75),  # (2 * 2 + 8 * 1) / 16
        (3, 1.0, 0.0),
        (3, 0.0, 0.0),
    ],
)
def test_deviations_worked_by_hand(count: int, probability: float, wanted: float) -> None:
    assert binomial_deviation(count, probability) == pytest.approx(wanted)


@pytest.mark.parametrize(("count", "probability"), [(7, 0.31), (40, 0.95), (25, 0.999), (10, 1 - 1e-16)])
def test_deviations_are_those_of_the_whole_distribution(count: int, probability: float) -> None:
    chances = [
        math.comb(count, k) * probability**k * (1 - probability) ** (count - k) * abs(k - count * probability)
        for k in range(count + 1)
    ]
    assert binomial_deviation(count, probability) == pytest.approx(math.fsum(chances), abs=1e-9)


def test_one_image_of_confidence_seven_tenths() -> None:
    assert calibration_error_by_chance(logits_with(np.array([0.7]))) == pytest.approx(0.42, abs=1e-3)


@pytest.mark.parametrize(("images", "low", "high"), [(500, 0.03, 0.06), (10_000, 0.006, 0.012)])
@pytest.mark.parametrize("spread", ["all confidences", "mostly sure"])
def test_it_is_the_mean_error_of_simulated_calibrated_networks(
    images: int, low: float, high: float, spread: str
) -> None:
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.5, 0.999, images) if spread == "all confidences" else generator.beta(20, 1, images)
    logits = logits_with(np.clip(confidence, 0.501, 0.9999))
    kept = np.exp(logits.astype(np.float64)[:, 0])
    kept /= 1 + kept
    errors = []
    for _ in range(200):
        right = generator.random(images) < kept
        labels = np.where(right, 0, 1)
        errors.append(calibrate(logits.astype(np.float32), labels)["expected_calibration_error"])
    found = calibration_error_by_chance(logits)
    assert found == pytest.approx(np.mean(errors), rel=0.06)
    if spread == "all confidences":
        assert low < found < high
