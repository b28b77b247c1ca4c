"""Protects the learning rates of every schedule: hand-computed ends, PyTorch's own schedulers, and chunks alike."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
import torch
from smallmix.science.batch_plan import BatchPlan, learning_rates, schedule_sha256
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, MultiStepLR, SequentialLR

from tests.unit.science.training_cells import make_cell


def rates_of(schedule: LRScheduler, count: int) -> list[float]:
    """The rates that a scheduler gives to `count` steps, stepped once after each."""
    rates = []
    for _ in range(count):
        rates.append(float(schedule.optimizer.param_groups[0]["lr"]))
        schedule.optimizer.step()
        schedule.step()
    return rates


def optimizer_at(rate: float) -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def test_cosine_falls_from_the_rate_to_nearly_nothing() -> None:
    """By hand, four steps: 0.1 x (1 + cos 0, 45, 90 and 135 degrees) / 2."""
    rates = learning_rates(make_cell(iterations=4, schedule="cosine"), 0, 4)
    assert rates.tolist() == pytest.approx([0.1, 0.0853553, 0.05, 0.0146447], rel=1e-5)
    long = learning_rates(make_cell(iterations=1000, schedule="cosine"), 0, 1000)
    assert long[0] == numpy.float32(0.1)
    assert 0 < long[-1] < 1e-6
    assert (numpy.diff(long) < 0).all()


def test_a_warm_up_rises_linearly_to_the_rate() -> None:
    """By hand, ten steps, four of them of the warm-up: quarters of the rate, the fourth step at the whole."""
    rates = learning_rates(make_cell(iterations=10, warm_up=0.4, decay_at=(0.8,)), 0, 10)
    assert rates.tolist() == pytest.approx([0.025, 0.05, 0.075, *[0.1] * 5, 0.01, 0.01])


def test_a_cosine_begins_where_the_warm_up_ends() -> None:
    """By hand, six steps, two of the warm-up: then the same four as without."""
    rates = learning_rates(make_cell(iterations=6, warm_up=1 / 3, schedule="cosine"), 0, 6)
    assert rates.tolist() == pytest.approx([0.05, 0.1, 0.1, 0.0853553, 0.05, 0.0146447], rel=1e-5)


def test_cosine_is_that_of_pytorch() -> None:
    rates = learning_rates(make_cell(iterations=300, schedule="cosine"), 0, 300)
    expected = rates_of(CosineAnnealingLR(optimizer_at(0.1), T_max=300), 300)
    assert rates == pytest.approx(expected, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("schedule", ["steps", "cosine"])
def test_a_warm_up_is_that_of_pytorch(schedule: str) -> None:
    cell = make_cell(iterations=200, warm_up=0.1, schedule=schedule)
    optimizer = optimizer_at(0.1)
    rise = LinearLR(optimizer, start_factor=1 / 20, total_iters=19)
    fall: LRScheduler = (
        CosineAnnealingLR(optimizer, T_max=180)
        if schedule == "cosine"
        else MultiStepLR(optimizer, milestones=[66 - 20, 132 - 20], gamma=0.1)
    )
    expected = rates_of(SequentialLR(optimizer, [rise, fall], milestones=[20]), 200)
    assert learning_rates(cell, 0, 200) == pytest.approx(expected, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(
    "recipe", [{"schedule": "cosine"}, {"warm_up": 0.3}, {"schedule": "cosine", "warm_up": 0.3}], ids=str
)
def test_any_chunk_has_the_rates_of_its_iterations(recipe: dict[str, Any]) -> None:
    cell = make_cell(500, iterations=2000, **recipe)
    everything = learning_rates(cell, 0, 2000)
    for number in (0, 2, 7):
        chunk = BatchPlan(cell).chunk(number)
        assert numpy.array_equal(chunk.learning_rate, everything[chunk.first_iteration :][: len(chunk)])


def test_the_neutral_values_are_the_bytes_of_before() -> None:
    """The sha256 that the article's schedule for 100 images had before there was a choice."""
    recorded = "8cac8c748a111435b41f44df542385c8af65a12006fd86083e917666dea3a416"
    assert schedule_sha256(make_cell(100, iterations=40_000)) == recorded
    others = ({"schedule": "cosine"}, {"warm_up": 0.01})
    assert all(schedule_sha256(make_cell(100, iterations=40_000, **other)) != recorded for other in others)


def test_a_warm_up_shorter_than_half_a_step_is_none() -> None:
    cell, plain = make_cell(iterations=40, warm_up=0.01), make_cell(iterations=40)
    assert numpy.array_equal(learning_rates(cell, 0, 40), learning_rates(plain, 0, 40))
