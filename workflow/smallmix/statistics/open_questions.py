"""Rules for what the article leaves open: seeds, the best of a run, iterations, the mixing weight, over-fitting.

Each takes results of studies and returns an answer. A yes or a no needs intervals that exclude zero. An interval over
zero is undecided, never a no.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from smallmix.statistics.answers import (
    ONE_SEED,
    Answer,
    Quantity,
    Word,
    describe_points,
    quantities_of,
    undecided_sentence,
)
from smallmix.statistics.cells_alike import same_but_for
from smallmix.statistics.comparison import asked_pairs, average_over_sizes, paired_differences
from smallmix.statistics.intervals import mean_interval, prediction_reach
from smallmix.statistics.study_results import StudyResults
from smallmix.statistics.verdicts import Measure, all_above
from smallmix.study.cell import Mix
from smallmix.study.published import article_protocol
from smallmix.study.study import beta_of, first_method, methods_with
from smallmix.tables.columns import SELECTIONS
from smallmix.wording import count_of, joined, points

FEWEST_SEEDS = 3  # two seeds say next to nothing of how far a third may lie
SIZES_IN_DOUBT = (1000, 100)
# Each way of mixing with a weight for each image, and the same way with a weight for the batch.
_EACH_AND_WHOLE: Mapping[Mix, Mix] = {
    "images-per-image": "images",
    "images-and-labels-per-image": "images-and-labels",
}


def is_one_seed_enough(results: StudyResults) -> Answer:
    """Say whether a single run shows the same sign of each difference as the mean of the seeds.

    The range of 95 % of single runs is the prediction interval of one further difference, of normal differences.
    """
    steady, ranges = [], []
    for size in results.study.sizes:
        for method, reference in asked_pairs(results.study):
            values = list(paired_differences(results.runs, size, method, reference, SELECTIONS["best"]).values())
            if len(values) < FEWEST_SEEDS:
                continue
            mean, reach = mean_interval(values).mean, prediction_reach(values)
            ranges.append(
                Quantity(f"{method} minus {reference} at {size:,}", len(values), mean, mean - reach, mean + reach)
            )
            if abs(mean) > reach:
                steady.append(ranges[-1])
    if not ranges:
        return Answer("not answered", (f"It needs {FEWEST_SEEDS} seeds of a pair of methods.",))
    total = count_of(len(ranges), "comparison")
    word: Word
    if len(steady) == len(ranges):
        word, first = "yes", f"In all of {total}, a further run lies on one side of zero with 95 % probability."
    elif not steady:
        word, first = "no", f"In none of {total} does a further run lie on one side of zero with 95 % probability."
    else:
        word = "in part"
        first = (
            f"In {len(steady)} of {total}, a further run lies on one side of zero with 95 % probability; in the "
            "others, it "
            "may show the wrong sign."
        )
    widest = max(ranges, key=lambda one: (one.high or 0.0) - one.mean)
    reach = (widest.high or 0.0) - widest.mean
    second = (
        f"The 95 % prediction interval of a further run reaches up to {100 * reach:.1f} points from the mean "
        f"({widest.name})."
    )
    return Answer(
        word,
        (first, second),
        "Difference in best test accuracy",
        tuple(ranges),
        range_is="95 % prediction interval of a further run",
    )


def does_the_best_of_a_run_mislead(results: StudyResults) -> Answer:
    """Say how far the best of a run lies above the median of its last tenth, and whether that changes the gains."""
    study = results.study
    excess = {method: _excess_of_best(results, method) for method in study.methods}
    excess = {method: values for method, values in excess.items() if values}
    plain = first_method(study, "none")
    if not excess or plain not in excess:
        return Answer("not answered", ("It needs plain training and another method, with results at every size.",))
    levels = [
        Measure(f"{method}: best above the last tenth", list(values.values())) for method, values in excess.items()
    ]
    changes = {}
    for method, values in excess.items():
        seeds = [seed for seed in values if seed in excess[plain]]
        if method != plain and seeds:
            changes[method] = Measure(
                f"{method}: change of its gain over {plain}", [values[seed] - excess[plain][seed] for seed in seeds]
            )
    means = [one.interval.mean for one in levels]
    first = (
        f"Averaged over the sizes, the best of a run lies {100 * min(means):.1f} to {100 * max(means):.1f} points "
        "above the median of its last tenth."
    )
    clear = {method: one for method, one in changes.items() if one.sign(len(changes))}
    word: Word = "yes" if clear else "undecided"
    if clear:
        parts = [f"{method} by {describe_points(one.interval)}" for method, one in clear.items()]
        second = f"Choosing it clearly changes the gain over {plain}: of {joined(parts)}."
    elif all(len(one.values) < 2 for one in changes.values()):
        second = ONE_SEED
    else:
        second = f"Whether that changes the gains of mixing is undecided: {_none_together(list(changes.values()))}."
    return Answer(
        word,
        (first, second),
        "In test accuracy, averaged over the sizes within each seed",
        (*quantities_of(levels), *quantities_of(list(changes.values()), len(changes))),
    )


def does_longer_training_help(base: StudyResults, longer: StudyResults) -> Answer:
    """Say whether more iterations raise the best accuracy of every method at the sizes that the article doubts."""
    judged: list[Measure] = []
    others: list[Measure] = []
    budgets: list[tuple[int, tuple[int, int]]] = []
    wanted = 0
    for size in base.study.sizes:
        for method in base.study.methods:
            wanted += size in SIZES_IN_DOUBT
            counts = _iterations(base, size, method), _iterations(longer, size, method)
            if not (counts[0] < counts[1] and same_but_for(base, longer, size, method, ("budget", "evaluation"))):
                continue
            before, after = base.accuracies(size, method), longer.accuracies(size, method)
            values = [after[seed] - before[seed] for seed in before if seed in after]
            if values:
                (judged if size in SIZES_IN_DOUBT else others).append(Measure(f"{method} at {size:,}", values))
                if size in SIZES_IN_DOUBT:
                    budgets.append((size, counts))
    if not judged:
        sizes = joined([f"{size:,}" for size in SIZES_IN_DOUBT])
        return Answer(
            "not answered", (f"It needs two studies that differ only in their iterations, at {sizes} images.",)
        )
    outcome = all_above(judged, complete=len(judged) == wanted)
    word: Word
    if outcome == "agrees":
        sizes = joined([f"{size:,}" for size in SIZES_IN_DOUBT])
        word, first = "yes", f"Every method gains from longer training at {sizes} images, each by its own interval."
    elif outcome == "disagrees":
        below = [one.name for one in judged if one.sign(len(judged)) < 0]
        loses = "loses" if len(below) == 1 else "lose"
        word, first = "no", f"Longer training does not help every method: {joined(below)} clearly {loses} accuracy."
    else:
        word, first = "undecided", undecided_sentence(judged)
    parts = []
    for size, (few, many) in dict.fromkeys(budgets):
        means = [one.interval.mean for one in judged if one.name.endswith(f" at {size:,}")]
        spread = points(means[0]) if len(means) == 1 else f"{points(min(means))} to {points(max(means))}"
        parts.append(f"{many:,} instead of {few:,} iterations add {spread} points at {size:,} images")
    return Answer(
        word,
        (first, f"By method, {joined(parts)}."),
        "Longer minus shorter training in best test accuracy",
        (*quantities_of(judged, len(judged)), *quantities_of(others)),
    )


def does_the_beta_distribution_need_tuning(results: StudyResults) -> Answer:
    """Say whether the distribution that is best on validation images beats the article's on the test images.

    For each way of mixing, the distribution with the highest mean validation accuracy is chosen. It is compared with
    the article's in test accuracy at the best validation accuracy, seed by seed.
    """
    protocol = article_protocol()
    measures: list[Measure] = []
    kept: list[str] = []
    ways: tuple[Mix, ...] = ("images", "images-and-labels")
    for mix in ways:
        published = protocol.method_that_mixes(mix)
        methods = methods_with(results.study, mix)
        article = next((name for name in methods if published and beta_of(results.study, name) == published.beta), None)
        scores = {name: score for name in methods if (score := _validation_score(results, name)) is not None}
        if article is None or article not in scores or len(scores) < 2:
            continue
        chosen = max(scores, key=lambda name: scores[name])
        if chosen == article:
            kept.append(article)
            continue
        measures.append(Measure(f"{chosen} minus {article}", _differences_at_validation(results, chosen, article)))
    if not measures and not kept:
        return Answer(
            "not answered",
            (
                "It needs validation images, and several Beta distributions, the article's among them, of one way of "
                "mixing.",
            ),
        )
    word: Word
    above = [one for one in measures if one.sign(len(measures)) > 0]
    below = [one for one in measures if one.sign(len(measures)) < 0]
    chosen_text = f"the article's own distribution is the best on validation images for {joined(kept)}"
    if above:
        word = "yes"
        first = f"Choosing on validation images clearly gains accuracy: {_described(above)}."
    elif below or not measures:
        word = "no"
        lost = f"the choice on validation images clearly loses accuracy: {_described(below)}" if below else chosen_text
        first = f"{_begun(lost)}."
    else:
        word = "undecided"
        first = (
            f"The choice on validation images may gain nothing ({_described(measures)}): {_none_together(measures)}."
        )
        if all(len(one.values) < 2 for one in measures):
            first = ONE_SEED
    alike = _both_ways(results)
    second = _alike_sentence(alike)
    if kept and measures:
        second = f"{_begun(chosen_text)}. {second}"
    return Answer(
        word,
        (first, second),
        "Test accuracy at the best validation accuracy: the chosen distribution minus the article's, and the two ways "
        "of mixing with one a against each other",
        (*quantities_of(measures, len(measures)), *quantities_of(alike, len(alike))),
    )


def does_a_calmer_recipe_help(base: StudyResults, others: Sequence[StudyResults]) -> Answer:
    """Say whether more weight decay or a cosine schedule raises the accuracy of mixing at the end of a run."""
    mixing: list[Measure] = []
    plain_gains: list[Measure] = []
    ahead = compared = 0
    plain = first_method(base.study, "none")
    for other in others:
        for size in base.study.sizes:
            for method in base.study.methods:
                if not same_but_for(base, other, size, method, ("recipe",)):
                    continue
                before, after = (one.accuracies(size, method, "last_tenth") for one in (base, other))
                values = [after[seed] - before[seed] for seed in before if seed in after]
                if values:
                    name = f"{method} at {size:,} in {other.study.name}"
                    (plain_gains if method == plain else mixing).append(Measure(name, values))
                if method != plain and plain is not None:
                    gains = paired_differences(other.runs, size, method, plain, SELECTIONS["last_tenth"])
                    if gains:
                        compared += 1
                        ahead += Measure(method, list(gains.values())).sign() > 0
    if not mixing:
        return Answer("not answered", ("It needs a study that differs from the first only in its recipe.",))
    word: Word
    clear = [one for one in mixing if one.sign(len(mixing)) > 0]
    lost = [one for one in mixing if one.sign(len(mixing)) < 0]
    if clear:
        word = "yes"
        first = f"A calmer recipe clearly raises the accuracy of mixing: {_described(clear)}."
    elif len(lost) == len(mixing):
        word, first = "no", "Every calmer recipe clearly lowers the accuracy of mixing."
    else:
        word, first = "undecided", f"{_begun(_none_together(mixing))}."
        if all(len(one.values) < 2 for one in mixing):
            first = ONE_SEED
        elif lost:
            first = "No calmer recipe clearly raises the accuracy of mixing, and some lower it: "
            first += f"{_described(lost)}."
    second = "Under these recipes mixing stays clearly ahead of plain training in "
    second += f"{ahead} of {count_of(compared, 'comparison')}."
    return Answer(
        word,
        (first, second),
        "Calmer recipe minus the article's, in the median test accuracy of the last tenth",
        (*quantities_of(mixing, len(mixing)), *quantities_of(plain_gains)),
    )


def does_a_weight_for_each_image_help(results: StudyResults) -> Answer:
    """Say whether a mixing weight for each image gives another accuracy than one weight for the whole batch.

    Each way of mixing is compared with itself, at the same Beta distribution, averaged over the sizes.
    """
    measures = []
    for each, whole in _EACH_AND_WHOLE.items():
        for name in methods_with(results.study, each):
            beta = beta_of(results.study, name)
            for other in methods_with(results.study, whole):
                if beta != beta_of(results.study, other):
                    continue
                averages, _ = average_over_sizes(
                    {
                        size: paired_differences(results.runs, size, name, other, SELECTIONS["best"])
                        for size in results.study.sizes
                    }
                )
                measures += [Measure(f"{name} minus {other}", averages)] if averages else []
    if not measures:
        return Answer("not answered", ("It needs a way of mixing with both, at the same Beta distribution.",))
    above = [one for one in measures if one.sign(len(measures)) > 0]
    below = [one for one in measures if one.sign(len(measures)) < 0]
    word: Word
    if above:
        word, first = "yes", f"A weight for each image clearly gains accuracy: {_described(above)}."
    elif below:
        word, first = "no", f"A weight for each image clearly loses accuracy: {_described(below)}."
    else:
        word, first = "undecided", f"{_begun(_none_together(measures))}."
        if all(len(one.values) < 2 for one in measures):
            first = ONE_SEED
    others = [one for one in measures if one not in above and (above or one not in below)]
    second = [f"Of the rest: {_described(others)}."] if others else []
    return Answer(
        word,
        (first, *second),
        "A weight for each image minus one for the batch in best test accuracy, averaged over the sizes within each "
        "seed",
        quantities_of(measures, len(measures)),
    )


def _excess_of_best(results: StudyResults, method: str) -> dict[int, float]:
    """Return by seed the best minus the median of the last tenth, averaged over the sizes, of seeds that have all."""
    by_size: dict[int, dict[int, float]] = {}
    for size in results.study.sizes:
        best, end = (results.accuracies(size, method, selection) for selection in ("best", "last_tenth"))
        by_size[size] = {seed: best[seed] - end[seed] for seed in best if seed in end}
    seeds = sorted(set.intersection(*(set(of_size) for of_size in by_size.values())))
    averages, _ = average_over_sizes({size: {seed: one[seed] for seed in seeds} for size, one in by_size.items()})
    return dict(zip(seeds, averages, strict=True))


def _iterations(results: StudyResults, size: int, method: str) -> int:
    cells = [cell for cell in results.study.cells if (cell.size, cell.method) == (size, method)]
    return cells[0].value.iterations if cells else 0


def _validation_score(results: StudyResults, method: str) -> float | None:
    """Return the mean over runs of the best validation accuracy (a fraction); None where there is none."""
    best = []
    for run in results.histories_of(method):
        values = [value for value in run.columns.get("validation_accuracy", []) if math.isfinite(value)]
        if values:
            best.append(max(values))
    return math.fsum(best) / len(best) if best else None


def _differences_at_validation(results: StudyResults, method: str, reference: str) -> list[float]:
    """Return method minus reference in test accuracy at the best validation accuracy, averaged over sizes, by seed."""
    column = SELECTIONS["validation"]
    averages, _ = average_over_sizes(
        {size: paired_differences(results.runs, size, method, reference, column) for size in results.study.sizes}
    )
    return averages


def _both_ways(results: StudyResults) -> list[Measure]:
    """Return for each a, Beta(a, a) on images and labels minus Beta(a + 1, a) on images alone."""
    found = []
    for labels in methods_with(results.study, "images-and-labels"):
        beta = beta_of(results.study, labels)
        for images in methods_with(results.study, "images"):
            if beta is not None and beta_of(results.study, images) == (beta[0] + 1, beta[1]):
                values = _differences_at_validation(results, labels, images)
                found += [Measure(f"{labels} minus {images}", values)] if values else []
    return found


def _alike_sentence(alike: Sequence[Measure]) -> str:
    if not alike:
        return "No pair of methods has one a in both ways of mixing."
    apart = [one for one in alike if one.sign(len(alike))]
    total = count_of(len(alike), "value", "values")
    if apart:
        return f"Both ways of mixing with one a clearly differ for {len(apart)} of {total} of a: {_described(apart)}."
    return f"No difference between both ways of mixing with one a is seen for {total} of a: {_none_together(alike)}."


def _none_together(measures: Sequence[Measure]) -> str:
    """Say that no quantity clearly differs from zero, and by which intervals, where none of several does."""
    if len(measures) == 1:
        return "the interval includes zero"
    alone = sum(bool(one.sign()) for one in measures)
    text = "every interval includes zero, if all are to cover together in 95 %"
    return f"{text} ({alone} by itself does not)" if alone else "every interval includes zero"


def _begun(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _described(measures: Sequence[Measure]) -> str:
    return joined([f"{one.name}, {describe_points(one.interval)}" for one in measures])
