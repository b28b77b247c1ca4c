"""Protects the zero line of the calibration error: exact for one confidence, and what a simulation gives for many."""

from __future__ import annotations

import math

import numpy as np
import pytest
from smallmix.tables.calibration_by_chance import binomial_deviation, calibration_error_by_chance
from smallmix.tables.cross_checks import calibration_of


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
        errors.append(calibration_of(logits, labels)["expected_calibration_error"])
    found = calibration_error_by_chance(logits)
    assert found == pytest.approx(np.mean(errors), rel=0.06)
    if spread == "all confidences":
        assert low < found < high
