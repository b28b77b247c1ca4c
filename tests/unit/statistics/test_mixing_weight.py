"""Protects the rules on the mixing weight: its distribution, and a weight for each image; numbers computed by hand.

The quantile of Student's t with two degrees of freedom is 4.3027, and 6.2053 where two intervals are to hold together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from smallmix.statistics.answers import ONE_SEED
from smallmix.statistics.mixing_weight import (
    does_a_weight_for_each_image_help,
    does_the_beta_distribution_need_tuning,
    does_the_larger_share_help,
)
from smallmix.statistics.study_results import History, StudyResults

from tests.synthetic_configuration import METHODS
from tests.unit.statistics.made_up_results import of_best, results_of

MINUS = "\N{MINUS SIGN}"
PLAIN = (40.0, 40.0, 40.0)


BETAS = {
    "non": METHODS["non"],
    "data-mix": METHODS["data-mix"],
    "data-mix-4": {"mix": "images", "beta": [5.0, 4.0]},
    "label-mix": METHODS["label-mix"],
    "label-mix-4": {"mix": "images-and-labels", "beta": [4.0, 4.0]},
}


def tuned(validation: Mapping[str, float], test: Mapping[str, Sequence[float]]) -> StudyResults:
    """A study of 250 images: the best validation accuracy by method (percent), and test accuracies by seed."""
    at_best = {(250, name): test.get(name, PLAIN) for name in BETAS}
    found = results_of(
        {"best": at_best, "validation": at_best}, methods=BETAS, validation_images=200, selection="validation"
    )
    histories = [
        History(250, name, seed, {"validation_accuracy": [10 / 100, validation[name] / 100, 20 / 100]})
        for name in validation
        for seed in found.study.seeds
    ]
    return replace(found, histories=tuple(histories))


FOUR_IS_BEST = {"non": 30.0, "data-mix": 40.0, "data-mix-4": 41.0, "label-mix": 40.0, "label-mix-4": 41.0}


def test_tuning_pays_where_the_chosen_distribution_is_ahead_for_certain() -> None:
    answer = does_the_beta_distribution_need_tuning(tuned(FOUR_IS_BEST, {"label-mix-4": (44.9, 45.0, 45.1)}))
    assert answer.word == "yes"
    assert answer.sentences[0] == (
        "Choosing on validation images clearly gains accuracy: label-mix-4 minus label-mix, +5.0 points (+4.8 to +5.2)."
    )
    assert answer.sentences[1].startswith("Both ways of mixing with one a clearly differ for 1 of 2 values of a: ")
    assert answer.quantities[1].joint_low is not None, "of two pairs with one a"


def test_tuning_is_undecided_within_the_scatter() -> None:
    answer = does_the_beta_distribution_need_tuning(
        tuned(FOUR_IS_BEST, {"label-mix-4": (39.5, 40.5, 41.5), "data-mix-4": (39.0, 40.0, 41.0)})
    )
    assert answer.word == "undecided"
    assert answer.sentences[0].startswith("The choice on validation images may gain nothing (data-mix-4 minus ")
    assert answer.sentences[0].endswith("): every interval includes zero.")
    assert answer.sentences[1] == (
        "No difference between both ways of mixing with one a is seen for 2 values of a: every interval includes zero."
    )


def test_an_interval_that_excludes_zero_only_by_itself_decides_nothing() -> None:
    """Means of 1 +- 0.93 points (deviation 0.375). Two that cover together reach 6.2053 x 0.2165 = 1.34 points."""
    narrow = (40.625, 41.0, 41.375)
    answer = does_the_beta_distribution_need_tuning(
        tuned(FOUR_IS_BEST, {"label-mix-4": narrow, "data-mix-4": (39.0, 40.0, 41.0)})
    )
    assert answer.word == "undecided"
    assert answer.sentences[0].endswith(
        "): every interval includes zero, if all are to cover together in 95 % (1 by itself does not)."
    )


def test_nothing_is_to_be_tuned_where_the_articles_distribution_is_the_best() -> None:
    best = {**FOUR_IS_BEST, "data-mix": 50.0, "label-mix": 50.0}
    answer = does_the_beta_distribution_need_tuning(tuned(best, {}))
    assert answer.word == "no"
    assert answer.sentences[0] == (
        "The article's own distribution is the best on validation images for data-mix and label-mix."
    )


def test_the_choice_goes_by_validation_images_and_never_by_test_images() -> None:
    best = {**FOUR_IS_BEST, "data-mix": 50.0}
    answer = does_the_beta_distribution_need_tuning(
        tuned(best, {"label-mix-4": LOSS_OF_TEN, "data-mix-4": (90.0,) * 3})
    )
    assert answer.word == "no"
    assert "clearly loses accuracy: label-mix-4 minus label-mix" in answer.sentences[0]
    assert "best on validation images for data-mix." in answer.sentences[1]


LOSS_OF_TEN = (29.9, 30.0, 30.1)


def test_tuning_needs_validation_images() -> None:
    accuracies = {(250, name): PLAIN for name in METHODS}
    assert does_the_beta_distribution_need_tuning(of_best(accuracies)).word == "not answered"


EACH = {
    "non": METHODS["non"],
    "data-mix": METHODS["data-mix"],
    "label-mix": METHODS["label-mix"],
    "data-mix-each": {"mix": "images-per-image", "beta": [2.0, 1.0]},
    "label-mix-each": {"mix": "images-and-labels-per-image", "beta": [1.0, 1.0]},
    "label-mix-each-4": {"mix": "images-and-labels-per-image", "beta": [4.0, 4.0]},
}


def weighted(images: Sequence[float], labels: Sequence[float]) -> StudyResults:
    """A study of two sizes. A weight for each image adds these points by seed, 2 more at 250 and 2 less at 100."""
    by: dict[tuple[int, str], Sequence[float]] = {}
    for size, shift in ((250, 2), (100, -2)):
        by |= {(size, name): PLAIN for name in EACH}
        by |= {(size, "data-mix-each"): [40 + shift + gain for gain in images]}
        by |= {(size, "label-mix-each"): [40 + shift + gain for gain in labels]}
        by |= {(size, "label-mix-each-4"): [90.0] * 3}  # of another distribution: compared with nothing
    return of_best(by, methods=EACH)


def test_a_weight_for_each_image_helps_where_it_gains_for_certain() -> None:
    answer = does_a_weight_for_each_image_help(weighted((1.9, 2.0, 2.1), (-1.0, 0.0, 1.0)))
    assert answer.word == "yes"
    assert answer.sentences == (
        "A weight for each image clearly gains accuracy: data-mix-each minus data-mix, +2.0 points (+1.8 to +2.2).",
        f"Not clear: label-mix-each minus label-mix, 0.0 points ({MINUS}2.5 to +2.5).",
    )
    assert [one.name for one in answer.quantities] == ["data-mix-each minus data-mix", "label-mix-each minus label-mix"]


def test_a_weight_for_each_image_can_lose() -> None:
    answer = does_a_weight_for_each_image_help(weighted((-1.9, -2.0, -2.1), (-1.0, 0.0, 1.0)))
    assert answer.word == "no"
    assert answer.sentences[0].startswith("A weight for each image clearly loses accuracy: data-mix-each minus ")


def test_a_weight_for_each_image_is_undecided_within_the_scatter() -> None:
    answer = does_a_weight_for_each_image_help(weighted((-1.0, 0.0, 1.0), (-1.0, 0.0, 1.0)))
    assert (answer.word, answer.sentences[0]) == ("undecided", "Every interval includes zero.")


def test_a_weight_for_each_image_that_gains_in_one_way_and_loses_in_the_other_helps_in_part() -> None:
    answer = does_a_weight_for_each_image_help(weighted((1.9, 2.0, 2.1), (-1.9, -2.0, -2.1)))
    assert answer.word == "in part"
    (sentence,) = answer.sentences
    assert "in one way of mixing: data-mix-each minus data-mix, +2.0 points" in sentence
    assert f"loses accuracy in the other: label-mix-each minus label-mix, {MINUS}2.0 points" in sentence


def test_a_weight_for_each_image_is_judged_by_the_widened_intervals() -> None:
    """A mean of 1 with a deviation of 0.375: 0.93 to each side alone, 1.34 as one of two."""
    answer = does_a_weight_for_each_image_help(weighted((0.625, 1.0, 1.375), (-1.0, 0.0, 1.0)))
    assert answer.word == "undecided"
    first = answer.quantities[0]
    assert first.low is not None
    assert first.joint_low is not None
    assert first.low > 0 > first.joint_low


def test_one_seed_says_nothing_of_the_weights() -> None:
    by = {(250, name): (40.0,) for name in EACH} | {(250, "data-mix-each"): (60.0,)}
    assert does_a_weight_for_each_image_help(of_best(by, methods=EACH)).sentences[0] == ONE_SEED


def test_a_study_without_weights_for_each_image_does_not_say() -> None:
    assert does_a_weight_for_each_image_help(of_best({(250, name): PLAIN for name in METHODS})).word == "not answered"


LARGER = {
    "non": METHODS["non"],
    "data-mix": METHODS["data-mix"],
    "data-mix-larger": {"mix": "larger_share.py:LargerShare", "beta": [2.0, 1.0]},
    "data-mix-larger-4": {"mix": "larger_share.py:LargerShare", "beta": [4.0, 4.0]},
}


def shared(larger: Sequence[float], plain: Sequence[float] = (41.0, 42.0, 43.0)) -> StudyResults:
    """A study of one size. The larger share adds these points to the own image's label, by seed."""
    by: dict[tuple[int, str], Sequence[float]] = {(250, "non"): plain, (250, "data-mix"): PLAIN}
    by |= {(250, "data-mix-larger"): [40 + gain for gain in larger]}
    by |= {(250, "data-mix-larger-4"): [90.0] * len(larger)}  # of another distribution: compared with nothing
    return of_best(by, methods=LARGER)


def test_the_larger_share_helps_where_it_gains_for_certain() -> None:
    """Against plain training: 0.9, 0 and -0.9 points, and -1, -2 and -3."""
    answer = does_the_larger_share_help(shared((1.9, 2.0, 2.1)))
    assert answer.word == "yes"
    assert answer.sentences == (
        "The larger share clearly gains accuracy: data-mix-larger minus data-mix, +2.0 points (+1.8 to +2.2).",
        f"Against plain training: data-mix-larger minus non, 0.0 points ({MINUS}2.2 to +2.2) and data-mix minus non, "
        f"{MINUS}2.0 points ({MINUS}4.5 to +0.5).",
    )
    assert [one.name for one in answer.quantities] == [
        "data-mix-larger minus data-mix",
        "data-mix-larger minus non",
        "data-mix minus non",
    ]


def test_the_larger_share_can_lose() -> None:
    answer = does_the_larger_share_help(shared((-1.9, -2.0, -2.1)))
    assert (answer.word, answer.sentences[0][:41]) == ("no", "The larger share clearly loses accuracy: ")


def test_the_larger_share_is_undecided_within_the_scatter() -> None:
    answer = does_the_larger_share_help(shared((-1.0, 0.0, 1.0)))
    assert answer.word == "undecided"
    assert answer.sentences[0] == (
        f"The interval includes zero (data-mix-larger minus data-mix, 0.0 points ({MINUS}2.5 to +2.5))."
    )


def test_one_seed_says_nothing_of_the_larger_share() -> None:
    assert does_the_larger_share_help(shared((9.0,), (41.0,))).sentences[0] == ONE_SEED


def test_a_study_without_the_larger_share_does_not_say() -> None:
    assert does_the_larger_share_help(of_best({(250, name): PLAIN for name in METHODS})).word == "not answered"
