"""Rules for what the article leaves open: seeds, the best of a run, iterations, the mixing weight, over-fitting.

Each takes results of studies and returns an answer. A yes or a no needs intervals that exclude zero. An interval over
zero is undecided, never a no.
"""

from __future__ import annotations

from collections.abc import Sequence

from smallmix.statistics.answers import (
    ONE_SEED,
    Answer,
    Quantity,
    Word,
    begun,
    describe_points,
    described,
    none_together,
    quantities_of,
    undecided_sentence,
)
from smallmix.statistics.cells_alike import same_but_for
from smallmix.statistics.comparison import asked_pairs, average_over_sizes, paired_differences
from smallmix.statistics.intervals import mean_interval, prediction_reach
from smallmix.statistics.study_results import StudyResults
from smallmix.statistics.verdicts import Measure, all_above
from smallmix.study.study import first_method
from smallmix.tables.columns import SELECTIONS
from smallmix.wording import count_of, joined, percent_number, points

FEWEST_SEEDS = 3  # two seeds say next to nothing of how far a third may lie
SIZES_IN_DOUBT = (1000, 100)
CALMER = ("weight_decay", "schedule", "decay_at", "decay_factor")  # keys of the recipe


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
        f"The 95 % prediction interval of a further run reaches up to {percent_number(reach, 1)} points from the mean "
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
        f"Averaged over the sizes, the best of a run lies {percent_number(min(means), 1)} to "
        f"{percent_number(max(means), 1)} points "
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
        second = f"Whether that changes the gains of mixing is undecided: {none_together(list(changes.values()))}."
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
    tried = [size for size in SIZES_IN_DOUBT if any(size == one for one, _ in budgets)]
    if outcome == "agrees":
        sizes = joined([f"{size:,}" for size in tried])
        word, first = "yes", f"Every method gains from longer training at {sizes} images, each by its own interval."
        if len(tried) < len(SIZES_IN_DOUBT):
            lacking = joined([f"{size:,}" for size in SIZES_IN_DOUBT if size not in tried])
            word, first = "in part", f"{first} {lacking} images were not trained longer."
    elif outcome == "disagrees":
        below = [one.name for one in judged if one.sign(len(judged)) < 0]
        loses = "loses" if len(below) == 1 else "lose"
        word, first = "no", f"Longer training does not help every method: {joined(below)} clearly {loses} accuracy."
    else:
        word, first = "undecided", undecided_sentence(judged)
    # Sizes with the same change of iterations share a sentence's part.
    added: dict[tuple[int, int], list[str]] = {}
    for size, counts in dict.fromkeys(budgets):
        means = [one.interval.mean for one in judged if one.name.endswith(f" at {size:,}")]
        least, most = points(min(means)), points(max(means))
        spread = least if least == most else f"{least} to {most}"
        added.setdefault(counts, []).append(f"{spread} points at {size:,} images")
    parts = [f"{many:,} instead of {few:,} iterations add {joined(spreads)}" for (few, many), spreads in added.items()]
    return Answer(
        word,
        (first, f"By method, {joined(parts)}."),
        "Longer minus shorter training in best test accuracy",
        (*quantities_of(judged, len(judged)), *quantities_of(others)),
    )


def does_a_calmer_recipe_help(base: StudyResults, others: Sequence[StudyResults]) -> Answer:
    """Say whether more weight decay or a cosine schedule raises the accuracy of mixing at the end of a run."""
    mixing: list[Measure] = []
    plain_gains: list[Measure] = []
    gains_there: list[Measure] = []
    plain = first_method(base.study, "none")
    for other in (one for one in others if _is_calmer(one, base)):
        for size in base.study.sizes:
            for method in base.study.methods:
                if not same_but_for(base, other, size, method, (), of_recipe=CALMER):
                    continue
                before, after = (one.accuracies(size, method, "last_tenth") for one in (base, other))
                values = [after[seed] - before[seed] for seed in before if seed in after]
                if values:
                    name = f"{method} at {size:,} in {other.study.name}"
                    (plain_gains if method == plain else mixing).append(Measure(name, values))
                if method != plain and plain is not None:
                    gains = paired_differences(other.runs, size, method, plain, SELECTIONS["last_tenth"])
                    gains_there += [Measure(method, list(gains.values()))] if gains else []
    if not mixing:
        return Answer(
            "not answered",
            ("It needs a study that differs from the first only in more weight decay or a cosine schedule.",),
        )
    word: Word
    clear = [one for one in mixing if one.sign(len(mixing)) > 0]
    lost = [one for one in mixing if one.sign(len(mixing)) < 0]
    if clear:
        word = "yes"
        first = f"A calmer recipe clearly raises the accuracy of mixing: {described(clear)}."
    elif len(lost) == len(mixing):
        word, first = "no", "Every calmer recipe clearly lowers the accuracy of mixing."
    else:
        word, first = "undecided", f"{begun(none_together(mixing))}."
        if all(len(one.values) < 2 for one in mixing):
            first = ONE_SEED
        elif lost:
            first = "No calmer recipe clearly raises the accuracy of mixing, and some lower it: "
            first += f"{described(lost)}."
    ahead = sum(one.sign(len(gains_there)) > 0 for one in gains_there)
    second = "Under these recipes mixing stays clearly ahead of plain training in "
    second += f"{ahead} of {count_of(len(gains_there), 'comparison')}."
    return Answer(
        word,
        (first, second),
        "Calmer recipe minus the article's, in the median test accuracy of the last tenth",
        (*quantities_of(mixing, len(mixing)), *quantities_of(plain_gains)),
    )


def _is_calmer(study: StudyResults, base: StudyResults) -> bool:
    """Return whether a study has more weight decay than the base, or a cosine where that has none."""
    recipe, of_base = (one.study.cells[0].value.recipe for one in (study, base))
    has_cosine = recipe.schedule == "cosine" and of_base.schedule != "cosine"
    return has_cosine or recipe.weight_decay > of_base.weight_decay


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
