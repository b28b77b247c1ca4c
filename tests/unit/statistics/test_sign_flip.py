"""Protects the exact sign-flip test and Holm's correction: against enumeration, against scipy, and by their level."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from smallmix.statistics.sign_flip import holm, sign_flip_test, smallest_p_value

integers = st.lists(st.integers(-20, 20), min_size=2, max_size=9)


def enumerated(numbers: list[int]) -> float:
    sums = [
        abs(sum(sign * number for sign, number in zip(signs, numbers, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(numbers))
    ]
    return sum(total >= abs(sum(numbers)) for total in sums) / len(sums)


@given(integers)
def test_it_counts_all_sign_choices(numbers: list[int]) -> None:
    assert sign_flip_test([number / 10000 for number in numbers]) == enumerated(numbers)


def test_it_is_scipys_permutation_test() -> None:
    differences = np.random.default_rng(3).normal(0.3, 1, 8)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert sign_flip_test(differences.tolist()) == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("count", [2, 3, 5, 10, 21, 40])
def test_differences_of_one_sign_give_the_smallest_p_value(count: int) -> None:
    assert sign_flip_test([0.01 + 0.001 * number for number in range(count)]) == smallest_p_value(count)
    assert smallest_p_value(count) == 2 / 2**count


def test_no_difference_at_all_is_no_evidence() -> None:
    assert sign_flip_test([0.0, 0.0, 0.0]) == 1.0
    assert sign_flip_test([0.5, -0.5]) == 1.0


@pytest.mark.parametrize("count", [0, 1, 41])
def test_too_few_or_too_many_differences_have_no_exact_test(count: int) -> None:
    assert sign_flip_test([0.1] * count) is None


def test_it_rejects_no_more_often_than_it_says() -> None:
    # Skewed in size, symmetric in sign: here the t test has no guarantee, and this one has.
    generator = np.random.default_rng(7)
    samples = generator.exponential(1, (2000, 6)) ** 2 * generator.choice([-1, 1], (2000, 6))
    p_values = np.array([sign_flip_test(sample.tolist()) for sample in samples])
    for level in (0.05, 0.1, 0.25):
        assert np.mean(p_values <= level) <= level + 4 * np.sqrt(level * (1 - level) / 2000)
    assert np.mean(p_values <= 0.25) > 0.2


def test_holm_of_a_case_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_none_and_bonferroni_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for before, after in zip(p_values, adjusted, strict=True):
        assert before <= after <= min(1.0, before * len(p_values)) + 1e-12
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    assert [adjusted[index] for index in order] == sorted(adjusted)
