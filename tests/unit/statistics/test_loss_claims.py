"""Protects the verdicts on loss curves: convergence, over-fitting, and whose training loss falls least."""

from __future__ import annotations

import math

import pytest
from smallmix.statistics.loss_claims import (
    end_level,
    mixup_overfits_label_mix_falls_least,
    non_converges_mixup_does_not,
)
from smallmix.statistics.results import History

from tests.unit.statistics.made_up_evidence import make_evidence, make_history

FALLS = [2.3, 0.5, 0.05, *[0.01] * 17]
LATE = [2.3] * 15 + [0.01] * 5
STAYS = [2.3, 1.5, 1.2, *[1.0] * 17]


def runs(plain: list[float], images: list[float], labels: list[float], size: int = 500) -> list[History]:
    return [
        make_history(size, "non", plain),
        make_history(size, "data-mix", images),
        make_history(size, "label-mix", labels),
    ]


@pytest.mark.parametrize(
    ("plain", "images", "labels", "verdict"),
    [
        (FALLS, STAYS, STAYS, "reproduced"),
        (FALLS, FALLS, STAYS, "not reproduced"),
        (LATE, STAYS, STAYS, "not reproduced"),
        (STAYS, STAYS, STAYS, "not reproduced"),
        (FALLS, FALLS, FALLS, "not reproduced"),
    ],
)
def test_plain_training_converges_and_mixup_does_not(
    plain: list[float], images: list[float], labels: list[float], verdict: str
) -> None:
    judged = non_converges_mixup_does_not(make_evidence(histories=runs(plain, images, labels)))
    assert judged.verdict == verdict


def test_a_single_run_out_of_many_makes_it_partly() -> None:
    histories = [*runs(FALLS, STAYS, STAYS), *runs(FALLS, STAYS, FALLS, size=100)]
    judged = non_converges_mixup_does_not(make_evidence(histories=histories))
    assert judged.verdict == "partly"
    assert "2 of 2 plain runs converge" in judged.found
    assert "3 of 4 mixup runs never do" in judged.found


def test_the_threshold_follows_the_number_of_classes() -> None:
    # 5 % of ln 10 is 0.115: a loss of 0.12 is not converged, one of 0.11 is.
    assert 0.05 * math.log(10) == pytest.approx(0.115, abs=5e-4)
    for level, verdict in ((0.12, "not reproduced"), (0.11, "reproduced")):
        histories = runs([2.3, *[level] * 19], STAYS, STAYS)
        assert non_converges_mixup_does_not(make_evidence(histories=histories)).verdict == verdict


def test_without_small_sizes_loss_claims_are_not_tested() -> None:
    for rule in (non_converges_mixup_does_not, mixup_overfits_label_mix_falls_least):
        judged = rule(make_evidence(sizes=(50000,)))
        assert judged.verdict == "not tested"
        assert "1,000 images or fewer" in judged.reason


RISING = [2.0, 1.0, 1.5]
FALLING = [2.0, 1.5, 1.0]


@pytest.mark.parametrize(
    ("test_loss", "label_level", "verdict"),
    [
        (RISING, 1.5, "reproduced"),
        (RISING, 0.5, "partly"),
        (FALLING, 1.5, "partly"),
        (FALLING, 0.5, "not reproduced"),
    ],
)
def test_mixup_overfits_and_mixed_labels_fall_least(test_loss: list[float], label_level: float, verdict: str) -> None:
    histories = [
        make_history(500, "non", [2.3, 0.01, 0.01], RISING),
        make_history(500, "data-mix", [2.3, 1.0, 1.0], test_loss),
        make_history(500, "label-mix", [2.3, label_level, label_level], test_loss),
    ]
    judged = mixup_overfits_label_mix_falls_least(make_evidence(histories=histories))
    assert judged.verdict == verdict


def test_plain_trainings_own_overfitting_does_not_count() -> None:
    histories = [
        make_history(500, "non", [2.3, 0.01], [1.0, 9.0]),
        make_history(500, "data-mix", [2.3, 1.0], [1.0, 1.0]),
        make_history(500, "label-mix", [2.3, 1.5], [1.0, 1.04]),
    ]
    judged = mixup_overfits_label_mix_falls_least(make_evidence(histories=histories))
    assert judged.found.startswith("the test loss of 0 of 2 mixup runs")


def test_the_level_at_the_end_is_the_median_of_the_last_tenth() -> None:
    assert end_level([9.0] * 27 + [1.0, 5.0, 2.0]) == 2.0
    assert end_level([4.0, 3.0]) == 3.0
