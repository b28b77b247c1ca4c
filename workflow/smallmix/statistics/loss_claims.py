"""The rules for claims on the loss curves of small training sets.

The training loss is judged by its excess over the least that any network could reach with the method's mixing, and
checked by the accuracy of the same network on the clean training images. Only sizes with the article's whole budget are
judged: a training that ends early shows nothing of what happens late.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from smallmix.statistics.loss_floor import loss_floor, methods_of_equal_loss
from smallmix.statistics.protocol import SEE_PROTOCOL, sizes_with_the_whole_budget
from smallmix.statistics.study_results import SMALL_DATA_LIMIT, History, StudyResults
from smallmix.statistics.verdicts import Judgement, Measure, all_above, not_tested
from smallmix.wording import percent_number

# A training loss has converged where it exceeds its floor by less than this share of the loss of guessing, ln(classes):
# 0.115 nats for ten classes.
CONVERGED_SHARE = 0.05
# The clean training images are fitted where this share of them is classified correctly.
FITTED = 0.99
DEFAULT_CLASSES = 10
# The level at the end is the median over the last tenth of the evaluations. "At once" means within the first tenth of
# the budget.
END_SHARE = 0.1
AT_ONCE_SHARE = 0.1
# A test loss that ends this much above its lowest stretch has risen.
RISE = 1.05

# The two parts of each of these claims.
PLAIN_CONVERGES = "plain training converges at once"
MIXING_DOES_NOT = "mixing does not converge within its budget"
MIXING_OVERFITS = "mixing over-fits"
LABELS_FALL_LEAST = "the training loss of mixed labels falls least"

OfRun = Callable[[History], float | None]


def non_converges_mixup_does_not(results: StudyResults) -> Judgement:
    """Judge whether the training loss of plain training reaches its floor early, and that of mixup never."""
    plain = results.method_that_mixes("none")
    mixed = results.mixing_methods
    if plain is None or not mixed:
        return not_tested("needs plain training (mix: none) and a method that mixes")
    sizes, lacking = _sizes_to_judge(results, [plain, *mixed])
    if not sizes:
        return not_tested(lacking)
    threshold = CONVERGED_SHARE * math.log(max(2, len(results.classes) or DEFAULT_CLASSES))
    measures: list[Measure] = []
    early = late = 0
    for size in sizes:
        runs = results.histories_of(plain, size)
        reached = [
            threshold - max(early_level(run, "train_loss", mean=True), end_level(run.columns["train_loss"]))
            for run in runs
        ]
        fitted = _of_runs(results, plain, size, _fitted_early)
        early += sum(value >= 0 for value in reached)
        measures.append(Measure(f"{plain} at {size:,}", reached, fitted, PLAIN_CONVERGES))
        for name in mixed:
            beyond = _of_runs(results, name, size, lambda run: _excess(results, run, threshold))
            late += sum(value > 0 for value in beyond)
            unfitted = _of_runs(results, name, size, _unfitted)
            measures.append(Measure(f"{name} at {size:,}", beyond, unfitted, MIXING_DOES_NOT))
    outcome = all_above(measures)
    plain_runs = sum(len(results.histories_of(plain, size)) for size in sizes)
    mixed_runs = sum(len(results.histories_of(name, size)) for name in mixed for size in sizes)
    text = (
        f"{early} of {plain_runs} plain runs reach their floor in the first tenth of the budget and stay there; "
        f"{late} of {mixed_runs} mixup runs end more than {threshold:.3f} nats above theirs"
    )
    if _describe_clean_accuracy(results, sizes, mixed):
        text += f"; {_describe_clean_accuracy(results, sizes, [plain, *mixed])}"
    reason = [
        f"A training loss has converged within {threshold:.3f} nats of its floor ({CONVERGED_SHARE:.0%} of the loss of "
        f"guessing). {_describe_floor(results, sizes, mixed)}",
        "Agrees if the 95 % intervals over seeds say so at every size: plain training has converged after the first "
        "tenth of the budget and at the end, and mixup has not at the end (medians of a tenth of the evaluations).",
        f"Disagrees if one says the opposite, by intervals that cover together in 95 % ({len(measures)} quantities).",
        f"Else undecided, as it is where the clean training images tell otherwise ({FITTED:.0%} right is fitted).",
    ]
    reason += [*_note_single_seed(measures), f"Judged at {_list(sizes)} images.", lacking]
    return Judgement(outcome, text, " ".join(reason).strip(), measures=tuple(measures))


def mixup_overfits_label_mix_falls_least(results: StudyResults) -> Judgement:
    """Judge whether both ways of mixing over-fit, and mixing labels ends furthest above its floor."""
    study = results.study
    plain, images = results.method_that_mixes("none"), results.method_that_mixes("images")
    labels = results.method_that_mixes("images-and-labels")
    if plain is None or images is None or labels is None:
        return not_tested("needs plain training and both ways of mixing (mix: none, images, images-and-labels)")
    sizes, lacking = _sizes_to_judge(results, [plain, images, labels])
    if not sizes:
        return not_tested(lacking)
    rises = [
        Measure(
            f"rise of {name} at {size:,}",
            [rise_of_test_loss(run) for run in results.histories_of(name, size)],
            part=MIXING_OVERFITS,
        )
        for name in (images, labels)
        for size in sizes
    ]
    falls = [
        measure
        for size in sizes
        for other in (images, plain)
        if (measure := _falls_less(results, labels, other, size)) is not None
    ]
    complete = len(falls) == 2 * len(sizes)
    measures = [*rises, *(one if complete else replace(one, part="") for one in falls)]
    outcome = all_above(measures, complete=complete)
    risen = sum(value > 0 for one in rises for value in one.values)
    runs = sum(len(one.values) for one in rises)
    least = sum(one.interval.mean > 0 for one in falls)
    text = (
        f"the test loss of {risen} of {runs} mixup runs ends {RISE - 1:.0%} or more above its lowest stretch; {labels} "
        f"ends further above its floor than another method in {least} of {len(falls)} comparisons"
    )
    clear = sum(one.sign(len(measures)) < 0 for one in falls)
    text += f" (clearly nearer in {clear})" if clear else ""
    text += f"; {_describe_clean_accuracy(results, sizes, [plain, images, labels])}"
    reason = [
        "Agrees if the 95 % intervals over seeds say so at every size: the test loss of both ways of mixing ends "
        f"{RISE - 1:.0%} or more above the lowest of its stretches, and the training loss of {labels} ends "
        "further above its floor than those of the two others (medians of a tenth of the evaluations).",
        f"Disagrees if one says the opposite, by intervals that cover together in 95 % ({len(measures)} quantities).",
        "Else undecided, as it is where the clean training accuracy tells otherwise.",
        _describe_floor(results, sizes, [images, labels]),
    ]
    if (images, labels) in methods_of_equal_loss(study):
        reason.append(
            f"{images} and {labels} have the same expected training loss at the same weights, so that neither task is "
            "the harder one. What differs between their training losses is how the training went."
        )
    reason += [*_note_single_seed(measures), f"Judged at {_list(sizes)} images.", lacking]
    return Judgement(outcome, text, " ".join(reason).strip(), measures=tuple(measures))


def end_level(values: Sequence[float]) -> float:
    """Return the median of the last tenth of the evaluations, one at least."""
    return statistics.median(values[-_tenth_of(values) :])


def _tenth_of(values: Sequence[float]) -> int:
    return max(1, round(END_SHARE * len(values)))


def early_level(run: History, column: str, *, mean: bool = False) -> float:
    """Return the median of the tenth of the evaluations that follows the first tenth of the budget.

    A value that is a `mean` over the steps since the evaluation before, as the training loss is, counts where those
    steps follow the first tenth: the steps within it say how a training began.
    """
    iterations, values = run.columns["iteration"], run.columns[column]
    first = next(index for index, at in enumerate(iterations) if at >= AT_ONCE_SHARE * iterations[-1])
    if mean and first + 1 < len(values):
        first += 1
    return statistics.median(values[first : first + _tenth_of(values)])


def rise_of_test_loss(run: History) -> float:
    """Return how far (in logarithms) the test loss ends above RISE times its lowest stretch; negative if below.

    Stretches have a tenth of the evaluations each, as the end has, or some more where they do not come out even. They
    count by their medians: the lowest of many single evaluations is low by chance.
    """
    losses = run.columns["test_loss"]
    count = len(losses) // _tenth_of(losses)
    ends = [len(losses) * number // count for number in range(count + 1)]
    medians = [statistics.median(losses[start:end]) for start, end in pairwise(ends)]
    return math.log(end_level(losses) / min(medians)) - math.log(RISE)


def _sizes_to_judge(results: StudyResults, methods: Sequence[str]) -> tuple[list[int], str]:
    """Return the small sizes that can be judged, and what is left out with the reason.

    A size needs the whole budget, all methods' histories, and subsets whose classes are known."""
    small = [size for size in results.study.sizes if size <= SMALL_DATA_LIMIT]
    if not any(results.histories_of(name) for name in methods) or not small:
        return [], f"needs histories of all methods at a size of {SMALL_DATA_LIMIT:,} images or fewer"
    whole = [
        size for size in sizes_with_the_whole_budget(results.study, results.protocol, SMALL_DATA_LIMIT) if size in small
    ]
    if not whole:
        return [], f"needs the article's budgets at a size of {SMALL_DATA_LIMIT:,} images or fewer {SEE_PROTOCOL}"
    sentences = []
    cut = [size for size in small if size not in whole]
    if cut:
        sentences.append(f"Trained for less than the article's budget, and so not judged: {_list(cut)} images.")
    present = [size for size in whole if all(results.histories_of(name, size) for name in methods)]
    if len(present) < len(whole):
        absent = [size for size in whole if size not in present]
        sentences.append(f"Without histories of every method, and so not judged: {_list(absent)} images.")
    known = [
        size
        for size in present
        if all(_floor(results, run) is not None for name in methods for run in results.histories_of(name, size))
    ]
    if len(known) < len(present):
        unknown = [size for size in present if size not in known]
        sentences.append(f"Without the subset's table, which the floor follows from: {_list(unknown)} images.")
    return known, " ".join(sentences)


def _floor(results: StudyResults, run: History) -> float | None:
    """Return the floor of a run's training loss in nats; None where the classes of its subset are not known."""
    cell = next(
        (one for one in results.study.cells if (one.size, one.method, one.seed) == (run.size, run.method, run.seed)),
        None,
    )
    if cell is None:
        return None
    if cell.value.method.mix == "none":
        return 0.0
    counts = results.class_counts.get((run.size, run.seed))
    return None if counts is None else loss_floor(cell.value, counts)


def _excess(results: StudyResults, run: History, beyond: float = 0.0) -> float | None:
    floor = _floor(results, run)
    return None if floor is None else end_level(run.columns["train_loss"]) - floor - beyond


def _clean_accuracy(run: History) -> float | None:
    """Return the accuracy on clean training images at the end; None where it was not evaluated."""
    values = [value for value in run.columns.get("clean_train_accuracy", []) if math.isfinite(value)]
    return end_level(values) if values else None


def _unfitted(run: History) -> float | None:
    accuracy = _clean_accuracy(run)
    return None if accuracy is None else FITTED - accuracy


def _fitted_early(run: History) -> float | None:
    accuracy = _clean_accuracy(run)
    return None if accuracy is None else min(accuracy, early_level(run, "clean_train_accuracy")) - FITTED


def _of_runs(results: StudyResults, method: str, size: int, of_run: OfRun) -> list[float]:
    """Compute a number of every run of a method and size; runs without it are left out."""
    return [value for run in results.histories_of(method, size) if (value := of_run(run)) is not None]


def _falls_less(results: StudyResults, labels: str, other: str, size: int) -> Measure | None:
    """Return mixed labels minus another method in the loss above the floor, by seed; checked by clean accuracy."""
    own = {run.seed: run for run in results.histories_of(labels, size)}
    theirs = {run.seed: run for run in results.histories_of(other, size)}
    seeds = [seed for seed in own if seed in theirs]
    if not seeds:
        return None
    values, checks = [], []
    for seed in seeds:
        first, second = _excess(results, own[seed]), _excess(results, theirs[seed])
        if first is not None and second is not None:
            values.append(first - second)
        accuracies = _clean_accuracy(own[seed]), _clean_accuracy(theirs[seed])
        if accuracies[0] is not None and accuracies[1] is not None:
            checks.append(accuracies[1] - accuracies[0])
    return Measure(f"{labels} less {other} at {size:,}", values, checks, LABELS_FALL_LEAST)


def _describe_floor(results: StudyResults, sizes: Sequence[int], methods: Sequence[str]) -> str:
    parts = []
    for name in methods:
        floors = [
            floor
            for size in sizes
            for run in results.histories_of(name, size)
            if (floor := _floor(results, run)) is not None
        ]
        if floors:
            low, high = min(floors), max(floors)
            parts.append(
                f"{low:.3f} nats for {name}" if high - low < 5e-4 else f"{low:.3f} to {high:.3f} nats for {name}"
            )
    return f"The floor, below which no network comes, is {' and '.join(parts)}, and 0 without mixing."


def _describe_clean_accuracy(results: StudyResults, sizes: Sequence[int], methods: Sequence[str]) -> str:
    parts = []
    for name in methods:
        values = [value for size in sizes for value in _of_runs(results, name, size, _clean_accuracy)]
        if values:
            low, high = (percent_number(end, 1) for end in (min(values), max(values)))
            parts.append(f"{name} {low} to {high} %" if low != high else f"{name} {low} %")
    return f"clean training images classified correctly at the end: {', '.join(parts)}" if parts else ""


def _note_single_seed(measures: Sequence[Measure]) -> list[str]:
    alone = all(len(one.values) == 1 for one in measures)
    return ["One seed: nothing has an interval, so that nothing is decided."] if alone else []


def _list(sizes: Sequence[int]) -> str:
    return ", ".join(f"{size:,}" for size in sorted(sizes, reverse=True))
