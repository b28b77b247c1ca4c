"""The rules for claims that take two studies: one trained longer, or random and balanced subsets."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smallmix.statistics.accuracy_claims import points
from smallmix.statistics.decisions import Measure, all_above
from smallmix.statistics.evidence import LARGEST_SMALL_SIZE, Evidence
from smallmix.statistics.intervals import MeanInterval, mean_interval
from smallmix.statistics.judgement import Judgement, not_tested
from smallmix.study.cell import Cell
from smallmix.study.study import StudyCell

DIP_SIZE = 1000
SMALLEST_SIZE = 100
HALF = 0.5
# What may differ between two cells that one rule compares, beside what the rule is about.
_HOW_IT_RUNS = ("executor", "cpu_threads", "precision")


@dataclass(frozen=True)
class _Gain:
    """What one method gains (a fraction) at one size by what two cells differ in; by seed."""

    size: int
    method: str
    by_seed: dict[int, float]

    @property
    def interval(self) -> MeanInterval:
        return mean_interval(list(self.by_seed.values()))


def dip_at_1000_from_few_iterations(evidence: Evidence, others: Sequence[Evidence]) -> Judgement:
    """Is the accuracy at 1,000 below the line between its neighbours, and does longer training lift it?"""
    base, gains = _find_longer(evidence, others)
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
    smallest = _longer(base, [evidence, *others], SMALLEST_SIZE)
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
    return Judgement(outcome, text, " ".join(reason), about=base)


def uneven_classes_matter(evidence: Evidence, others: Sequence[Evidence]) -> Judgement:
    """Do balanced subsets give a higher accuracy than random ones at small sizes, whatever the draw?"""
    text = _smallest_subset(evidence)
    candidates = [_random_and_balanced(evidence, other) for other in others]
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
    return Judgement(outcome, "; ".join(part for part in (text, found_text) if part), " ".join(reason), about=base)


def _measures_of_dip(
    dips: dict[str, dict[int, float]], gains: Sequence[_Gain], smallest: Sequence[_Gain], methods: int
) -> tuple[list[Measure], bool]:
    """What the claim says is above zero, and whether every method has all three."""
    measures = [Measure(f"depth of {name}", list(depths.values())) for name, depths in dips.items()]
    beyond = 0
    for gain in gains:
        depths = dips.get(gain.method, {})
        seeds = [seed for seed in gain.by_seed if seed in depths]
        if seeds:
            beyond += 1
            closed = [gain.by_seed[seed] - HALF * depths[seed] for seed in seeds]
            measures.append(Measure(f"{gain.method} beyond half of the depth", closed))
    measures += [Measure(f"{gain.method} at {SMALLEST_SIZE}", list(gain.by_seed.values())) for gain in smallest]
    return measures, len(dips) == beyond == len(smallest) == methods


def _dips(evidence: Evidence) -> dict[str, dict[int, float]]:
    """How far (a fraction) each method lies below the line between its neighbours at 1,000, by seed."""
    sizes = evidence.study.sizes
    smaller = max((size for size in sizes if size < DIP_SIZE), default=None)
    larger = min((size for size in sizes if size > DIP_SIZE), default=None)
    if DIP_SIZE not in sizes or smaller is None or larger is None:
        return {}
    share = math.log(DIP_SIZE / smaller) / math.log(larger / smaller)
    depths: dict[str, dict[int, float]] = {}
    for method in evidence.study.methods:
        low, here, high = (evidence.accuracies(size, method) for size in (smaller, DIP_SIZE, larger))
        of_seeds = {
            seed: low[seed] + share * (high[seed] - low[seed]) - here[seed]
            for seed in here
            if seed in low and seed in high
        }
        if of_seeds:
            depths[method] = of_seeds
    return depths


def _find_longer(evidence: Evidence, others: Sequence[Evidence]) -> tuple[Evidence, list[_Gain]]:
    """Of this study and the others, the one whose dip can be seen and that another trains for longer; and the gains.

    This study itself and no gains where there are no such two. One of the two is this study.
    """
    for base, rest in [(evidence, list(others)), *((other, [evidence]) for other in others)]:
        gains = _longer(base, rest, DIP_SIZE)
        if gains and _dips(base):
            return base, gains
    return evidence, []


def _longer(evidence: Evidence, others: Sequence[Evidence], size: int) -> list[_Gain]:
    """The gains of the first other study that trains this size for more iterations, and is the same otherwise."""
    for other in others:
        gains = _gains(evidence, other, size, ("budget", "evaluation"), longer=True)
        if gains:
            return gains
    return []


def _random_and_balanced(one: Evidence, other: Evidence) -> tuple[Evidence, Evidence] | None:
    """The two in this order, where one draws at random and the other balanced, both anew for each seed."""
    by_rule = {each.study.configuration["subsets"]["rule"]: each for each in (one, other)}
    redrawn = all(each.study.redraws_subsets for each in (one, other))
    return (by_rule["random"], by_rule["balanced"]) if redrawn and set(by_rule) == {"random", "balanced"} else None


def _small_gains(base: Evidence, balanced: Evidence) -> list[_Gain]:
    sizes = [size for size in base.study.sizes if size <= LARGEST_SMALL_SIZE]
    return [gain for size in sizes for gain in _gains(base, balanced, size, ("subset",))]


def _smallest_subset(evidence: Evidence) -> str:
    rows = [row for row in evidence.subset_rows if row.size <= LARGEST_SMALL_SIZE]
    least = min(rows, key=lambda row: row.size, default=None)
    return f"classes of {least.smallest_class} to {least.largest_class} at {least.size:,} images" if least else ""


def _gains(
    base: Evidence, other: Evidence, size: int, varying: tuple[str, ...], *, longer: bool = False
) -> list[_Gain]:
    """other minus base in best accuracy, for every method whose cells differ in nothing but the `varying` keys."""
    gains: list[_Gain] = []
    for ours in _cells(base, size):
        twin = next((one for one in _cells(other, size) if _same(base, ours, other, one, varying)), None)
        if twin is None or (longer and twin.value.iterations <= ours.value.iterations):
            continue
        before = base.accuracies(size, ours.method)
        after = other.accuracies(size, twin.method)
        by_seed = {seed: after[seed] - before[seed] for seed in before if seed in after}
        if by_seed:
            gains.append(_Gain(size, ours.method, by_seed))
    return gains


def _cells(evidence: Evidence, size: int) -> list[StudyCell]:
    """The first cell of every method at a size."""
    found: dict[str, StudyCell] = {}
    for cell in evidence.study.cells:
        if cell.size == size:
            found.setdefault(cell.method, cell)
    return list(found.values())


def _same(one: Evidence, a: StudyCell, other: Evidence, b: StudyCell, varying: tuple[str, ...]) -> bool:
    return one.study.dataset == other.study.dataset and _essence(a.value, varying) == _essence(b.value, varying)


@functools.lru_cache(maxsize=1024)
def _essence(cell: Cell, varying: tuple[str, ...]) -> dict[str, Any]:
    value = {key: part for key, part in cell.to_dict().items() if key not in (*varying, "seed")}
    value["recipe"] = {key: part for key, part in value["recipe"].items() if key not in _HOW_IT_RUNS}
    if "subset" in value:
        value["subset"] = {key: part for key, part in value["subset"].items() if key != "seed"}
    return value


def _mean(by_seed: dict[int, float]) -> float:
    return math.fsum(by_seed.values()) / len(by_seed)


def _points(gains: Sequence[_Gain]) -> str:
    return ", ".join(f"{100 * gain.interval.mean:+.2f} ({gain.method})" for gain in gains) + " points"


def _seed_note(gains: Sequence[_Gain]) -> str:
    if all(len(gain.by_seed) == 1 for gain in gains):
        return "One seed: no interval, any difference may be chance."
    clear = sum(gain.interval.excludes_zero for gain in gains)
    return f"At 1,000 the 95 % interval of the gain excludes zero in {clear} of {len(gains)} methods."
