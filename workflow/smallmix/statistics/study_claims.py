"""The rules for claims that take two studies: one trained longer, or one with balanced subsets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smallmix.statistics.evidence import LARGEST_SMALL_SIZE, Evidence
from smallmix.statistics.intervals import MeanInterval, mean_interval
from smallmix.statistics.judgement import Judgement, Verdict, not_tested
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
    mix: str
    method: str
    by_seed: dict[int, float]

    @property
    def interval(self) -> MeanInterval:
        return mean_interval(list(self.by_seed.values()))


def dip_at_1000_from_few_iterations(evidence: Evidence, others: Sequence[Evidence]) -> Judgement:
    """Is the accuracy at 1,000 below the line between its neighbours, and does longer training lift it?"""
    base, gains = _find_longer(evidence, others)
    dips = _dips(base)
    if dips is None:
        return not_tested(
            "needs results at 1,000 images and at a smaller and a larger size, and a study that trains 1,000 and 100 "
            "images longer"
        )
    low = [name for name, depth in dips.items() if depth > 0]
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
    lifted = all(gain.interval.mean > 0 for gain in gains)
    shares = [gain.interval.mean / dips[gain.method] for gain in gains if gain.method in low]
    closes = sum(share >= HALF for share in shares) > HALF * len(shares)
    at_100 = bool(smallest) and all(gain.interval.mean > 0 for gain in smallest)
    verdict: Verdict = "not reproduced"
    if low and lifted and closes and at_100:
        verdict = "reproduced"
    elif low and (lifted or closes):
        verdict = "partly"
    reason = (
        "reproduced if methods lie below the line (over the logarithm of the size) at 1,000, longer training lifts "
        "every method there, for most of them by half of the gap or more, and lifts every method at 100 as well; "
        f"partly if one of the first two holds at 1,000; {_seed_note(gains)}"
    )
    return Judgement(verdict, text, reason if smallest else f"{reason}; 100 images were not trained longer")


def uneven_classes_matter(evidence: Evidence, others: Sequence[Evidence]) -> Judgement:
    """Do balanced subsets give a higher accuracy at small sizes?"""
    rows = [row for row in evidence.subset_rows if row.size <= LARGEST_SMALL_SIZE]
    least = min(rows, key=lambda row: row.size, default=None)
    text = f"classes of {least.smallest_class} to {least.largest_class} at {least.size:,} images" if least else ""
    gains = [
        gain
        for other in others
        for size in evidence.study.sizes
        if size <= LARGEST_SMALL_SIZE
        for gain in _gains(*_head_and_balanced(evidence, other), size, ("subset",))
    ]
    if not gains:
        return not_tested(
            "needs two studies that differ only in the rule of their subsets, head and balanced, at 1,000 images or "
            "fewer (workflow/studies/replicated.yaml and balanced.yaml), the second one collected and named under "
            "compare_with",
            text,
        )
    seeds = sorted(set.intersection(*(set(gain.by_seed) for gain in gains)))
    values = [math.fsum(gain.by_seed[seed] for gain in gains) / len(gains) for seed in seeds]
    overall = mean_interval(values or [math.fsum(gain.interval.mean for gain in gains) / len(gains)])
    verdict: Verdict = "not reproduced"
    if overall.mean > 0:
        verdict = "reproduced" if overall.excludes_zero else "partly"
    found = f"balanced minus head: {100 * overall.mean:+.2f} points over {len(gains)} pairs of size and method"
    reason = (
        "reproduced if the mean gain of balanced subsets in best accuracy, over sizes and methods by seed, is above "
        f"zero with its 95 % interval; partly if it is above zero without; {_seed_note(gains)}"
    )
    return Judgement(verdict, "; ".join(part for part in (text, found) if part), reason)


def _dips(evidence: Evidence) -> dict[str, float] | None:
    """How far (a fraction) each method lies below the line between its neighbours at 1,000; None without neighbours."""
    sizes = evidence.study.sizes
    smaller = max((size for size in sizes if size < DIP_SIZE), default=None)
    larger = min((size for size in sizes if size > DIP_SIZE), default=None)
    if DIP_SIZE not in sizes or smaller is None or larger is None:
        return None
    share = math.log(DIP_SIZE / smaller) / math.log(larger / smaller)
    depths: dict[str, float] = {}
    for method in evidence.study.methods:
        means = [evidence.mean_accuracy(size, method) for size in (smaller, DIP_SIZE, larger)]
        low, here, high = (None if one is None else one.mean for one in means)
        if low is not None and here is not None and high is not None:
            depths[method] = low + share * (high - low) - here
    return depths or None


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


def _head_and_balanced(one: Evidence, other: Evidence) -> tuple[Evidence, Evidence]:
    rule = other.study.configuration["subsets"]["rule"]
    return (other, one) if rule == "head" else (one, other)


def _gains(
    base: Evidence, other: Evidence, size: int, varying: tuple[str, ...], *, longer: bool = False
) -> list[_Gain]:
    """other minus base in best accuracy, for every method whose cells differ in nothing but the `varying` keys."""
    rules = [one.study.configuration["subsets"]["rule"] for one in (base, other)]
    if "subset" in varying and rules != ["head", "balanced"]:
        return []
    gains: list[_Gain] = []
    for ours in _cells(base, size):
        twin = next((one for one in _cells(other, size) if _same(base, ours, other, one, varying)), None)
        if twin is None or (longer and twin.value.iterations <= ours.value.iterations):
            continue
        before = base.accuracies(size, ours.method)
        after = other.accuracies(size, twin.method)
        by_seed = {seed: after[seed] - before[seed] for seed in before if seed in after}
        if by_seed:
            gains.append(_Gain(size, ours.value.method.mix, ours.method, by_seed))
    return gains


def _cells(evidence: Evidence, size: int) -> list[StudyCell]:
    """The first cell of every method at a size."""
    found: dict[str, StudyCell] = {}
    for cell in evidence.study.cells:
        if cell.size == size:
            found.setdefault(cell.method, cell)
    return list(found.values())


def _same(one: Evidence, a: StudyCell, other: Evidence, b: StudyCell, varying: tuple[str, ...]) -> bool:
    return one.study.dataset == other.study.dataset and _essence(a, varying) == _essence(b, varying)


def _essence(cell: StudyCell, varying: tuple[str, ...]) -> dict[str, Any]:
    value = {key: part for key, part in cell.value.to_dict().items() if key not in (*varying, "seed")}
    value["recipe"] = {key: part for key, part in value["recipe"].items() if key not in _HOW_IT_RUNS}
    if "subset" in value:
        value["subset"] = {key: part for key, part in value["subset"].items() if key != "seed"}
    return value


def _points(gains: Sequence[_Gain]) -> str:
    return ", ".join(f"{100 * gain.interval.mean:+.2f} ({gain.method})" for gain in gains) + " points"


def _seed_note(gains: Sequence[_Gain]) -> str:
    counts = sorted({len(gain.by_seed) for gain in gains})
    if counts == [1]:
        return "one seed: no interval, any difference may be chance"
    clear = sum(gain.interval.excludes_zero for gain in gains)
    return f"the 95 % interval excludes zero in {clear} of {len(gains)} differences"
