"""Protects the numbers recomputed from stored logits: rounding to float16 must neither hide an edit nor invent one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from smallmix.tables.cross_checks import accuracy_bounds, calibration_of


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 0.1, 1.0, 10.0]))
def test_the_accuracy_before_rounding_lies_within_the_bounds(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    logits = (generator.normal(0, scale, (50, 4)) + 1000 * scale).astype(np.float32)  # many ties after rounding
    labels = generator.integers(0, 4, 50)
    low, high = accuracy_bounds(logits.astype(np.float16), labels)
    assert low <= np.mean(logits.argmax(axis=1) == labels) <= high


def test_without_ties_the_bounds_meet() -> None:
    logits = np.array([[3, 1], [1, 3], [2, 1]], np.float16)
    assert accuracy_bounds(logits, np.array([0, 1, 1])) == (2 / 3, 2 / 3)


def test_a_tie_at_the_top_leaves_both_open() -> None:
    assert accuracy_bounds(np.array([[2, 2], [0, 1]], np.float16), np.array([0, 1])) == (0.5, 1.0)


def test_calibration_of_a_case_worked_by_hand() -> None:
    # Two images with confidence 0.8 for class 0; one of them is right.
    logits = np.log(np.array([[0.8, 0.2], [0.8, 0.2]])).astype(np.float16)
    found = calibration_of(logits, np.array([0, 1]))
    assert found["calibration_gap"] == pytest.approx(0.3, abs=1e-3)
    assert found["expected_calibration_error"] == pytest.approx(0.3, abs=1e-3)
    assert found["brier_score"] == pytest.approx((2 * 0.04 + 2 * 0.64) / 2, abs=1e-3)
    assert found["negative_log_likelihood"] == pytest.approx(-(np.log(0.8) + np.log(0.2)) / 2, abs=1e-3)


def test_confidence_of_exactly_one_has_a_bin() -> None:
    logits = np.array([[100.0, 0.0]], np.float16)
    assert calibration_of(logits, np.array([0]))["expected_calibration_error"] == 0.0
