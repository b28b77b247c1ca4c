"""The rules for claims on accuracy within one study."""

from __future__ import annotations

from collections.abc import Iterable

from smallmix.statistics.comparison import average_over_sizes, paired_differences
from smallmix.statistics.evidence import Evidence
from smallmix.statistics.intervals import MeanInterval, mean_interval
from smallmix.statistics.judgement import Judgement, Verdict, not_tested
from smallmix.statistics.method_roles import first_method
from smallmix.statistics.results import SELECTIONS

MOST = 0.75


def mixup_helps_at_every_size(evidence: Evidence) -> Judgement:
    """Is each way of mixing ahead of plain training at every size, by the mean best accuracy over seeds?"""
    study = evidence.study
    plain = first_method(study, "none")
    mixed = [name for name in (first_method(study, "images"), first_method(study, "images-and-labels")) if name]
    if plain is None or not mixed:
        return not_tested("needs plain training (mix: none) and a method that mixes")
    differences = {(size, name): _difference(evidence, size, name, plain) for name in mixed for size in study.sizes}
    found = {place: interval for place, interval in differences.items() if interval is not None}
    sizes = sorted({size for size, _ in found})
    if len(sizes) < 2:
        return not_tested(f"needs results of plain training and of mixup at two sizes or more, found {len(sizes)}")
    ahead = [place for place, interval in found.items() if interval.mean > 0]
    clear = [place for place in ahead if found[place].excludes_zero]
    helped = {size for size, _ in ahead}
    verdict: Verdict = "not reproduced"
    if len(ahead) == len(found):
        verdict = "reproduced"
    elif helped == set(sizes) or len(ahead) >= MOST * len(found):
        verdict = "partly"
    reason = (
        "reproduced if the mean best accuracy of every way of mixing is above plain training's at every size; partly "
        "if one of them is at every size, or three quarters of the comparisons are"
    )
    if len(found) < len(differences):
        reason += (
            f"; only {len(found)} of {len(differences)} comparisons have results, which allows no more than partly"
        )
        verdict = "partly" if verdict == "reproduced" else verdict
    reason += f"; {_clarity(len(clear), len(ahead), found.values())}"
    reason += "; that the Beta distribution needs tuning is not judged here"
    (size, name), worst = min(found.items(), key=lambda item: item[1].mean)
    text = f"mixup ahead in {len(ahead)} of {len(found)} comparisons; least gain {_points(worst)} ({name} at {size:,})"
    return Judgement(verdict, text, reason)


def neither_mix_is_better_throughout(evidence: Evidence) -> Judgement:
    """Is each of the two ways of mixing ahead of the other at some size?"""
    study = evidence.study
    images, labels = first_method(study, "images"), first_method(study, "images-and-labels")
    if images is None or labels is None:
        return not_tested("needs both ways of mixing (mix: images and mix: images-and-labels)")
    column = SELECTIONS["best"]
    by_size = {size: paired_differences(evidence.results, size, labels, images, column) for size in study.sizes}
    paired = {size: seeds for size, seeds in by_size.items() if seeds}
    if len(paired) < 2:
        return not_tested(f"needs results of both ways of mixing at two sizes or more, found {len(paired)}")
    found = {size: mean_interval(list(seeds.values())) for size, seeds in paired.items()}
    above = [size for size, interval in found.items() if interval.mean > 0]
    below = [size for size, interval in found.items() if interval.mean < 0]
    averages, _ = average_over_sizes(paired)
    overall = mean_interval(averages) if averages else None
    verdict: Verdict = "not reproduced"
    if above and below:
        verdict = "reproduced"
    elif len(found) < len(study.sizes) or (overall and overall.low is not None and not overall.excludes_zero):
        verdict = "partly"
    reason = (
        "reproduced if each is ahead at one size or more by the mean best accuracy; if one is ahead at every size, not "
        "reproduced, or partly where sizes are missing or the mean over sizes may be zero; "
        f"{_clarity(sum(one.excludes_zero for one in found.values()), len(found), found.values())}"
    )
    if len(found) < len(study.sizes):
        reason += f"; {len(found)} of {len(study.sizes)} sizes have results"
    text = f"{labels} ahead of {images} at {_list(above)}; behind at {_list(below)}"
    return Judgement(verdict, text, reason)


def _difference(evidence: Evidence, size: int, method: str, reference: str) -> MeanInterval | None:
    values = paired_differences(evidence.results, size, method, reference, SELECTIONS["best"])
    return mean_interval(list(values.values())) if values else None


def _clarity(clear: int, total: int, intervals: Iterable[MeanInterval]) -> str:
    if all(one.count == 1 for one in intervals):
        return "one seed: no difference has an interval, any of them may be chance"
    return f"the 95 % interval excludes zero in {clear} of these {total}"


def _points(interval: MeanInterval) -> str:
    return f"{100 * interval.mean:+.2f} points"


def _list(sizes: list[int]) -> str:
    return ", ".join(f"{size:,}" for size in sizes) or "no size"
