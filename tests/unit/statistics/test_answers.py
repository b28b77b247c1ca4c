"""Protects the sentences that the article's claims are answered with: every outcome, and the numbers in them."""

from __future__ import annotations

import pytest
from smallmix.statistics.answers import (
    CLAIM_WORDS,
    ONE_SEED,
    answer_claim,
    answer_published,
    describe_points,
    extremes_sentence,
    show_value,
    undecided_sentence,
)
from smallmix.statistics.claims import RULES
from smallmix.statistics.intervals import mean_interval
from smallmix.statistics.verdicts import Judgement, Measure, Outcome, not_tested

from tests.unit.statistics.made_up_results import make_study_results

# Means of 2, 0 and -2 points, each with a standard deviation of 0.1 (or 1) over three seeds. The quantile of Student's
# t with two degrees of freedom is 4.3027, so the half width is 4.3027 x 0.1 / sqrt(3) = 0.248 (or 2.484) points.
ABOVE = Measure("up", [0.019, 0.020, 0.021])
OPEN = Measure("open", [-0.010, 0.000, 0.010])
BELOW = Measure("down", [-0.019, -0.020, -0.021])
ALONE = Measure("alone", [0.02])


def test_every_rule_has_its_words() -> None:
    assert set(CLAIM_WORDS) == set(RULES)


@pytest.mark.parametrize("rule", CLAIM_WORDS)
@pytest.mark.parametrize(
    ("outcome", "word"),
    [("agrees", "yes"), ("disagrees", "no"), ("undecided", "undecided"), ("not tested", "not answered")],
)
def test_every_outcome_of_every_rule_is_said_in_whole_sentences(rule: str, outcome: Outcome, word: str) -> None:
    answer = answer_claim(rule, Judgement(outcome, "found 3 of 4", "needs more", measures=(ABOVE, BELOW)))
    assert answer.word == word
    assert 1 <= len(answer.sentences) <= 2
    for sentence in answer.sentences:
        assert sentence.endswith(".")
        assert sentence[0].isupper()
        assert "{" not in sentence
        assert ".." not in sentence


def test_a_claim_that_holds_names_its_smallest_and_largest_quantity() -> None:
    more = Measure("most", [0.049, 0.050, 0.051])
    answer = answer_claim("mixup_helps_at_every_size", Judgement("agrees", "", "", measures=(more, ABOVE)))
    assert answer.sentences == (
        "Every way of mixing is ahead of plain training at every size tried, each by its own interval.",
        "The smallest is up, +2.0 points (+1.8 to +2.2); the largest is most, +5.0 points (+4.8 to +5.2).",
    )
    assert [(one.name, one.seeds) for one in answer.quantities] == [("most", 3), ("up", 3)]
    assert answer.quantities[1].low == pytest.approx(0.02 - 0.002484, abs=1e-6)


def test_a_claim_that_fails_names_what_lies_below_zero() -> None:
    answer = answer_claim("mixup_helps_at_every_size", Judgement("disagrees", "", "", measures=(ABOVE, BELOW)))
    assert answer.sentences[0] == (
        "Mixing does not help at every size: down lies clearly below plain training. Above it, each by its own "
        "interval, lies up."
    )
    lower = Measure("lower", [-0.029, -0.030, -0.031])
    answer = answer_claim("mixup_helps_at_every_size", Judgement("disagrees", "", "", measures=(lower, BELOW)))
    assert answer.sentences[0].endswith(": lower and down lie clearly below plain training.")


def of_part(measure: Measure, part: str) -> Measure:
    return Measure(measure.name, measure.values, part=part)


def test_a_claim_with_a_part_that_holds_and_one_that_fails_is_answered_in_part() -> None:
    measures = (of_part(BELOW, "it rises"), of_part(ABOVE, "it lasts"))
    answer = answer_claim("non_converges_mixup_does_not", Judgement("disagrees", "found", "", measures=measures))
    assert answer.word == "in part"
    assert answer.sentences[0] == (
        "It holds that it lasts. It does not hold that it rises: down lies clearly below zero in the table."
    )


@pytest.mark.parametrize("other", [OPEN, BELOW])
def test_a_claim_whose_other_part_does_not_hold_fails(other: Measure) -> None:
    measures = (of_part(BELOW, "it rises"), of_part(ABOVE, "it lasts"), of_part(other, "it lasts"))
    answer = answer_claim("non_converges_mixup_does_not", Judgement("disagrees", "found", "", measures=measures))
    assert answer.word == "no"


def test_a_part_that_is_undecided_is_named_and_others_do_not_speak_for_it() -> None:
    """The check of `w` contradicts it, so it decides nothing; `v` has no part of its own."""
    contradicted = Measure("w", BELOW.values, ABOVE.values, "it rises")
    measures = (
        of_part(BELOW, "it rises"),
        contradicted,
        of_part(ABOVE, "it lasts"),
        of_part(OPEN, "it spreads"),
        Measure("v", [-0.019, -0.020, -0.021]),
    )
    answer = answer_claim("non_converges_mixup_does_not", Judgement("disagrees", "found", "", measures=measures))
    assert answer.word == "in part"
    assert answer.sentences[0] == (
        "It holds that it lasts. It does not hold that it rises: down lies clearly below zero in the table. Undecided "
        "is whether it spreads."
    )


def test_two_seeds_have_no_interval_in_an_answer() -> None:
    two = Measure("two", [0.02, 0.03])
    assert describe_points(two.interval) == "+2.5 points (two seeds)"
    (quantity,) = answer_claim("uneven_classes_matter", Judgement("undecided", "", "", measures=(two,))).quantities
    assert (quantity.low, quantity.high, quantity.joint_low) == (None, None, None)


def test_a_claim_of_one_part_fails_as_a_whole() -> None:
    """Mixing that helps at one size and harms at another does not help at every size."""
    answer = answer_claim("mixup_helps_at_every_size", Judgement("disagrees", "", "", measures=(ABOVE, BELOW)))
    assert answer.word == "no"


def test_a_claim_on_losses_says_what_was_found() -> None:
    judgement = Judgement("undecided", "3 of 9 runs converge", "", measures=(ABOVE, OPEN))
    answer = answer_claim("non_converges_mixup_does_not", judgement)
    assert answer.unit == "nats"
    assert answer.sentences[1] == "3 of 9 runs converge."


def test_a_claim_that_was_not_tested_says_what_lacks() -> None:
    answer = answer_claim("uneven_classes_matter", not_tested("needs two studies"))
    assert answer.word == "not answered"
    assert answer.sentences == ("The kept studies cannot answer it: needs two studies.",)
    assert answer.quantities == ()


def test_what_is_undecided_names_what_is_certain() -> None:
    assert undecided_sentence([ALONE, ALONE]) == ONE_SEED
    assert undecided_sentence([OPEN]) == "The interval includes zero."
    assert undecided_sentence([OPEN, OPEN]) == "Every interval includes zero."
    assert undecided_sentence([ABOVE]) == "By its own interval, up lies above zero."
    assert undecided_sentence([ABOVE, OPEN, OPEN]) == (
        "Of 3 means, 1 lies above zero. By its own interval, up lies above zero."
    )
    higher = Measure("higher", [0.0, 0.01, 0.02])
    assert undecided_sentence([ABOVE, ABOVE, BELOW, higher]) == (
        "Of 4 means, 3 lie above zero. By their own intervals, up and up lie above zero and down lies below zero."
    )
    assert undecided_sentence([ABOVE, higher]) == (
        "Both means lie above zero. By its own interval, up lies above zero."
    )
    assert undecided_sentence([BELOW, BELOW, OPEN]) == (
        "Of 3 means, 0 lie above zero. By their own intervals, down and down lie below zero."
    )


def test_several_quantities_have_the_wider_intervals_that_decide() -> None:
    """Two of them: t quantile 6.2053 at 97.5 %, times 0.1 / sqrt(3), is 0.3583 points."""
    answer = answer_claim("mixup_helps_at_every_size", Judgement("disagrees", "", "", measures=(ABOVE, BELOW)))
    first = answer.quantities[0]
    assert first.joint_low is not None
    assert first.joint_high is not None
    assert 100 * first.joint_low == pytest.approx(2 - 0.3583, abs=1e-4)
    assert 100 * first.joint_high == pytest.approx(2 + 0.3583, abs=1e-4)
    (alone,) = answer_claim("uneven_classes_matter", Judgement("agrees", "", "", measures=(ABOVE,))).quantities
    assert alone.joint_low is None


def test_a_single_quantity_is_no_smallest_and_largest() -> None:
    assert extremes_sentence([ABOVE]) == "The mean is +2.0 points (+1.8 to +2.2)."


def test_values_are_shown_by_their_unit() -> None:
    assert describe_points(mean_interval([0.02])) == "+2.0 points (one seed)"
    assert show_value(0.0213, "points") == "+2.1"
    assert show_value(None, "points") == "none"
    assert show_value(0.25, "nats") == "+0.250"
    assert show_value(-0.25, "nats") == "\N{MINUS SIGN}0.250"


def row(published: str, found: str, verdict: str) -> dict[str, str]:
    return {"published": published, "found": found, "verdict": verdict}


# Best accuracies of three seeds at 1,000 images; published are 47.83, 57.43 and 53.25.
ROW = make_study_results(
    {(1000, "non"): (0.478, 0.479, 0.480), (1000, "data-mix"): (0.57, 0.58, 0.59), (1000, "label-mix"): (0.4,) * 3}
)


def published(first: str, second: str, third: str) -> dict[str, dict[str, str]]:
    """The rows of claims.csv for ROW, and two that do not count."""
    return {
        "1": row("", "", "reproduced"),
        "accuracy-n1000-non": row("47.83", "47.90", first),
        "accuracy-n1000-data-mix": row("57.43", "58.00", second),
        "accuracy-n1000-label-mix": row("53.25", "40.00", third),
        "accuracy-n500-non": row("44.60", "", "not tested"),
        "gain-n1000-data-mix": row("+9.60", "+10.10", "reproduced"),
    }


@pytest.mark.parametrize(
    ("verdicts", "word", "first"),
    [
        (
            ("reproduced", "reproduced", "agrees with the published number"),
            "yes",
            "Of 3 published accuracies, 3 agree.",
        ),
        (
            ("reproduced", "undecided", "reproduced"),
            "undecided",
            "Of 3 published accuracies, 2 agree and 1 is undecided.",
        ),
        (
            ("undecided", "undecided", "not reproduced"),
            "no",
            "Of 3 published accuracies, 1 disagrees and 2 are undecided.",
        ),
        (
            ("disagrees with the published number", "not tested", "not tested"),
            "no",
            "Of 1 published accuracy, 1 disagrees.",
        ),
    ],
)
def test_the_published_row_is_counted_by_its_verdicts(verdicts: tuple[str, str, str], word: str, first: str) -> None:
    answer = answer_published(ROW, published(*verdicts))
    assert (answer.word, answer.sentences[0]) == (word, first)


def test_the_published_row_is_said_with_both_numbers() -> None:
    """Ours minus published: 47.9 - 47.83 = 0.07, and 4.3027 x 0.1 / sqrt(3) = 0.248 to each side."""
    answer = answer_published(ROW, published("reproduced", "reproduced", "not reproduced"))
    assert answer.sentences[1] == (
        "Best test accuracy in percent: non at 1,000 47.90 instead of 47.83, data-mix at 1,000 58.00 instead of 57.43 "
        "and label-mix at 1,000 40.00 instead of 53.25."
    )
    assert [one.name for one in answer.quantities] == ["non at 1,000", "data-mix at 1,000", "label-mix at 1,000"]
    first = answer.quantities[0]
    assert first.low is not None
    assert 100 * first.mean == pytest.approx(0.07)
    assert 100 * first.low == pytest.approx(0.07 - 0.2484, abs=1e-4)


def test_a_row_under_another_protocol_is_no_answer() -> None:
    answer = answer_published(ROW, published("not tested", "not tested", "not tested"))
    assert answer.word == "not answered"
