"""Rules for what the article leaves open of the mixing weight: its distribution, whose it is, and its least value.

Each takes the results of a study and returns an answer, as the rules of `open_questions.py` do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from smallmix.statistics.answers import (
    ONE_SEED,
    Answer,
    Word,
    begun,
    described,
    none_together,
    quantities_of,
)
from smallmix.statistics.comparison import average_over_sizes, paired_differences
from smallmix.statistics.study_results import StudyResults
from smallmix.statistics.verdicts import Measure
from smallmix.study.cell import Mix
from smallmix.study.study import beta_of, first_method, methods_with
from smallmix.tables.columns import SELECTIONS
from smallmix.wording import count_of, joined

# Each way of mixing with a weight for each image, and the same way with a weight for the batch.
_EACH_AND_WHOLE: Mapping[Mix, Mix] = {
    "images-per-image": "images",
    "images-and-labels-per-image": "images-and-labels",
}


def does_the_beta_distribution_need_tuning(results: StudyResults) -> Answer:
    """Say whether the distribution that is best on validation images beats the article's on the test images.

    For each way of mixing, the distribution with the highest mean validation accuracy is chosen. It is compared with
    the article's in test accuracy at the best validation accuracy, seed by seed.
    """
    protocol = results.protocol
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
        first = f"Choosing on validation images clearly gains accuracy: {described(above)}."
    elif below or not measures:
        word = "no"
        lost = f"the choice on validation images clearly loses accuracy: {described(below)}" if below else chosen_text
        first = f"{begun(lost)}."
    else:
        word = "undecided"
        first = f"The choice on validation images may gain nothing ({described(measures)}): {none_together(measures)}."
        if all(len(one.values) < 2 for one in measures):
            first = ONE_SEED
    alike = _both_ways(results)
    second = _alike_sentence(alike)
    if kept and measures:
        second = f"{begun(chosen_text)}. {second}"
    return Answer(
        word,
        (first, second),
        "Test accuracy at the best validation accuracy: the chosen distribution minus the article's, and the two ways "
        "of mixing with one a against each other",
        (*quantities_of(measures, len(measures)), *quantities_of(alike, len(alike))),
    )


def does_a_weight_for_each_image_help(results: StudyResults) -> Answer:
    """Say whether a mixing weight for each image gives another accuracy than one weight for the whole batch.

    Each way of mixing is compared with itself, at the same Beta distribution, averaged over the sizes.
    """
    pairs = [
        (name, other)
        for each, whole in _EACH_AND_WHOLE.items()
        for name in methods_with(results.study, each)
        for other in methods_with(results.study, whole)
        if beta_of(results.study, name) == beta_of(results.study, other)
    ]
    measures = _differences_in_best(results, pairs)
    if not measures:
        return Answer("not answered", ("It needs a way of mixing with both, at the same Beta distribution.",))
    above = [one for one in measures if one.sign(len(measures)) > 0]
    below = [one for one in measures if one.sign(len(measures)) < 0]
    word: Word
    if above and below:
        word = "in part"
        first = f"A weight for each image clearly gains accuracy in one way of mixing: {described(above)}. It clearly "
        first += f"loses accuracy in the other: {described(below)}."
    elif above:
        word, first = "yes", f"A weight for each image clearly gains accuracy: {described(above)}."
    elif below:
        word, first = "no", f"A weight for each image clearly loses accuracy: {described(below)}."
    else:
        word, first = "undecided", f"{begun(none_together(measures))}."
        if all(len(one.values) < 2 for one in measures):
            first = ONE_SEED
    others = [one for one in measures if one not in above and one not in below]
    second = [f"Not clear: {described(others)}."] if others and len(others) < len(measures) else []
    second = second or ([f"The differences: {described(measures)}."] if not (above or below) else [])
    return Answer(
        word,
        (first, *second),
        "A weight for each image minus one for the batch in best test accuracy, averaged over the sizes within each "
        "seed",
        quantities_of(measures, len(measures)),
    )


def does_the_larger_share_help(results: StudyResults) -> Answer:
    """Say whether images alone mixed gain accuracy where the label is that of the image with the larger share.

    It is compared with the label of the own image, whose share may be small, at the same Beta distribution, and both
    with plain training. All differences are averaged over the sizes.
    """
    larger = [name for name in results.study.methods if _mixes_the_larger_share(results, name)]
    pairs = [
        (name, other)
        for name in larger
        for other in methods_with(results.study, "images")
        if beta_of(results.study, name) == beta_of(results.study, other)
    ]
    measures = _differences_in_best(results, pairs)
    if not measures:
        return Answer("not answered", ("It needs images alone mixed in both ways, at the same Beta distribution.",))
    word: Word
    above = [one for one in measures if one.sign(len(measures)) > 0]
    below = [one for one in measures if one.sign(len(measures)) < 0]
    if above:
        word, first = "yes", f"The larger share clearly gains accuracy: {described(above)}."
    elif below:
        word, first = "no", f"The larger share clearly loses accuracy: {described(below)}."
    else:
        word, first = "undecided", f"{begun(none_together(measures))} ({described(measures)})."
        if all(len(one.values) < 2 for one in measures):
            first = ONE_SEED
    plain = first_method(results.study, "none")
    mixed = list(dict.fromkeys(name for pair in pairs for name in pair))
    ahead = _differences_in_best(results, [(name, plain) for name in mixed if plain is not None])
    second = [f"Against plain training: {described(ahead)}."] if ahead else []
    return Answer(
        word,
        (first, *second),
        "The label of the larger share minus the own image's label, and both minus plain training, in best test "
        "accuracy, averaged over the sizes within each seed",
        (*quantities_of(measures, len(measures)), *quantities_of(ahead, len(ahead))),
    )


def _mixes_the_larger_share(results: StudyResults, method: str) -> bool:
    return str(results.study.configuration["methods"][method]["mix"]).endswith(":LargerShare")


def _differences_in_best(results: StudyResults, pairs: Iterable[tuple[str, str]]) -> list[Measure]:
    """Return method minus reference in best test accuracy, averaged over the sizes, of each pair that has both."""
    found = []
    for method, reference in pairs:
        averages, _ = average_over_sizes(
            {
                size: paired_differences(results.runs, size, method, reference, SELECTIONS["best"])
                for size in results.study.sizes
            }
        )
        found += [Measure(f"{method} minus {reference}", averages)] if averages else []
    return found


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
        return f"Both ways of mixing with one a clearly differ for {len(apart)} of {total} of a: {described(apart)}."
    return f"No difference between both ways of mixing with one a is seen for {total} of a: {none_together(alike)}."
