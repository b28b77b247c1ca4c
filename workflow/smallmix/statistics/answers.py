"""An answer to a question about studies: a word, a few sentences, and the quantities behind them with their intervals.

The article's six claims become answers here, by the rules that judge them. `statistics/open_questions.py` has the
rules of the questions that the article leaves open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from smallmix.statistics.intervals import MeanInterval, mean_interval
from smallmix.statistics.study_results import StudyResults
from smallmix.statistics.verdicts import Judgement, Measure, Outcome, contradicting, outcome_by_part, simultaneous
from smallmix.tables.study_tables import FEWEST_FOR_AN_INTERVAL
from smallmix.wording import count_of, joined, number, points, spelt_out

Word = Literal["yes", "no", "in part", "undecided", "not answered"]
WORD_OF_OUTCOME: dict[Outcome, Word] = {
    "agrees": "yes",
    "disagrees": "no",
    "undecided": "undecided",
    "not tested": "not answered",
}
IN_POINTS = "points"
_ACCURACY = re.compile(r"accuracy-n(\d+)-(.+)")
# What a verdict on a published number says, as a verb.
_KIND = {
    "reproduced": "agree",
    "agrees with the published number": "agree",
    "not reproduced": "disagree",
    "disagrees with the published number": "disagree",
    "undecided": "are undecided",
}
ONE_SEED = "One seed: nothing has an interval, so nothing is decided."


@dataclass(frozen=True)
class Quantity:
    """One number of an answer: its name, its mean and the ends of its range (fractions, or nats), over `seeds` seeds.

    low and high are None where one or two seeds give no range of use. joint_low and joint_high are the ends of the
    wider interval that a decision among several quantities goes by, None for others.
    """

    name: str
    seeds: int
    mean: float
    low: float | None
    high: float | None
    joint_low: float | None = None
    joint_high: float | None = None


@dataclass(frozen=True)
class Answer:
    """What studies say to a question.

    `measured` says what the quantities are. `unit` is points where they are fractions of accuracy. `range_is` says what
    low and high are the ends of.
    """

    word: Word
    sentences: tuple[str, ...]
    measured: str = ""
    quantities: tuple[Quantity, ...] = ()
    unit: str = IN_POINTS
    range_is: str = "95 % interval"


@dataclass(frozen=True)
class ClaimWords:
    """How the outcome of a claim's rule is said.

    {below} are the names of the quantities that contradict the claim by intervals that cover together, with their
    verb.
    {above} are those that lie above zero, each by its own interval; `besides` says so where the claim fails.
    """

    yes: str
    no: str
    measured: str
    unit: str = IN_POINTS
    besides: str = ""


# By the rule that judges the claim.
CLAIM_WORDS = {
    "mixup_helps_at_every_size": ClaimWords(
        "Every way of mixing is ahead of plain training at every size tried, each by its own interval.",
        "Mixing does not help at every size: {below} clearly below plain training.",
        "Method minus plain training in best test accuracy, by size",
        besides="Above it, each by its own interval, {above}.",
    ),
    "dip_at_1000_from_few_iterations": ClaimWords(
        "Accuracy at 1,000 images lies below the line between its neighbours, and longer training lifts it there and "
        "at 100 images.",
        "The claim fails in at least one part: {below} clearly below zero in the table.",
        "Depth below the line at 1,000 images; what longer training adds there beyond half of that depth; what it adds "
        "at 100 images; all in best test accuracy",
    ),
    "uneven_classes_matter": ClaimWords(
        "Balanced subsets give the higher accuracy, averaged over sizes and methods.",
        "Balanced subsets give the lower accuracy, averaged over sizes and methods.",
        "Balanced minus random subsets in best test accuracy, averaged over sizes and methods within each seed",
    ),
    "neither_mix_is_better_throughout": ClaimWords(
        "Neither way of mixing is better throughout: each is clearly ahead at some size.",
        "One way of mixing is ahead at every size tried, each time by its own interval.",
        "Mixing images and labels minus mixing images alone in best test accuracy, by size",
    ),
    "non_converges_mixup_does_not": ClaimWords(
        "Plain training has converged after a tenth of its budget, and mixing has not converged at the end.",
        "The claim fails in at least one part: {below} clearly below zero in the table.",
        "Plain training: how far its training loss stays within the limit of convergence. Mixing: how far its training "
        "loss ends beyond that limit. All in nats (loss with natural logarithms)",
        "nats",
    ),
    "mixup_overfits_label_mix_falls_least": ClaimWords(
        "The test loss of both ways of mixing rises towards the end, and the training loss of mixing images and labels "
        "ends furthest above its floor.",
        "The claim fails in at least one part: {below} clearly below zero in the table.",
        "Rise of the test loss beyond the least that counts (logarithm of a ratio); training loss above its floor "
        "minus that of the other method (nats)",
        "nats",
    ),
}


def answer_claim(rule: str, judgement: Judgement) -> Answer:
    """Return the answer to a claim of the article, by the rule of that name and its judgement.

    A claim of several parts is answered "in part" where one part fails and another holds.
    """
    words, measures, word = CLAIM_WORDS[rule], judgement.measures, WORD_OF_OUTCOME[judgement.outcome]
    if judgement.outcome == "not tested":
        return Answer("not answered", (f"The kept studies cannot answer it: {judgement.reason}.".replace("..", "."),))
    above = [one.name for one in measures if one.sign() > 0]
    if judgement.outcome == "agrees":
        first = words.yes
    elif judgement.outcome == "disagrees":
        against = contradicting(measures)
        parts = outcome_by_part(measures)
        of_part = {outcome: [part for part in parts if part and parts[part] == outcome] for outcome in parts.values()}
        if of_part.get("agrees") and of_part.get("disagrees"):
            word = "in part"
            below = _with_verb([one.name for one in against if one.part])
            first = f"It holds that {joined(of_part['agrees'])}. It does not hold that {joined(of_part['disagrees'])}: "
            first += f"{below} clearly below zero in the table."
            if of_part.get("undecided"):
                first += f" Undecided is whether {joined(of_part['undecided'])}."
        else:
            first = words.no.format(below=_with_verb([one.name for one in against]))
            if words.besides and above:
                first += " " + words.besides.format(above=f"{'lies' if len(above) == 1 else 'lie'} {joined(above)}")
    else:
        first = undecided_sentence(measures)
    second = extremes_sentence(measures) if words.unit == IN_POINTS else f"{begun(judgement.found)}."
    return Answer(
        word,
        (first, second),
        words.measured,
        quantities_of(measures, len(measures)),
        words.unit,
    )


def answer_published(results: StudyResults, claims: Mapping[str, Mapping[str, str]]) -> Answer:
    """Return whether the published accuracies of the study's sizes come out, by the rows of its claims.csv by id.

    The quantities are ours minus the published, with the interval of our mean.
    """
    found: list[tuple[Quantity, str, str]] = []
    for identifier, row in claims.items():
        match = _ACCURACY.fullmatch(identifier)
        if match is None or row["verdict"] == "not tested":
            continue
        size, method, published = int(match[1]), match[2], float(row["published"])
        values = [value - published / 100 for value in results.accuracies(size, method).values()]
        if values:
            text = f"{method} at {size:,} {row['found']} instead of {row['published']}"
            (quantity,) = quantities_of([Measure(f"{method} at {size:,}", values)])
            found.append((quantity, row["verdict"], text))
    if not found:
        return Answer("not answered", ("No published number was trained by the article's protocol.",))
    kinds = [_KIND[verdict] for _, verdict, _ in found]
    counts = {word: kinds.count(word) for word in ("agree", "disagree", "are undecided")}
    parts = [f"{count} {_singular(word) if count == 1 else word}" for word, count in counts.items() if count]
    word: Word = "yes" if counts["agree"] == len(found) else "no" if counts["disagree"] else "undecided"
    first = f"Of {count_of(len(found), 'published accuracy', 'published accuracies')}, {joined(parts)}."
    second = f"Best test accuracy in percent: {joined([text for _, _, text in found])}."
    return Answer(
        word, (first, second), "Ours minus the published best test accuracy", tuple(one for one, _, _ in found)
    )


def _singular(word: str) -> str:
    return {"agree": "agrees", "disagree": "disagrees", "are undecided": "is undecided"}[word]


def undecided_sentence(measures: Sequence[Measure]) -> str:
    """Say on which side of zero the means lie, and which do so by their own intervals, where they decide nothing."""
    if all(len(one.values) < 2 for one in measures):
        return ONE_SEED
    above, below = ([one.name for one in measures if one.sign() == sign] for sign in (1, -1))
    if not above and not below:
        return "The interval includes zero." if len(measures) == 1 else "Every interval includes zero."
    sides = [f"{_with_verb(names)} {side} zero" for names, side in ((above, "above"), (below, "below")) if names]
    whose = "its own interval" if len(above) + len(below) == 1 else "their own intervals"
    certain = f"By {whose}, {joined(sides)}."
    if len(measures) == 1:
        return certain
    higher = sum(one.interval.mean > 0 for one in measures)
    if higher == len(measures):
        return f"{'Both' if higher == 2 else f'All {higher}'} means lie above zero. {certain}"
    return f"Of {count_of(len(measures), 'mean')}, {higher} {'lies' if higher == 1 else 'lie'} above zero. {certain}"


def extremes_sentence(measures: Sequence[Measure]) -> str:
    """Name the smallest and the largest quantity (fractions) in points, with their intervals."""
    ordered = sorted(measures, key=lambda one: one.interval.mean)
    least, most = ordered[0], ordered[-1]
    if len(ordered) == 1:
        return f"The mean is {describe_points(least.interval)}."
    return (
        f"The smallest is {least.name}, {describe_points(least.interval)}; the largest is {most.name}, "
        f"{describe_points(most.interval)}."
    )


def describe_points(interval: MeanInterval) -> str:
    """Write a mean (a fraction) in points, with its interval where there is one."""
    text = f"{points(interval.mean)} points"
    if interval.low is None or interval.high is None:
        return f"{text} (one seed)"
    if interval.count < FEWEST_FOR_AN_INTERVAL:
        return f"{text} ({spelt_out(interval.count)} seeds)"
    return f"{text} ({points(interval.low)} to {points(interval.high)})"


def quantities_of(measures: Sequence[Measure], together: int = 1) -> tuple[Quantity, ...]:
    """Return measures as quantities with their own 95 % intervals.

    Of several that are looked at `together`, add the intervals that all cover their means in 95 % (Bonferroni).
    """
    quantities = []
    for one in measures:
        own, wider = one.interval, mean_interval(one.values, simultaneous(together))
        ends = own.low, own.high, *((wider.low, wider.high) if together > 1 else (None, None))
        if own.count < FEWEST_FOR_AN_INTERVAL:
            ends = None, None, None, None
        quantities.append(Quantity(one.name, own.count, own.mean, *ends))
    return tuple(quantities)


def show_value(value: float | None, unit: str) -> str:
    """Write an end or a mean of a quantity: in points where the unit is points, else as a signed number."""
    if value is None:
        return "none"
    if unit == IN_POINTS:
        return points(value)
    return f"+{number(value)}" if value > 0 else number(value)


def _with_verb(names: Sequence[str]) -> str:
    return f"{joined(names) or 'nothing'} {'lie' if len(names) > 1 else 'lies'}"


def none_together(measures: Sequence[Measure]) -> str:
    """Say that no quantity clearly differs from zero, and by which intervals, where none of several does."""
    if len(measures) == 1:
        return "the interval includes zero"
    alone = sum(bool(one.sign()) for one in measures)
    text = "every interval includes zero, if all are to cover together in 95 %"
    return f"{text} ({alone} by itself does not)" if alone else "every interval includes zero"


def begun(text: str) -> str:
    """Return the text as the beginning of a sentence."""
    return f"{text[:1].upper()}{text[1:]}"


def described(measures: Sequence[Measure]) -> str:
    """Name quantities (fractions) with their means and intervals in points."""
    return joined([f"{one.name}, {describe_points(one.interval)}" for one in measures])
