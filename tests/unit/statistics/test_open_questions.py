"""Protects the rules of the questions that the article leaves open: every branch, with numbers computed by hand.

The quantile of Student's t with two degrees of freedom is 4.3027. Three seeds with a standard deviation of 1 point have
an interval of 4.3027 / sqrt(3) = 2.484 points to each side. One further run falls within 4.3027 x sqrt(4/3) = 4.968.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from smallmix.statistics.answers import ONE_SEED
from smallmix.statistics.claims import QUESTION_RULES
from smallmix.statistics.open_questions import (
    does_a_calmer_recipe_help,
    does_longer_training_help,
    does_the_best_of_a_run_mislead,
    is_one_seed_enough,
)
from smallmix.statistics.study_results import StudyResults
from smallmix.study.study import Study

from tests.synthetic_configuration import METHODS, build_configuration
from tests.unit.statistics.made_up_results import make_study_results, of_best, results_of

MINUS = "\N{MINUS SIGN}"


PLAIN = (40.0, 40.0, 40.0)


def test_one_seed_is_enough_where_single_runs_lie_on_one_side() -> None:
    """Label-mix gains 5, 6 and 7 points, data-mix -2, 0 and 2: the ranges are 6 +- 4.97 and 0 +- 9.94."""
    labels, images = (45.0, 46.0, 47.0), (38.0, 40.0, 42.0)
    answer = is_one_seed_enough(of_best({(500, "non"): PLAIN, (500, "data-mix"): images, (500, "label-mix"): labels}))
    assert answer.word == "in part"
    assert answer.sentences == (
        "In 2 of 3 comparisons, a further run lies on one side of zero with 95 % probability; in the others, it may "
        "show the "
        "wrong sign.",
        "The 95 % prediction interval of a further run reaches up to 9.9 points from the mean (data-mix minus non at "
        "500).",
    )
    found = {one.name: one for one in answer.quantities}
    assert found["label-mix minus non at 500"].low == pytest.approx(0.06 - 0.04968, abs=1e-5)
    assert found["data-mix minus non at 500"].high == pytest.approx(0.09937, abs=1e-5)
    assert answer.range_is == "95 % prediction interval of a further run"


@pytest.mark.parametrize(
    ("labels", "word", "first"),
    [
        (
            (45.0, 46.0, 47.0),
            "yes",
            "In all of 1 comparison, a further run lies on one side of zero with 95 % probability.",
        ),
        (
            (38.0, 40.0, 42.0),
            "no",
            "In none of 1 comparison does a further run lie on one side of zero with 95 % probability.",
        ),
    ],
)
def test_one_seed_is_enough_or_is_not(labels: Sequence[float], word: str, first: str) -> None:
    methods = {name: METHODS[name] for name in ("non", "label-mix")}
    answer = is_one_seed_enough(of_best({(500, "non"): PLAIN, (500, "label-mix"): labels}, methods=methods))
    assert (answer.word, answer.sentences[0]) == (word, first)


def test_two_seeds_say_nothing_of_a_third() -> None:
    accuracies = {(500, name): (40.0, 41.0) for name in METHODS}
    assert is_one_seed_enough(of_best(accuracies)).word == "not answered"


# best minus median of the last tenth: 1 point for non; 1, 2 and 3 for data-mix; 3.9, 4 and 4.1 for label-mix.
END = {(500, name): PLAIN for name in METHODS}
EXCESS = {(500, "non"): (41.0,) * 3, (500, "data-mix"): (41.0, 42.0, 43.0), (500, "label-mix"): (43.9, 44.0, 44.1)}


def test_the_best_of_a_run_changes_a_gain_where_its_interval_excludes_zero() -> None:
    """The change is 3 +- 0.248 for label-mix; 1 +- 2.48 for data-mix."""
    answer = does_the_best_of_a_run_mislead(results_of({"best": EXCESS, "last_tenth": END}))
    assert answer.word == "yes"
    assert answer.sentences == (
        "Averaged over the sizes, the best of a run lies 1.0 to 4.0 points above the median of its last tenth.",
        "Choosing it clearly changes the gain over non: of label-mix by +3.0 points (+2.8 to +3.2).",
    )
    assert [one.name for one in answer.quantities][-2:] == [
        "data-mix: change of its gain over non",
        "label-mix: change of its gain over non",
    ]


def test_the_best_of_a_run_may_change_nothing() -> None:
    excess = {**EXCESS, (500, "label-mix"): (40.0, 41.0, 42.0)}
    answer = does_the_best_of_a_run_mislead(results_of({"best": excess, "last_tenth": END}))
    assert answer.word == "undecided"
    assert answer.sentences[1].endswith("is undecided: every interval includes zero.")


def test_one_seed_does_not_decide_what_the_best_changes() -> None:
    one = {place: values[:1] for place, values in EXCESS.items()}
    end = {place: values[:1] for place, values in END.items()}
    answer = does_the_best_of_a_run_mislead(results_of({"best": one, "last_tenth": end}))
    assert (answer.word, answer.sentences[1]) == ("undecided", ONE_SEED)


def test_the_excess_is_averaged_over_the_sizes_within_each_seed() -> None:
    """1 point at 500 and 3 at 100 make 2."""
    methods = {name: METHODS[name] for name in ("non", "label-mix")}
    end = {(size, name): PLAIN for size in (500, 100) for name in methods}
    best = {(500, "non"): (41.0,) * 3, (100, "non"): (43.0,) * 3, (500, "label-mix"): PLAIN, (100, "label-mix"): PLAIN}
    answer = does_the_best_of_a_run_mislead(results_of({"best": best, "last_tenth": end}, methods=methods))
    assert answer.quantities[0].mean == pytest.approx(0.02)


def test_the_best_of_a_run_needs_plain_training() -> None:
    methods = {"label-mix": METHODS["label-mix"]}
    only = {(500, "label-mix"): PLAIN}
    assert does_the_best_of_a_run_mislead(results_of({"best": only, "last_tenth": only}, methods=methods)).word == (
        "not answered"
    )


SHORT, LONG = {"default": {"iterations": 800}}, {"default": {"iterations": 3200}}
SIZES = (1000, 100)


def longer(gains: Mapping[str, Sequence[float]], **choices: Any) -> tuple[StudyResults, StudyResults]:
    base = {(size, name): PLAIN for size in SIZES for name in METHODS}
    after = {(size, name): [40 + gain for gain in gains[name]] for size in SIZES for name in METHODS}
    return of_best(base, budgets=SHORT), of_best(after, **{"budgets": LONG, **choices})


CLEAR, NOTHING, LOSS = (1.9, 2.0, 2.1), (-1.0, 0.0, 1.0), (-2.1, -2.0, -1.9)


@pytest.mark.parametrize(
    ("gains", "word", "first"),
    [
        ((CLEAR, CLEAR, CLEAR), "yes", "Every method gains from longer training at 1,000 and 100 images, each by"),
        ((CLEAR, CLEAR, NOTHING), "undecided", "Of 6 means, 4 lie above zero. By their own intervals, non at"),
        (
            (CLEAR, CLEAR, LOSS),
            "no",
            "Longer training does not help every method: label-mix at 1,000 and label-mix at 100",
        ),
    ],
)
def test_longer_training_helps_where_every_gain_is_certain(
    gains: Sequence[Sequence[float]], word: str, first: str
) -> None:
    answer = does_longer_training_help(*longer(dict(zip(METHODS, gains, strict=True))))
    assert answer.word == word
    assert answer.sentences[0].startswith(first)


def test_what_longer_training_adds_is_said_with_its_iterations() -> None:
    gains = {"non": CLEAR, "data-mix": CLEAR, "label-mix": (2.9, 3.0, 3.1)}
    assert does_longer_training_help(*longer(gains)).sentences[1] == (
        "By method, 3,200 instead of 800 iterations add +2.0 to +3.0 points at 1,000 images and +2.0 to +3.0 points at "
        "100 images."
    )
    of_100 = {"budgets": {**LONG, "100": {"iterations": 8000}}}
    assert does_longer_training_help(*longer(gains, **of_100)).sentences[1] == (
        "By method, 3,200 instead of 800 iterations add +2.0 to +3.0 points at 1,000 images and 8,000 instead of 800 "
        "iterations add +2.0 to +3.0 points at 100 images."
    )


def test_studies_that_differ_in_more_than_their_iterations_are_no_answer() -> None:
    gains = dict.fromkeys(METHODS, CLEAR)
    assert does_longer_training_help(*longer(gains, width=16)).word == "not answered"
    short, long = longer(gains)
    assert does_longer_training_help(long, short).word == "not answered"


def calm(gains: Mapping[str, Sequence[float]]) -> list[StudyResults]:
    """A study, and one with more weight decay in which each method's last tenth lies this many points higher."""
    base = {(250, name): PLAIN for name in METHODS}
    after = {(250, name): [40 + gain for gain in gains[name]] for name in METHODS}
    found = [results_of({"best": by, "last_tenth": by}) for by in (base, after)]
    configuration = build_configuration(name="calmer", sizes=[250], seeds=range(3))
    configuration["recipe"] = {**configuration["recipe"], "weight_decay": 5e-4}
    found[1] = replace(found[1], study=Study.from_configuration(configuration))
    return found


@pytest.mark.parametrize(
    ("gains", "word", "first"),
    [
        (
            (NOTHING, NOTHING, CLEAR),
            "yes",
            "clearly raises the accuracy of mixing: label-mix at 250 in calmer, +2.0 points",
        ),
        ((CLEAR, NOTHING, NOTHING), "undecided", "Every interval includes zero."),
        ((CLEAR, LOSS, LOSS), "no", "Every calmer recipe clearly lowers the accuracy of mixing."),
        (
            (CLEAR, NOTHING, LOSS),
            "undecided",
            f"and some lower it: label-mix at 250 in calmer, {MINUS}2.0 points",
        ),
    ],
)
def test_a_calmer_recipe_helps_where_mixing_gains_for_certain(
    gains: Sequence[Sequence[float]], word: str, first: str
) -> None:
    base, other = calm(dict(zip(METHODS, gains, strict=True)))
    answer = does_a_calmer_recipe_help(base, [other])
    assert answer.word == word
    assert first in answer.sentences[0]


def test_a_calmer_recipe_says_whether_mixing_stays_ahead() -> None:
    """Label-mix lies 2.9, 2.0 and 1.1 above plain: 2 +- 2.24. Data-mix lies 4.9, 5 and 5.1 above it."""
    base, other = calm({"non": (0.0, 0.0, 0.0), "data-mix": (4.9, 5.0, 5.1), "label-mix": (2.9, 2.0, 1.1)})
    answer = does_a_calmer_recipe_help(base, [other])
    assert answer.sentences[1] == (
        "Under these recipes mixing stays clearly ahead of plain training in 1 of 2 comparisons."
    )
    assert [one.name for one in answer.quantities][-1] == "non at 250 in calmer"


def test_a_calmer_recipe_is_held_against_the_articles_whichever_study_is_judged() -> None:
    """The study with the article's weight decay is the base, so that a gain keeps its sign."""
    base, other = calm(dict(zip(METHODS, (NOTHING, NOTHING, CLEAR), strict=True)))
    rule = QUESTION_RULES["a_calmer_recipe_helps"]
    assert rule(base, [other]) == rule(other, [base]) == does_a_calmer_recipe_help(base, [other])
    assert rule(base, [other]).word == "yes"
    assert rule(other, []).word == rule(base, []).word == "not answered"


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"learning_rate": 0.5},
        {"last_batch": "even"},
        {"precision": "bf16"},
        {"weight_decay": 5e-4, "learning_rate": 0.5},
        {"weight_decay": 1e-5},
    ],
    ids=str,
)
def test_a_study_that_differs_in_anything_else_is_no_calmer_recipe(recipe: Mapping[str, Any]) -> None:
    """Two studies of one recipe once answered the question with the scatter of equal trainings."""
    base, other = calm(dict(zip(METHODS, (NOTHING, NOTHING, CLEAR), strict=True)))
    configuration = build_configuration(name="calmer", sizes=[250], seeds=range(3))
    configuration["recipe"] = {**configuration["recipe"], **recipe}
    other = replace(other, study=Study.from_configuration(configuration))
    assert does_a_calmer_recipe_help(base, [other]).word == "not answered"


def test_a_cosine_is_a_calmer_recipe_and_the_steps_are_its_base() -> None:
    base, other = calm(dict(zip(METHODS, (NOTHING, NOTHING, CLEAR), strict=True)))
    configuration = build_configuration(name="cosine", sizes=[250], seeds=range(3))
    configuration["recipe"] = {**configuration["recipe"], "schedule": "cosine"}
    cosine = replace(other, study=Study.from_configuration(configuration))
    rule = QUESTION_RULES["a_calmer_recipe_helps"]
    assert rule(cosine, [base]) == does_a_calmer_recipe_help(base, [cosine])
    assert rule(cosine, [base]).word == "yes"


def test_the_joint_interval_stands_beside_each_of_several() -> None:
    base, other = calm(dict(zip(METHODS, (NOTHING, CLEAR, CLEAR), strict=True)))
    *mixing, plain = does_a_calmer_recipe_help(base, [other]).quantities
    assert all(one.joint_low is not None for one in mixing)
    assert plain.joint_low is None
    answer = does_longer_training_help(*longer(dict.fromkeys(METHODS, CLEAR)))
    assert answer.quantities[0].joint_low is not None


def test_methods_that_lose_by_longer_training_are_named_with_their_verb() -> None:
    one, both = (
        does_longer_training_help(*longer(dict(zip(METHODS, gains, strict=True)))).sentences[0]
        for gains in ((CLEAR, CLEAR, LOSS), (CLEAR, LOSS, LOSS))
    )
    assert " clearly loses accuracy." in one or " clearly lose accuracy." in one
    assert both.endswith(" clearly lose accuracy.")


def test_longer_training_at_one_of_the_sizes_helps_in_part() -> None:
    both = longer(dict.fromkeys(METHODS, CLEAR))
    assert does_longer_training_help(*both).word == "yes"
    cut = []
    for study in both:
        configuration = {
            **study.study.configuration,
            "subsets": {**study.study.configuration["subsets"], "sizes": [1000]},
        }
        runs = tuple(run for run in study.runs if run.size == 1000)
        cut.append(replace(study, study=Study.from_configuration(configuration), runs=runs))
    answer = does_longer_training_help(*cut)
    assert answer.word == "in part"
    assert answer.sentences[0] == (
        "Every method gains from longer training at 1,000 images, each by its own interval. 100 images were not "
        "trained longer."
    )


def test_a_study_of_another_width_is_no_calmer_recipe() -> None:
    base = make_study_results({(250, name): (0.4, 0.4) for name in METHODS})
    other = make_study_results({(250, name): (0.5, 0.5) for name in METHODS}, width=16)
    assert does_a_calmer_recipe_help(base, [other]).word == "not answered"
