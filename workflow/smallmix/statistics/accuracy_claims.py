"""The rules for claims on accuracy: of one study, or of two that differ in training length or in their subsets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from smallmix.statistics.cells_alike import cells_by_method, find_alike
from smallmix.statistics.comparison import paired_differences
from smallmix.statistics.intervals import MeanInterval, mean_interval
from smallmix.statistics.study_results import SMALL_DATA_LIMIT, StudyResults
from smallmix.statistics.verdicts import Judgement, Measure, all_above, both_signs, not_tested
from smallmix.tables.columns import SELECTIONS


def mixup_helps_at_every_size(results: StudyResults) -> Judgement:
    """Judge whether each way of mixing is clearly ahead of plain training at every size, in best accuracy."""
    study = results.study
    plain = results.method_that_mixes("none")
    mixed = results.mixing_methods
    if plain is None or not mixed:
        return not_tested("needs plain training (mix: none) and a method that mixes")
    wanted = [(size, name) for name in mixed for size in study.sizes]
    found = _measures(results, [(size, name, plain) for size, name in wanted])
    sizes = {size for size, _ in found}
    if len(sizes) < 2:
        return not_tested(f"needs results of plain training and of mixup at two sizes or more, found {len(sizes)}")
    complete = len(found) == len(wanted)
    measures = list(found.values())
    outcome = all_above(measures, complete=complete)
    ahead = sum(one.interval.mean > 0 for one in measures)
    (size, name), worst = min(found.items(), key=lambda item: item[1].interval.mean)
    text = f"mixup ahead in {ahead} of {len(found)} comparisons"
    text += _clearly(measures)
    text += f"; least gain {points(worst.interval)} ({name} at {size:,})"
    reason = [
        "Agrees if the 95 % interval of every way of mixing minus plain training, in best accuracy, lies above zero at "
        "every size.",
        f"Disagrees if one lies below zero, by intervals that cover together in 95 % ({len(found)} comparisons).",
        "Else undecided.",
    ]
    below = [one.name for one in measures if one.sign(len(measures)) < 0]
    if below:
        reason.append(f"Below zero: {', '.join(below)}.")
    reason += _what_lacks(len(found), len(wanted), "comparisons", measures)
    reason.append("That the Beta distribution needs tuning is not judged here.")
    return Judgement(outcome, text, " ".join(reason), measures=tuple(measures))


def neither_mix_is_better_throughout(results: StudyResults) -> Judgement:
    """Judge whether one way of mixing is clearly ahead at some size and clearly behind at another."""
    study = results.study
    images, labels = results.method_that_mixes("images"), results.method_that_mixes("images-and-labels")
    if images is None or labels is None:
        return not_tested("needs both ways of mixing (mix: images and mix: images-and-labels)")
    found = _measures(results, [(size, labels, images) for size in study.sizes])
    if len(found) < 2:
        return not_tested(f"needs results of both ways of mixing at two sizes or more, found {len(found)}")
    measures = list(found.values())
    outcome = both_signs(measures, complete=len(found) == len(study.sizes))
    above = [size for (size, _), one in found.items() if one.interval.mean > 0]
    below = [size for (size, _), one in found.items() if one.interval.mean < 0]
    clear = [size for (size, _), one in found.items() if one.sign()]
    text = f"{labels} ahead of {images} at {_list(above)}; behind at {_list(below)}"
    text += f"; the 95 % interval excludes zero at {_list(clear)}" if _has_intervals(measures) else ""
    reason = [
        f"Agrees if the interval of {labels} minus {images}, in best accuracy, lies above zero at one size and below "
        f"zero at another, by intervals that cover together in 95 % ({len(found)} sizes).",
        "Disagrees if the 95 % intervals of all sizes lie on the same side of zero.",
        "Else undecided: where neither is clearly ahead, chance alone puts each ahead at some size.",
    ]
    reason += _what_lacks(len(found), len(study.sizes), "sizes", measures)
    return Judgement(outcome, text, " ".join(reason), measures=tuple(measures))


def points(interval: MeanInterval) -> str:
    """Write a mean difference (a fraction) in percentage points, with its 95 % interval where there is one."""
    text = f"{100 * interval.mean:+.2f} points"
    if interval.low is None or interval.high is None:
        return text
    return f"{text}, 95 % interval {100 * interval.low:+.2f} to {100 * interval.high:+.2f}"


def _measures(results: StudyResults, wanted: list[tuple[int, str, str]]) -> dict[tuple[int, str], Measure]:
    """Return method minus reference in best accuracy by size and method; pairs without results are left out."""
    found: dict[tuple[int, str], Measure] = {}
    for size, method, reference in wanted:
        values = paired_differences(results.runs, size, method, reference, SELECTIONS["best"])
        if values:
            found[size, method] = Measure(f"{method} at {size:,}", list(values.values()))
    return found


def _has_intervals(measures: Iterable[Measure]) -> bool:
    return any(len(one.values) > 1 for one in measures)


def _clearly(measures: list[Measure]) -> str:
    clear = [one for one in measures if one.sign() > 0]
    return f", in {len(clear)} with the 95 % interval above zero" if _has_intervals(measures) else ""


def _what_lacks(found: int, wanted: int, what: str, measures: list[Measure]) -> list[str]:
    sentences = []
    if found < wanted:
        sentences.append(
            f"Only {found} of {wanted} {what} have results, so that the claim cannot be settled as a whole."
        )
    if not _has_intervals(measures):
        sentences.append("One seed: no difference has an interval, any of them may be chance.")
    return sentences


def _list(sizes: list[int]) -> str:
    return ", ".join(f"{size:,}" for size in sizes) or "no size"


DIP_SIZE = 1000
SMALLEST_SIZE = 100
HALF = 0.5
# The three parts of the claim on the dip.
DIPS = f"accuracy dips at {DIP_SIZE:,} images"
LONGER_FILLS_IT = "longer training fills most of the dip"
LONGER_HELPS_THE_SMALLEST = f"{SMALLEST_SIZE} images gain from longer training"


@dataclass(frozen=True)
class _Gain:
    """The gain (a fraction) of one method at one size from a study to another, by seed."""

    size: int
    method: str
    by_seed: dict[int, float]

    @property
    def interval(self) -> MeanInterval:
        return mean_interval(list(self.by_seed.values()))


def dip_at_1000_from_few_iterations(results: StudyResults, others: Sequence[StudyResults]) -> Judgement:
    """Judge whether accuracy at 1,000 lies below the line between its neighbours and longer training lifts it."""
    base, gains = _find_longer(results, others)
    dips = _dips(base)
    if not dips:
        return not_tested(
            "needs results at 1,000 images and at a smaller and a larger size, and a study that trains 1,000 and 100 "
            "images longer"
        )
    low = [name for name, depths in dips.items() if _mean(depths) > 0]
    text = f"at 1,000 images {len(low)} of {len(dips)} methods lie below the line between the neighbouring sizes"
    if not gains:
        return not_tested(
            "whether few iterations cause the dip takes a second study that differs only in a longer budget at 1,000 "
            "and 100 images (workflow/studies/longer.yaml), collected and named under compare_with",
            text,
        )
    text += f"; trained longer they gain {_points(gains)}"
    smallest = _longer(base, [results, *others], SMALLEST_SIZE)
    text += f"; at 100 images {_points(smallest)}" if smallest else ""
    measures, complete = _measures_of_dip(dips, gains, smallest, len(base.study.methods))
    outcome = all_above(measures, complete=complete)
    reason = [
        "Agrees if three 95 % intervals lie above zero for every method: of the depth below the line (over the "
        "logarithm of the size) at 1,000, of what longer training adds there beyond half of that depth, and of what it "
        "adds at 100.",
        f"Disagrees if one lies below zero, by intervals that cover together in 95 % ({len(measures)} quantities).",
        "Else undecided.",
        _seed_note(gains),
    ]
    if not smallest:
        reason.append("100 images were not trained longer, so that the claim cannot agree as a whole.")
    elif not complete:
        reason.append("Not every method has results of both studies, so that the claim cannot agree as a whole.")
    return Judgement(outcome, text, " ".join(reason), about=base, measures=tuple(measures))


def uneven_classes_matter(results: StudyResults, others: Sequence[StudyResults]) -> Judgement:
    """Judge whether balanced subsets give a higher accuracy than random ones at small sizes, over many draws."""
    text = _smallest_subset(results)
    candidates = [_random_and_balanced(results, other) for other in others]
    pairs = [pair for pair in candidates if pair is not None]
    found = next(((base, gains) for base, balanced in pairs if (gains := _small_gains(base, balanced))), None)
    if found is None:
        return not_tested(
            "needs two studies that differ only in the rule of their subsets, random and balanced, both with "
            "redraw_per_seed: true, at 1,000 images or fewer, the second one collected and named under compare_with "
            "(workflow/studies/balanced.yaml); one head or one draw says nothing of other draws",
            text,
        )
    base, gains = found
    seeds = sorted(set.intersection(*(set(gain.by_seed) for gain in gains)))
    values = [math.fsum(gain.by_seed[seed] for gain in gains) / len(gains) for seed in seeds]
    if not seeds:
        return not_tested("needs a seed that has all sizes and methods in both studies", text)
    measure = Measure("balanced minus random", values)
    outcome = all_above([measure])
    found_text = f"balanced minus random: {points(measure.interval)}, over {len(gains)} pairs of size and method"
    reason = [
        "Agrees if the 95 % interval of balanced minus random subsets, in best accuracy, averaged over sizes and "
        "methods within each seed, lies above zero.",
        "Disagrees if it lies below.",
        "Else undecided.",
        f"Each of the {len(seeds)} seeds has draws of its own, so that the interval covers the scatter of the draws.",
    ]
    if len(seeds) < 2:
        reason.append("One seed: no interval, any difference may be chance.")
    found_text = "; ".join(part for part in (text, found_text) if part)
    return Judgement(outcome, found_text, " ".join(reason), about=base, measures=(measure,))


def _measures_of_dip(
    dips: dict[str, dict[int, float]], gains: Sequence[_Gain], smallest: Sequence[_Gain], methods: int
) -> tuple[list[Measure], bool]:
    """Return the quantities that the claim says are above zero, and whether every method has all three."""
    depths = [Measure(f"depth of {name}", list(of_seeds.values())) for name, of_seeds in dips.items()]
    beyond = []
    for gain in gains:
        of_seeds = dips.get(gain.method, {})
        seeds = [seed for seed in gain.by_seed if seed in of_seeds]
        if seeds:
            closed = [gain.by_seed[seed] - HALF * of_seeds[seed] for seed in seeds]
            beyond.append(Measure(f"{gain.method} beyond half of the depth", closed))
    at_smallest = [Measure(f"{gain.method} at {SMALLEST_SIZE}", list(gain.by_seed.values())) for gain in smallest]
    # What fills half of a dip fills more than a bump: without a dip, this part cannot hold.
    there_is_a_dip = all(one.sign() > 0 for one in depths)
    measures = [
        *_of_part(depths, DIPS, methods),
        *_of_part(beyond, LONGER_FILLS_IT if there_is_a_dip else "", methods),
        *_of_part(at_smallest, LONGER_HELPS_THE_SMALLEST, methods),
    ]
    return measures, len(dips) == len(beyond) == len(smallest) == methods


def _of_part(measures: Sequence[Measure], part: str, methods: int) -> list[Measure]:
    """Return measures as those of a part of the claim; a part that lacks methods cannot be said to hold."""
    return [replace(one, part=part if len(measures) == methods else "") for one in measures]


def _dips(results: StudyResults) -> dict[str, dict[int, float]]:
    """Return how far (a fraction) each method lies below the line between its neighbours at 1,000, by seed."""
    sizes = results.study.sizes
    smaller = max((size for size in sizes if size < DIP_SIZE), default=None)
    larger = min((size for size in sizes if size > DIP_SIZE), default=None)
    if DIP_SIZE not in sizes or smaller is None or larger is None:
        return {}
    share = math.log(DIP_SIZE / smaller) / math.log(larger / smaller)
    depths: dict[str, dict[int, float]] = {}
    for method in results.study.methods:
        low, here, high = (results.accuracies(size, method) for size in (smaller, DIP_SIZE, larger))
        of_seeds = {
            seed: low[seed] + share * (high[seed] - low[seed]) - here[seed]
            for seed in here
            if seed in low and seed in high
        }
        if of_seeds:
            depths[method] = of_seeds
    return depths


def _find_longer(results: StudyResults, others: Sequence[StudyResults]) -> tuple[StudyResults, list[_Gain]]:
    """Find a pair of studies that differ only in training length, one of them this study.

    Returns the shorter one, whose dip can be seen, and the accuracy gained by the longer; this study and no gains if
    there is no such pair.
    """
    for base, rest in [(results, list(others)), *((other, [results]) for other in others)]:
        gains = _longer(base, rest, DIP_SIZE)
        if gains and _dips(base):
            return base, gains
    return results, []


def _longer(results: StudyResults, others: Sequence[StudyResults], size: int) -> list[_Gain]:
    """Return the gains of the first other study that differs only in training this size for more iterations."""
    for other in others:
        gains = _gains(results, other, size, ("budget", "evaluation"), longer=True)
        if gains:
            return gains
    return []


def _random_and_balanced(one: StudyResults, other: StudyResults) -> tuple[StudyResults, StudyResults] | None:
    """Return the random and the balanced study, if these two are that and draw anew for each seed; else None."""
    by_rule = {each.study.configuration["subsets"]["rule"]: each for each in (one, other)}
    redrawn = all(each.study.redraws_subsets for each in (one, other))
    return (by_rule["random"], by_rule["balanced"]) if redrawn and set(by_rule) == {"random", "balanced"} else None


def _small_gains(base: StudyResults, balanced: StudyResults) -> list[_Gain]:
    sizes = [size for size in base.study.sizes if size <= SMALL_DATA_LIMIT]
    return [gain for size in sizes for gain in _gains(base, balanced, size, ("subset",))]


def _smallest_subset(results: StudyResults) -> str:
    rows = [row for row in results.subset_rows if row.size <= SMALL_DATA_LIMIT]
    least = min(rows, key=lambda row: row.size, default=None)
    return f"classes of {least.smallest_class} to {least.largest_class} at {least.size:,} images" if least else ""


def _gains(
    base: StudyResults, other: StudyResults, size: int, varying: tuple[str, ...], *, longer: bool = False
) -> list[_Gain]:
    """Return other minus base in best accuracy, for methods whose cells differ only in the `varying` keys."""
    gains: list[_Gain] = []
    for ours in cells_by_method(base, size):
        counterpart = find_alike(base, ours, other, varying)
        if counterpart is None or (longer and counterpart.value.iterations <= ours.value.iterations):
            continue
        before = base.accuracies(size, ours.method)
        after = other.accuracies(size, counterpart.method)
        by_seed = {seed: after[seed] - before[seed] for seed in before if seed in after}
        if by_seed:
            gains.append(_Gain(size, ours.method, by_seed))
    return gains


def _mean(by_seed: dict[int, float]) -> float:
    return math.fsum(by_seed.values()) / len(by_seed)


def _points(gains: Sequence[_Gain]) -> str:
    return ", ".join(f"{100 * gain.interval.mean:+.2f} ({gain.method})" for gain in gains) + " points"


def _seed_note(gains: Sequence[_Gain]) -> str:
    if all(len(gain.by_seed) == 1 for gain in gains):
        return "One seed: no interval, any difference may be chance."
    clear = sum(gain.interval.excludes_zero for gain in gains)
    return f"At 1,000 the 95 % interval of the gain excludes zero in {clear} of {len(gains)} methods."
