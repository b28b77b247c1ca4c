"""Protects the rules for claims on loss curves."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

import pytest
from smallmix.statistics.loss_claims import (
    early_level,
    end_level,
    mixup_overfits_label_mix_falls_least,
    non_converges_mixup_does_not,
    rise_of_test_loss,
)
from smallmix.statistics.study_results import History, StudyResults
from smallmix.statistics.verdicts import Judgement, outcome_by_part

from tests.synthetic_configuration import ARTICLE_BUDGETS, METHODS
from tests.synthetic_study import CLASSES
from tests.unit.statistics.made_up_results import make_history, make_study

HEAD_OF_100 = (6, 16, 13, 13, 11, 7, 7, 11, 4, 12)
FLOOR = 0.4435
EVALUATIONS = 40
# Three seeds' noise, another for each method, so that everything has an interval.
NOISE = {"non": (0.001, 0.0, -0.001), "data-mix": (0.0, 0.003, -0.002), "label-mix": (0.004, -0.003, -0.002)}


def known(floor: float | None) -> float:
    """Return a floor that must be known."""
    assert floor is not None
    return floor


def falling_to(level: float, after: int = 1) -> list[float]:
    """A training loss that stands high for `after` evaluations, then at its level."""
    return [2.3] * after + [level] * (EVALUATIONS - after)


def rising(by: float) -> list[float]:
    """A test loss that falls, then rises to so many times its least."""
    return [2.0] * 8 + [1.0] * 8 + [by] * (EVALUATIONS - 16)


def evidence_of(
    ends: Mapping[str, Sequence[float]],
    *,
    clean: Mapping[str, float] | None = None,
    rises: Mapping[str, float] | None = None,
    sizes: tuple[int, ...] = (100,),
    seeds: int = 3,
    budgets: Mapping[str, Mapping[str, int]] = ARTICLE_BUDGETS,
    counted: bool = True,
) -> StudyResults:
    """Histories of three methods from their training losses; clean accuracies and rises of the test loss by method."""
    clean = {"non": 1.0, "data-mix": 0.95, "label-mix": 0.95} | dict(clean or {})
    histories = []
    for size in sizes:
        for name, losses in ends.items():
            for seed, noise in enumerate(NOISE[name][:seeds]):
                test_loss = rising((rises or {}).get(name, 1.5) + noise)
                history = make_history(size, name, [max(0.0, loss + noise) for loss in losses], test_loss, seed)
                accuracy = [0.1, *[clean[name]] * (EVALUATIONS - 1)]
                histories.append(History(size, name, seed, {**history.columns, "clean_train_accuracy": accuracy}))
    study = make_study(sizes=sizes, seeds=range(seeds), budgets=budgets)
    counts = {(size, seed): HEAD_OF_100 for size in sizes for seed in range(seeds)} if counted else {}
    return StudyResults(study, (), tuple(histories), classes=CLASSES, class_counts=counts)


def curves(plain: Sequence[float], images: float, labels: float) -> dict[str, Sequence[float]]:
    return {"non": plain, "data-mix": falling_to(images), "label-mix": falling_to(labels)}


@pytest.mark.parametrize(
    ("plain", "images", "labels", "outcome"),
    [
        (falling_to(0.01), 0.9, 0.9, "agrees"),
        (falling_to(0.01), 0.9, FLOOR + 0.115, "undecided"),
        (falling_to(0.01, after=20), 0.9, 0.9, "disagrees"),  # late
        (falling_to(1.0), 0.9, 0.9, "disagrees"),
    ],
)
def test_plain_training_converges_at_once_and_mixup_never(
    plain: Sequence[float], images: float, labels: float, outcome: str
) -> None:
    clean = {"non": 1.0 if plain[-1] < 0.1 and plain[10] < 0.1 else 0.9}
    assert non_converges_mixup_does_not(evidence_of(curves(plain, images, labels), clean=clean)).outcome == outcome


def test_mixup_at_its_floor_has_converged() -> None:
    """Four times the threshold for plain training, and still as low as any network comes: once called reproduced."""
    ends = curves(falling_to(0.01), FLOOR, FLOOR)
    judged = non_converges_mixup_does_not(evidence_of(ends, clean={"data-mix": 1.0, "label-mix": 1.0}))
    assert judged.outcome == "disagrees"
    assert "0 of 6 mixup runs end more than 0.115 nats above theirs" in judged.found
    assert re.search("0.44[34] nats for data-mix and 0.44[34] nats for label-mix, and 0 without mixing", judged.reason)


def test_each_quantity_says_which_part_of_its_claim_it_is_about() -> None:
    """Converging late fails the first part, and mixing that stays up holds the second."""
    results = evidence_of(curves(falling_to(1.0), 0.9, 0.9), clean={"non": 0.9}, rises={"data-mix": 0.5})
    convergence = outcome_by_part(non_converges_mixup_does_not(results).measures)
    assert convergence == {
        "plain training converges at once": "disagrees",
        "mixing does not converge within its budget": "agrees",
    }
    fitting = mixup_overfits_label_mix_falls_least(results).measures
    assert {one.name: one.part for one in fitting} == {
        "rise of data-mix at 100": "mixing over-fits",
        "rise of label-mix at 100": "mixing over-fits",
        "label-mix less data-mix at 100": "the training loss of mixed labels falls least",
        "label-mix less non at 100": "the training loss of mixed labels falls least",
    }


def test_the_sizes_that_were_judged_are_named() -> None:
    results = evidence_of(curves(falling_to(0.01), 0.9, 0.9), sizes=(250, 100))
    for rule in (non_converges_mixup_does_not, mixup_overfits_label_mix_falls_least):
        assert "Judged at 250, 100 images." in rule(results).reason


@pytest.mark.parametrize(("nearer", "said"), [(0.02, False), (0.03, True)])
def test_clearly_nearer_means_by_intervals_that_hold_together(nearer: float, said: bool) -> None:
    """Label-mix ends 0.02 +- 0.013 nats nearer by its own interval, and +- 0.026 as one of four."""
    judged = mixup_overfits_label_mix_falls_least(evidence_of(curves(falling_to(0.01), 0.9, 0.9 - nearer)))
    (measure,) = (one for one in judged.measures if one.name == "label-mix less data-mix at 100")
    assert measure.sign() == -1
    assert ("(clearly nearer in 1)" in judged.found) == said


def test_the_clean_images_can_keep_it_undecided() -> None:
    """The loss stays up, but every training image is classified correctly: not simply 'never converges'."""
    ends = curves(falling_to(0.01), 0.9, 0.9)
    judged = non_converges_mixup_does_not(evidence_of(ends, clean={"data-mix": 1.0}))
    assert judged.outcome == "undecided"
    assert (
        "clean training images classified correctly at the end: non 100.0 %, data-mix 100.0 %, label-mix 95.0 %"
        in judged.found
    )


def test_one_size_that_contradicts_is_enough() -> None:
    ends = curves(falling_to(0.01), 0.9, 0.9)
    whole = evidence_of(ends, sizes=(250, 100))
    assert non_converges_mixup_does_not(whole).outcome == "agrees"
    at_floor = evidence_of(curves(falling_to(0.01), FLOOR, 0.9), clean={"data-mix": 1.0}, sizes=(250,)).histories
    mixed = [one for one in whole.histories if one.size == 100] + list(at_floor)
    results = StudyResults(whole.study, (), tuple(mixed), classes=CLASSES, class_counts=whole.class_counts)
    assert non_converges_mixup_does_not(results).outcome == "disagrees"


Rule = Callable[[StudyResults], Judgement]


@pytest.mark.parametrize("rule", [non_converges_mixup_does_not, mixup_overfits_label_mix_falls_least])
class TestWhatCanBeJudged:
    """Both rules judge the same sizes."""

    ENDS = curves(falling_to(0.01), 0.7, 0.9)

    def test_one_seed_decides_nothing(self, rule: Rule) -> None:
        judged = rule(evidence_of(self.ENDS, seeds=1))
        assert judged.outcome == "undecided"
        assert "One seed: nothing has an interval" in judged.reason
        assert judged.found

    def test_large_sizes_alone_are_not_tested(self, rule: Rule) -> None:
        judged = rule(StudyResults(make_study(sizes=(50000,)), ()))
        assert judged.outcome == "not tested"
        assert "1,000 images or fewer" in judged.reason

    def test_a_cut_budget_is_not_tested(self, rule: Rule) -> None:
        judged = rule(evidence_of(self.ENDS, budgets={"default": {"iterations": 39999}}))
        assert judged.outcome == "not tested"
        assert "needs the article's budgets" in judged.reason

    def test_one_whole_size_does_not_unlock_the_others(self, rule: Rule) -> None:
        """500 and 250 end early here; what they show must not count."""
        budgets = {"default": {"iterations": 500}, "100": {"iterations": 40000}}
        judged = rule(evidence_of(self.ENDS, sizes=(500, 250, 100), budgets=budgets))
        assert judged.outcome == "agrees"
        assert "Trained for less than the article's budget, and so not judged: 500, 250 images." in judged.reason
        assert "of 6 mixup runs" in judged.found

    def test_an_unknown_subset_has_no_floor(self, rule: Rule) -> None:
        judged = rule(evidence_of(self.ENDS, counted=False))
        assert judged.outcome == "not tested"
        assert "Without the subset's table, which the floor follows from: 100 images." in judged.reason

    def test_a_size_without_every_method_is_left_out(self, rule: Rule) -> None:
        whole = evidence_of(self.ENDS, sizes=(250, 100))
        kept = tuple(one for one in whole.histories if (one.size, one.method) != (250, "non"))
        judged = rule(StudyResults(whole.study, (), kept, classes=CLASSES, class_counts=whole.class_counts))
        assert "Without histories of every method, and so not judged: 250 images." in judged.reason
        assert judged.outcome == "agrees"


def test_the_threshold_follows_the_number_of_classes() -> None:
    # 5 % of ln 10 is 0.115: a loss of 0.13 has not converged, one of 0.10 has.
    assert 0.05 * math.log(10) == pytest.approx(0.115, abs=5e-4)
    for level, outcome in ((0.13, "disagrees"), (0.10, "agrees")):
        ends = curves(falling_to(level), 0.9, 0.9)
        clean = {"non": 0.95 if level > 0.115 else 1.0}
        assert non_converges_mixup_does_not(evidence_of(ends, clean=clean)).outcome == outcome


@pytest.mark.parametrize(
    ("rise", "label_end", "label_clean", "outcome"),
    [
        (1.5, 0.9, 0.94, "agrees"),
        (1.5, 0.7, 0.95, "undecided"),
        (1.5, 0.5, 0.96, "disagrees"),
        (1.0, 0.9, 0.94, "disagrees"),
        (1.05, 0.9, 0.94, "undecided"),
    ],
)
def test_mixup_overfits_and_mixed_labels_fall_least(
    rise: float, label_end: float, label_clean: float, outcome: str
) -> None:
    ends = curves(falling_to(0.01), 0.7, label_end)
    rises = {"data-mix": rise, "label-mix": rise}
    results = evidence_of(ends, rises=rises, clean={"label-mix": label_clean})
    assert mixup_overfits_label_mix_falls_least(results).outcome == outcome


def test_the_identity_is_said_where_it_holds_and_only_there() -> None:
    ends = curves(falling_to(0.01), 0.7, 0.9)
    results = evidence_of(ends)
    sentence = "data-mix and label-mix have the same expected training loss at the same weights"
    assert sentence in mixup_overfits_label_mix_falls_least(results).reason
    methods = {**METHODS, "data-mix": {"mix": "images", "beta": [1.0, 1.0]}}
    study = make_study(sizes=(100,), seeds=range(3), budgets=ARTICLE_BUDGETS, methods=methods)
    other = StudyResults(study, (), results.histories, classes=CLASSES, class_counts=results.class_counts)
    assert sentence not in mixup_overfits_label_mix_falls_least(other).reason


def test_clean_images_that_say_the_reverse_keep_it_undecided() -> None:
    """The loss of mixed labels ends highest, and yet they fit the clean training images best."""
    ends = curves(falling_to(0.01), 0.7, 0.9)
    noisy = evidence_of(ends, clean={"label-mix": 0.99, "data-mix": 0.90})
    assert mixup_overfits_label_mix_falls_least(noisy).outcome == "undecided"


def test_plain_trainings_own_overfitting_does_not_count() -> None:
    ends = curves(falling_to(0.01), 0.7, 0.9)
    judged = mixup_overfits_label_mix_falls_least(
        evidence_of(ends, rises={"non": 9.0, "data-mix": 1.0, "label-mix": 1.04})
    )
    assert judged.found.startswith("the test loss of 0 of 6 mixup runs")


def test_levels_are_medians_of_a_tenth() -> None:
    assert end_level([9.0] * 27 + [1.0, 5.0, 2.0]) == 2.0
    assert end_level([4.0, 3.0]) == 3.0
    losses = [9.0, 8.0, 9.0, 1.0, 3.0, *[0.5] * 25]
    assert early_level(make_history(100, "non", losses), "train_loss") == 3.0


def test_steps_of_the_first_tenth_do_not_count_as_what_follows_it() -> None:
    """The third of thirty readings is the mean of steps that all lie within the first tenth."""
    losses = [9.0, 8.0, 9.0, 1.0, 3.0, *[0.5] * 25]
    assert early_level(make_history(100, "non", losses), "train_loss", mean=True) == 1.0
    assert early_level(make_history(100, "non", [5.0]), "train_loss", mean=True) == 5.0


def test_the_least_of_many_noisy_readings_is_no_lowest_stretch() -> None:
    flat = [1.0, 1.1, 0.9] * 34
    assert rise_of_test_loss(make_history(100, "a", flat, flat)) == pytest.approx(-math.log(1.05))
    assert rise_of_test_loss(make_history(100, "a", [1.0] * 3, [2.0, 1.0, 1.5])) == pytest.approx(math.log(1.5 / 1.05))


@pytest.mark.parametrize("count", [28, 31, 101])
def test_no_stretch_is_shorter_than_the_end(count: int) -> None:
    """One low evaluation among many is chance, wherever it stands."""
    for place in (0, count // 2, count - 1):
        losses = [1.0] * count
        losses[place] = 0.5
        assert rise_of_test_loss(make_history(100, "a", losses, losses)) == pytest.approx(-math.log(1.05)), place
