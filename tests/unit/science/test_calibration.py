"""Protects the calibration's numbers: what they are in a case worked by hand, and at the edge of the last bin."""

from __future__ import annotations

import numpy as np
import pytest
from smallmix.science.calibration import calibrate


def test_calibration_of_a_case_worked_by_hand() -> None:
    # Two images with confidence 0.8 for class 0; one of them is right.
    logits = np.log(np.array([[0.8, 0.2], [0.8, 0.2]])).astype(np.float16)
    found = calibrate(logits.astype(np.float32), np.array([0, 1]))
    assert found["calibration_gap"] == pytest.approx(0.3, abs=1e-3)
    assert found["expected_calibration_error"] == pytest.approx(0.3, abs=1e-3)
    assert found["brier_score"] == pytest.approx((2 * 0.04 + 2 * 0.64) / 2, abs=1e-3)
    assert found["negative_log_likelihood"] == pytest.approx(-(np.log(0.8) + np.log(0.2)) / 2, abs=1e-3)


def test_confidence_of_exactly_one_has_a_bin() -> None:
    logits = np.array([[100.0, 0.0]], np.float16)
    assert calibrate(logits.astype(np.float32), np.array([0]))["expected_calibration_error"] == 0.0
