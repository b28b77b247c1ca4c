"""The rules for claims on accuracy within one study."""

from __future__ import annotations

from collections.abc import Iterable

from smallmix.statistics.comparison import paired_differences
from smallmix.statistics.decisions import Measure, all_above, both_signs
from smallmix.statistics.evidence import Evidence
from smallmix.statistics.intervals import MeanInterval
from smallmix.statistics.judgement import Judgement, not_tested
from smallmix.statistics.protocol import article_method
from smallmix.statistics.results import SELECTIONS


def mixup_helps_at_every_size(evidence: Evidence) -> Judgement:
    """Is each way of mixing ahead of plain training at every size, in best accuracy, with certainty?"""
    study = evidence.study
    plain = article_method(study, "none")
    mixed = [name for name in (article_method(study, "images"), article_method(study, "images-and-labels")) if name]
    if plain is None or not mixed:
        return not_tested("needs plain training (mix: none) and a method that mixes")
    wanted = [(size, name) for name in mixed for size in study.sizes]
    found = _measures(evidence, [(size, name, plain) for size, name in wanted])
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
    return Judgement(outcome, text, " ".join(reason))


def neither_mix_is_better_throughout(evidence: Evidence) -> Judgement:
    """Is one way of mixing ahead at some size and behind at another, both with certainty?"""
    study = evidence.study
    images, labels = article_method(study, "images"), article_method(study, "images-and-labels")
    if images is None or labels is None:
        return not_tested("needs both ways of mixing (mix: images and mix: images-and-labels)")
    found = _measures(evidence, [(size, labels, images) for size in study.sizes])
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
        "Else undecided: where neither is ahead for certain, chance alone puts each ahead at some size.",
    ]
    reason += _what_lacks(len(found), len(study.sizes), "sizes", measures)
    return Judgement(outcome, text, " ".join(reason))


def points(interval: MeanInterval) -> str:
    """A mean difference (a fraction) in percentage points, with its 95 % interval where there is one."""
    text = f"{100 * interval.mean:+.2f} points"
    if interval.low is None or interval.high is None:
        return text
    return f"{text}, 95 % interval {100 * interval.low:+.2f} to {100 * interval.high:+.2f}"


def _measures(evidence: Evidence, wanted: list[tuple[int, str, str]]) -> dict[tuple[int, str], Measure]:
    """Method minus reference in best accuracy, by size and method, of those that have results."""
    found: dict[tuple[int, str], Measure] = {}
    for size, method, reference in wanted:
        values = paired_differences(evidence.results, size, method, reference, SELECTIONS["best"])
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
