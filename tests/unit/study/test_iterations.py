"""How an epoch is cut into batches, and when a network is evaluated: arithmetic held against plain counting."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smallmix.study.iterations import EpochBatches, EvaluationMoments, LastBatch, in_last_tenth

from tests.tiny_cell import tiny_cell

RULES: tuple[LastBatch, ...] = ("keep", "drop", "even")


@pytest.mark.parametrize(
    ("images", "keep", "drop", "even"),
    [
        (130, [128, 2], [128], [65, 65]),
        (1032, [*[128] * 8, 8], [128] * 8, [*[115] * 6, *[114] * 3]),
        (257, [128, 128, 1], [128, 128], [86, 86, 85]),
        (256, [128, 128], [128, 128], [128, 128]),
        (128, [128], [128], [128]),
        (9, [9], [9], [9]),
        (1, [1], [1], [1]),
    ],
)
def test_known_sizes(images: int, keep: list[int], drop: list[int], even: list[int]) -> None:
    found = [list(EpochBatches.of(images, 128, rule)) for rule in RULES]
    assert found == [keep, drop, even]


@given(st.integers(1, 5000), st.integers(2, 300), st.sampled_from(RULES))
def test_what_holds_for_every_rule(images: int, batch_size: int, rule: LastBatch) -> None:
    batches = EpochBatches.of(images, batch_size, rule)
    sizes = list(batches)
    assert batches.count == len(sizes)
    assert batches.images == sum(sizes)
    assert batches.smallest == min(sizes) >= 1
    assert batches.large == max(sizes) == sizes[0] <= batch_size
    assert len(set(sizes)) <= 2
    assert [batches.images_of_first(number) for number in range(len(sizes) + 1)] == [
        sum(sizes[:number]) for number in range(len(sizes) + 1)
    ]
    if rule == "drop":
        assert sum(sizes) == (images if images < batch_size else images - images % batch_size)
        assert max(sizes) == min(sizes)
    else:
        assert sum(sizes) == images
        assert len(sizes) == -(-images // batch_size)
    if rule == "even":
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("images", "rule", "small"),
    [
        (5000, "keep", True),
        (5000, "even", False),
        (5000, "drop", False),
        (130, "keep", True),
        (10_000, "keep", False),  # 16 of 128 are an eighth
        (9, "keep", False),  # the only batch is no remainder
        (128, "keep", False),
    ],
)
def test_a_small_remainder(images: int, rule: LastBatch, small: bool) -> None:
    assert EpochBatches.of(images, 128, rule).has_small_remainder(128) is small


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("iterations", [1, 3, 7, 12])
def test_the_images_of_a_budget_are_those_of_its_batches(rule: LastBatch, iterations: int) -> None:
    cell = tiny_cell(iterations=iterations, size=21, last_batch=rule)
    sizes = list(cell.epoch_batches) * iterations
    assert cell.images_seen == sum(sizes[:iterations])


@given(st.integers(1, 400), st.integers(1, 60), st.integers(1, 60))
def test_the_moments_of_evaluation(iterations: int, every: int, at_end: int) -> None:
    moments = EvaluationMoments(iterations, every, at_end)
    late = [moment for moment in range(1, iterations + 1) if moment > 0.9 * iterations]
    expected = sorted(
        {
            iterations,
            *(moment for moment in range(1, iterations + 1) if moment % every == 0 and moment not in late),
            *(moment for moment in late if moment % at_end == 0),
        }
    )
    assert [moment for moment in range(iterations + 5) if moment in moments] == expected
    assert moments.until(iterations) == expected
    assert moments.count == len(expected)
    assert moments.count_in_last_tenth == len([moment for moment in expected if moment in late]) >= 1
    for iteration in (0, 1, iterations // 2, iterations - 1):
        assert moments.until(iteration) == [moment for moment in expected if moment <= iteration]


def test_the_articles_last_tenth_is_its_last_ten_epochs() -> None:
    for batches in (1, 8, 40, 79, 157, 391):
        moments = EvaluationMoments(100 * batches, batches, batches)
        assert moments.count == 100
        assert moments.count_in_last_tenth == 10
    assert not in_last_tenth(90, 100)
    assert in_last_tenth(91, 100)


def test_without_a_rule_for_the_end_nothing_changes() -> None:
    cell = tiny_cell(iterations=100, every=10)
    assert cell.evaluation_moments.until(100) == list(range(10, 101, 10))
    dense = dataclasses.replace(cell, evaluation=dataclasses.replace(cell.evaluation, every_at_end=2))
    assert dense.evaluation_moments.until(100) == [*range(10, 100, 10), 92, 94, 96, 98, 100]


def test_a_rule_in_epochs_counts_epochs() -> None:
    cell = tiny_cell(size=20)  # three batches an epoch
    rule = dataclasses.replace(cell.evaluation, unit="epochs", every=5, every_at_end=1)
    budget = dataclasses.replace(cell.budget, unit="epochs", amount=40)
    moments = dataclasses.replace(cell, evaluation=rule, budget=budget).evaluation_moments.until(120)
    assert moments == [15, 30, 45, 60, 75, 90, 105, 111, 114, 117, 120]
