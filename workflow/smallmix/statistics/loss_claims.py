"""The rules for claims on the loss curves of small training sets."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from smallmix.statistics.evidence import LARGEST_SMALL_SIZE, Evidence
from smallmix.statistics.judgement import Judgement, Verdict, not_tested
from smallmix.statistics.method_roles import first_method
from smallmix.statistics.results import History

# A training loss is converged below this share of the loss of guessing, ln(classes): 0.115 nats for ten classes.
CONVERGED_SHARE = 0.05
DEFAULT_CLASSES = 10
# The level at the end is the median of the last tenth of the readings, the moment of convergence "at once" lies in
# the first half.
END_SHARE = 0.1
AT_ONCE_SHARE = 0.5
# A test loss that ends this much above its minimum has risen.
RISE = 1.05
MAJORITY = 0.5


def non_converges_mixup_does_not(evidence: Evidence) -> Judgement:
    """Does the training loss of plain training vanish early, and that of mixup never?"""
    plain = first_method(evidence.study, "none")
    mixed = _mixing_methods(evidence)
    if plain is None or not mixed:
        return not_tested("needs plain training (mix: none) and a method that mixes")
    plain_runs = evidence.histories_of(plain)
    mixed_runs = [run for name in mixed for run in evidence.histories_of(name)]
    if not plain_runs or not mixed_runs:
        return not_tested(f"needs histories of plain training and of mixup at {LARGEST_SMALL_SIZE:,} images or fewer")
    threshold = CONVERGED_SHARE * math.log(max(2, len(evidence.classes) or DEFAULT_CLASSES))
    at_once = sum(_converges_at_once(run, threshold) for run in plain_runs)
    never = sum(end_level(run.columns["train_loss"]) > threshold for run in mixed_runs)
    verdict = _verdict(
        at_once == len(plain_runs) and never == len(mixed_runs),
        at_once > MAJORITY * len(plain_runs) and never > MAJORITY * len(mixed_runs),
    )
    text = (
        f"{at_once} of {len(plain_runs)} plain runs converge in the first half of their budget; "
        f"{never} of {len(mixed_runs)} mixup runs never do"
    )
    reason = (
        f"a training loss counts as converged at {threshold:.3f} nats, {CONVERGED_SHARE:.0%} of the loss of guessing, "
        "and as not converged if the median of its last tenth is above that; reproduced if all plain runs converge in "
        "the first half and no mixup run does at the end, partly if more than half of each do so; "
        f"sizes {_sizes([*plain_runs, *mixed_runs])}"
    )
    return Judgement(verdict, text, reason)


def mixup_overfits_label_mix_falls_least(evidence: Evidence) -> Judgement:
    """Does the test loss of both ways of mixing rise again, and does the training loss of mixed labels end highest?"""
    study = evidence.study
    plain, images = first_method(study, "none"), first_method(study, "images")
    labels = first_method(study, "images-and-labels")
    if plain is None or images is None or labels is None:
        return not_tested("needs plain training and both ways of mixing (mix: none, images, images-and-labels)")
    sizes = [size for size in study.sizes if all(evidence.histories_of(name, size) for name in (plain, images, labels))]
    if not sizes:
        return not_tested(f"needs histories of all three methods at a size of {LARGEST_SMALL_SIZE:,} images or fewer")
    runs = [run for name in (images, labels) for size in sizes for run in evidence.histories_of(name, size)]
    risen = sum(run.columns["test_loss"][-1] >= RISE * min(run.columns["test_loss"]) for run in runs)
    highest = [
        size
        for size in sizes
        if _mean_end_level(evidence, labels, size)
        > max(_mean_end_level(evidence, images, size), _mean_end_level(evidence, plain, size))
    ]
    overfits, falls_least = risen > MAJORITY * len(runs), len(highest) == len(sizes)
    verdict = _verdict(overfits and falls_least, overfits or falls_least)
    text = (
        f"the test loss of {risen} of {len(runs)} mixup runs ends {RISE - 1:.0%} or more above its minimum; "
        f"{labels} ends with the highest training loss at {len(highest)} of {len(sizes)} sizes"
    )
    reason = (
        "reproduced if the test loss rises again in more than half of the mixup runs, and the training loss (median of "
        "the last tenth, mean over seeds) of mixing images and labels is the highest of the three at every size; "
        f"partly if one of the two holds; sizes {_sizes(runs)}"
    )
    return Judgement(verdict, text, reason)


def end_level(values: Sequence[float]) -> float:
    """The median of the last tenth of the readings, one reading at least."""
    return statistics.median(values[-max(1, round(END_SHARE * len(values))) :])


def _converges_at_once(run: History, threshold: float) -> bool:
    iterations, losses = run.columns["iteration"], run.columns["train_loss"]
    first = next((at for at, loss in zip(iterations, losses, strict=True) if loss <= threshold), math.inf)
    return first <= AT_ONCE_SHARE * iterations[-1] and end_level(losses) <= threshold


def _mixing_methods(evidence: Evidence) -> list[str]:
    found = (first_method(evidence.study, "images"), first_method(evidence.study, "images-and-labels"))
    return [name for name in found if name]


def _mean_end_level(evidence: Evidence, method: str, size: int) -> float:
    return statistics.fmean(end_level(run.columns["train_loss"]) for run in evidence.histories_of(method, size))


def _verdict(whole: bool, part: bool) -> Verdict:
    return "reproduced" if whole else "partly" if part else "not reproduced"


def _sizes(runs: list[History]) -> str:
    return ", ".join(f"{size:,}" for size in sorted({run.size for run in runs}, reverse=True))
