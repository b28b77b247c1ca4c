"""Protects every rule against wrong verdicts: how often each is reached, simulated with the rules themselves.

A run scatters by one point (normal), as small CIFAR-10 trainings do. Effects are none, half a point and a point. Seeds
are 1, 3, 5 and 10. A wrong verdict may come in 5 % of studies at most. Generators are seeded, so that the shares are
always the same.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from smallmix.statistics.accuracy_claims import (
    dip_at_1000_from_few_iterations,
    mixup_helps_at_every_size,
    neither_mix_is_better_throughout,
    uneven_classes_matter,
)
from smallmix.statistics.loss_claims import mixup_overfits_label_mix_falls_least, non_converges_mixup_does_not
from smallmix.statistics.published_numbers import OF_A_DIFFERENCE, agreement, decide_gain, tolerance_at
from smallmix.statistics.study_results import History, StudyResults
from smallmix.statistics.verdicts import Judgement, Outcome
from smallmix.study.study import Study

from tests.synthetic_configuration import ARTICLE_BUDGETS, ARTICLE_SIZES, METHODS
from tests.synthetic_study import CLASSES
from tests.unit.statistics.made_up_results import Accuracies, make_results, make_study

STUDIES = 200
WRONG = 0.05
POINT = 0.01
SEEDS = (1, 3, 5, 10)
EFFECTS = (0.0, 0.5, 1.0)
FLOOR = 0.4435  # of 100 images, by test_loss_floor.py
HEAD_OF_100 = (6, 16, 13, 13, 11, 7, 7, 11, 4, 12)

Levels = dict[tuple[int, str], float]


def shares(outcomes: Sequence[Outcome]) -> dict[Outcome, float]:
    """How often each outcome was reached."""
    counts = Counter(outcomes)
    every: tuple[Outcome, ...] = ("agrees", "disagrees", "undecided", "not tested")
    return {outcome: counts[outcome] / len(outcomes) for outcome in every}


@functools.cache
def study_of(sizes: tuple[int, ...], rule: str = "head", unit: str = "epochs", amount: int = 100) -> Study:
    return make_study(
        sizes=sizes,
        seeds=range(10),
        rule=rule,
        redraw_per_seed=rule != "head",
        budgets=ARTICLE_BUDGETS if unit == "article" else {"default": {unit: amount}},
    )


def scatter(generator: np.random.Generator, levels: Levels, seeds: int, points: float = 1.0) -> Accuracies:
    """Accuracies of each seed around `levels`, in the runs' scatter."""
    return {
        place: [level + points * POINT * float(noise) for noise in generator.normal(size=seeds)]
        for place, level in levels.items()
    }


def grid(labels: Callable[[int], float], images: Callable[[int], float]) -> Levels:
    """Levels at the article's sizes: plain training at 50 %, the mixing methods by so many points above."""
    above = {"non": lambda size: 0.0, "data-mix": images, "label-mix": labels}
    return {(size, name): 0.5 + POINT * of_size(size) for size in ARTICLE_SIZES for name, of_size in above.items()}


def judge_grids(rule: Callable[[StudyResults], Judgement], levels: Levels, seeds: int) -> dict[Outcome, float]:
    generator = np.random.default_rng(seeds)
    study = study_of(ARTICLE_SIZES)
    return shares(
        [
            rule(StudyResults(study, make_results(scatter(generator, levels, seeds)))).outcome
            for _ in range(STUDIES if seeds > 1 else 20)
        ]
    )


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("effect", EFFECTS)
def test_mixup_helps_at_every_size(effect: float, seeds: int) -> None:
    found = judge_grids(mixup_helps_at_every_size, grid(lambda size: effect, lambda size: effect), seeds)
    assert found["agrees" if effect == 0 else "disagrees"] <= WRONG
    if effect == 0:
        assert found["disagrees"] <= WRONG  # it does not hurt either
    if seeds == 1:
        assert found["undecided"] == 1


@pytest.mark.parametrize("seeds", SEEDS[1:])
def test_one_size_without_gain_is_enough_not_to_help_at_every_size(seeds: int) -> None:
    levels = grid(lambda size: 0.0 if size == 1000 else 8.0, lambda size: 8.0)
    assert judge_grids(mixup_helps_at_every_size, levels, seeds)["agrees"] <= WRONG


def test_clear_effects_are_found() -> None:
    """The rules are not merely silent."""
    helps = grid(lambda size: 8.0, lambda size: 8.0)
    hurts_once = grid(lambda size: -8.0 if size == 100 else 8.0, lambda size: 8.0)
    assert judge_grids(mixup_helps_at_every_size, helps, 5)["agrees"] > 0.9
    assert judge_grids(mixup_helps_at_every_size, hurts_once, 5)["disagrees"] > 0.9
    crosses = grid(lambda size: -4.0 if size < 1000 else 4.0, lambda size: 0.0)
    assert judge_grids(neither_mix_is_better_throughout, crosses, 10)["agrees"] > 0.9
    assert judge_grids(neither_mix_is_better_throughout, grid(lambda size: 6.0, lambda size: 0.0), 5)["disagrees"] > 0.9


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("effect", EFFECTS)
def test_neither_mix_is_better_throughout(effect: float, seeds: int) -> None:
    """Identical, or one ahead at every size by as much: an interaction would be found in noise alone."""
    found = judge_grids(neither_mix_is_better_throughout, grid(lambda size: effect, lambda size: 0.0), seeds)
    assert found["agrees"] <= WRONG
    if effect == 0:
        assert found["disagrees"] <= WRONG  # neither is ahead anywhere
    if seeds == 1:
        assert found["undecided"] == 1


@pytest.mark.parametrize("seeds", SEEDS[1:])
def test_one_equal_size_is_no_interaction(seeds: int) -> None:
    alike = grid(lambda size: 0.0 if size == 100 else 8.0, lambda size: 0.0)
    assert judge_grids(neither_mix_is_better_throughout, alike, seeds)["agrees"] <= WRONG
    crosses = grid(lambda size: -1.0 if size == 100 else 8.0, lambda size: 0.0)
    assert judge_grids(neither_mix_is_better_throughout, crosses, seeds)["disagrees"] <= WRONG


def judge_dips(gain: float, depth: float, at_100: float, seeds: int) -> dict[Outcome, float]:
    """Gains (points) of longer training at 1,000 and 100, and how far 1,000 lies below the line."""
    generator = np.random.default_rng(seeds)
    base = study_of((5000, 1000, 500, 100))
    longer = study_of((1000, 100), unit="iterations", amount=117000)
    levels = {(size, name): 0.5 for size in (5000, 1000, 500, 100) for name in METHODS}
    levels |= {(1000, name): 0.5 - POINT * depth for name in METHODS}
    lifted = {(1000, name): 0.5 + POINT * (gain - depth) for name in METHODS}
    lifted |= {(100, name): 0.5 + POINT * at_100 for name in METHODS}
    return shares(
        [
            dip_at_1000_from_few_iterations(
                StudyResults(base, make_results(scatter(generator, levels, seeds))),
                [StudyResults(longer, make_results(scatter(generator, lifted, seeds)))],
            ).outcome
            for _ in range(STUDIES if seeds > 1 else 20)
        ]
    )


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("effect", EFFECTS)
def test_the_dip_at_1000(effect: float, seeds: int) -> None:
    found = judge_dips(gain=effect, depth=effect, at_100=effect, seeds=seeds)
    assert found["agrees" if effect == 0 else "disagrees"] <= WRONG
    # Least favourable: dip and lift are clear, but 100 images gain nothing.
    assert judge_dips(gain=12.0, depth=12.0, at_100=0.0, seeds=seeds)["agrees"] <= WRONG


def test_a_clear_dip_is_found() -> None:
    assert judge_dips(gain=12.0, depth=12.0, at_100=6.0, seeds=5)["agrees"] > 0.9
    assert judge_dips(gain=1.0, depth=12.0, at_100=6.0, seeds=5)["disagrees"] > 0.9


def judge_draws(effect: float, seeds: int, draws: float) -> dict[Outcome, float]:
    """`draws` is the scatter (points) of a subset's draw, which all methods of a seed and size share."""
    generator = np.random.default_rng(seeds)
    outcomes = []
    for _ in range(STUDIES if seeds > 1 else 20):
        results = []
        for rule, gain in (("random", 0.0), ("balanced", effect)):
            levels = {(size, name): 0.4 + POINT * gain for size in (500, 100) for name in METHODS}
            runs = scatter(generator, levels, seeds)
            of_draw = {size: generator.normal(0, draws * POINT, seeds) for size in (500, 100)}
            accuracies = {
                (size, name): [float(value) for value in np.array(values) + of_draw[size]]
                for (size, name), values in runs.items()
            }
            results.append(StudyResults(study_of((500, 100), rule), make_results(accuracies)))
        outcomes.append(uneven_classes_matter(results[0], [results[1]]).outcome)
    return shares(outcomes)


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("effect", EFFECTS)
def test_uneven_classes(effect: float, seeds: int) -> None:
    """With draws that scatter by two points: of one draw a rule, their scatter would be taken for the effect."""
    found = judge_draws(effect, seeds, draws=2.0)
    assert found["disagrees"] <= WRONG
    if effect == 0:
        assert found["agrees"] <= WRONG
    if seeds == 1:
        assert found["undecided"] == 1


def test_clear_balance_is_found() -> None:
    assert judge_draws(4.0, 10, draws=1.0)["agrees"] > 0.9
    assert judge_draws(-4.0, 10, draws=1.0)["disagrees"] > 0.9


EVALUATIONS = 40
STUDIES_WITH_CURVES = 60


def curve(
    generator: np.random.Generator, method: str, seed: int, end: float, rise: float, clean: float, shift: float
) -> History:
    """A history of 40,000 iterations that soon comes to `end` nats; the test loss ends `rise` times its least.

    Evaluations scatter by 0.02 nats, the runs by `shift` nats.
    """
    share = np.arange(1, EVALUATIONS + 1) / EVALUATIONS
    noise = 0.02 * generator.normal(size=(2, EVALUATIONS))
    falls = np.exp(-100 * share)
    columns = {
        "iteration": 40000 * share,
        "train_loss": np.abs(end + shift + 2 * falls + noise[0]),
        "clean_train_accuracy": np.minimum(1.0, clean * (1 - falls)),
        "test_loss": (1.5 + (rise - 1) * 1.5 * share**4) * (1 + noise[1]) + 2 * falls,
    }
    return History(100, method, seed, {name: [float(one) for one in values] for name, values in columns.items()})


def judge_curves(
    rule: Callable[[StudyResults], Judgement], ends: dict[str, float], rise: float, seeds: int, clean: float = 0.97
) -> dict[Outcome, float]:
    """`ends` are training losses (nats) at the end, by method; runs scatter by 0.02 nats."""
    generator = np.random.default_rng(seeds)
    study = study_of((100,), unit="article")
    outcomes = []
    for _ in range(STUDIES_WITH_CURVES if seeds > 1 else 10):
        histories = [
            curve(generator, name, seed, end, rise, 1.0 if name == "non" else clean, float(generator.normal(0, 0.02)))
            for name, end in ends.items()
            for seed in range(seeds)
        ]
        counts = {(100, seed): HEAD_OF_100 for seed in range(10)}
        outcomes.append(rule(StudyResults(study, (), tuple(histories), classes=CLASSES, class_counts=counts)).outcome)
    return shares(outcomes)


@pytest.mark.parametrize("seeds", SEEDS)
def test_plain_training_converges_and_mixup_does_not(seeds: int) -> None:
    """At the floor, mixup has converged; just at the threshold, both verdicts are wrong."""
    rule = non_converges_mixup_does_not
    at_the_floor = {"non": 0.01, "data-mix": FLOOR, "label-mix": FLOOR}
    assert judge_curves(rule, at_the_floor, 1.0, seeds)["agrees"] == 0
    at_the_edge = {"non": 0.01, "data-mix": FLOOR + 0.115, "label-mix": FLOOR + 0.5}
    found = judge_curves(rule, at_the_edge, 1.0, seeds)
    assert found["agrees"] <= WRONG
    assert found["disagrees"] <= WRONG
    assert (judge_curves(rule, {**at_the_edge, "data-mix": FLOOR + 0.3}, 1.0, seeds)["agrees"] > 0.9) == (seeds > 1)


@pytest.mark.parametrize("seeds", SEEDS)
def test_mixup_overfits_and_mixed_labels_fall_least(seeds: int) -> None:
    rule = mixup_overfits_label_mix_falls_least
    alike = {"non": 0.01, "data-mix": 0.7, "label-mix": 0.7}
    found = judge_curves(rule, alike, 1.3, seeds)
    assert found["agrees"] <= WRONG
    assert found["disagrees"] <= WRONG
    flat = judge_curves(rule, {**alike, "label-mix": 0.9}, 1.0, seeds)
    assert flat["agrees"] == 0  # the least of noisy evaluations is no rise
    clear = judge_curves(rule, {**alike, "label-mix": 0.9}, 1.3, seeds)
    assert (clear["agrees"] > 0.9) == (seeds > 1)
    reverse = judge_curves(rule, {**alike, "label-mix": 0.5}, 1.3, seeds)
    assert (reverse["disagrees"] > 0.6) == (seeds > 1)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("deviation", [0.5, 1.0, 1.5, 2.5, 4.0])
@pytest.mark.parametrize("size", [500, 20000])
def test_levels(size: int, deviation: float, seeds: int) -> None:
    """The published number is one run. Twice the tolerance off is not the same; no difference at all is no other."""
    generator = np.random.default_rng(seeds)
    tolerance = tolerance_at(size).points
    scatter_of_runs = deviation * tolerance / 3
    for off, wrong in ((0.0, "disagrees"), (2 * tolerance, "agrees")):
        outcomes = []
        for _ in range(5 * STUDIES):
            runs = generator.normal(0, scatter_of_runs, seeds + 1)
            outcomes.append(agreement(list(runs[1:]), float(runs[0]) + off, tolerance)[0])
        assert outcomes.count(wrong) / len(outcomes) <= WRONG  # type: ignore[arg-type]


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("gain", [1.0, 4.0, 14.0])
def test_equal_gains(gain: float, seeds: int) -> None:
    """The published gain and ours have the same mean: of sixteen at once, hardly one is contradicted."""
    generator = np.random.default_rng(seeds)
    tolerance = OF_A_DIFFERENCE * tolerance_at(500).points
    wrong = 0
    for _ in range(STUDIES):
        runs = generator.normal(gain, OF_A_DIFFERENCE, (16, seeds + 1))
        outcomes = [decide_gain([float(one) for one in row[1:]], float(row[0]), tolerance, 16)[0] for row in runs]
        wrong += "disagrees" in outcomes
    assert wrong / STUDIES <= WRONG


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("published", [0.71, 3.5, 14.0])
def test_gains(published: float, effect: float, seeds: int) -> None:
    """No gain at all never agrees with a published one, however small that is; and a small one is not contradicted."""
    generator = np.random.default_rng(seeds)
    tolerance = OF_A_DIFFERENCE * tolerance_at(500).points
    outcomes = []
    for _ in range(STUDIES):
        values = [float(one) for one in generator.normal(effect, OF_A_DIFFERENCE, seeds)]
        outcomes.append(decide_gain(values, published, tolerance)[0])
    if effect == 0:
        assert outcomes.count("agrees") / STUDIES <= WRONG
    if published == 0.71:
        assert outcomes.count("disagrees") / STUDIES <= WRONG
    if published == 14.0:
        assert outcomes.count("agrees") / STUDIES <= WRONG
        assert outcomes.count("disagrees") / STUDIES > 0.6
