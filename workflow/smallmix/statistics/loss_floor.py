"""The floor of the training loss under a method, and what it means for comparing the training losses of methods.

A network that knew every training image, and could take every mixture apart, would still not bring the loss of mixed
images to zero. Where labels are mixed, the target itself has the entropy H(λ). Where the first label is kept, the
mixture does not tell which of the two images came first. One of them did with probability p(λ), and H(p) remains.

Cross-entropy is linear in the label. So Beta(a+1, a) with the first label kept, and Beta(a, a) with mixed labels, have
the same expected loss at the same weights (partners are a permutation of the batch, one weight per batch), and the same
floor. A weight for each image instead of one for each batch leaves the floors as they are: they are those of one
mixture. It breaks that equality of losses, because the images of a batch share their statistics.

Features that are mixed inside the network have the floor of mixed labels, wherever they are mixed: no loss lies below
the entropy of its target. A smoothed label has its own entropy. CutMix weights labels by whole pixels of a box that the
border cuts off; the floor then depends on the image's side, and is left open.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from smallmix.statistics.distributions import beta_quantiles
from smallmix.study.cell import Cell, MethodValue
from smallmix.study.study import Study
from smallmix.wording import joined, number

NODES = 4096


def loss_floor(cell: Cell, class_counts: Sequence[int]) -> float | None:
    """Return the least expected training loss (nats) of a cell, from the images of every class in its subset.

    None where the method's floor is not known.
    """
    floor = pair_floor(cell.method)
    share = share_of_unlike_pairs(class_counts, cell.images_seen / cell.iterations)
    return None if floor is None else floor * share + label_floor(cell.method, len(class_counts))


def label_floor(method: MethodValue, classes: int) -> float:
    """Return the entropy (nats) of the label of an image that is not mixed: 0, or that of a smoothed label."""
    if not _smooths(method):
        return 0.0
    spread = float(dict(method.parameters)["smoothing"]) / classes
    own = 1 - spread * (classes - 1)
    return float(special.entr(own) + (classes - 1) * special.entr(spread))


def pair_floor(method: MethodValue) -> float | None:
    """Return the least expected loss (nats) of mixing images of two classes; 0 where nothing is mixed.

    None where it is not known.
    """
    floor_of = PAIR_FLOORS.get(method.mix)
    return None if floor_of is None else floor_of(method)


def share_of_unlike_pairs(class_counts: Sequence[int], batch: float) -> float:
    """Return how often an image is mixed with one of another class. `batch` is the mean batch size.

    Partners are a permutation of the batch, so that one image in `batch` is its own partner.
    """
    total = sum(class_counts)
    if total < 2:
        return 0.0
    itself = 1 / max(1.0, batch)
    alike = math.fsum(count * (count - 1) for count in class_counts) / (total * (total - 1))
    return (1 - itself) * (1 - alike)


def methods_of_equal_loss(study: Study) -> list[tuple[str, str]]:
    """Return the pairs of methods (mixing images, mixing labels too) with the same expected training loss."""
    values: dict[str, MethodValue] = {}
    for cell in study.cells:
        values.setdefault(cell.method, cell.value.method)
    return [
        (first, second)
        for first, one in values.items()
        for second, other in values.items()
        if equal_expected_loss(one, other)
    ]


def equal_expected_loss(images: MethodValue, labels: MethodValue) -> bool:
    """Return whether these are Beta(a+1, a) with the first label kept, and Beta(a, a) with mixed labels."""
    if (images.mix, labels.mix) != ("images", "images-and-labels") or images.beta is None or labels.beta is None:
        return False
    a = labels.beta[1]
    return math.isclose(labels.beta[0], a) and math.isclose(images.beta[1], a) and math.isclose(images.beta[0], a + 1)


def floor_sentences(study: Study, classes: int = 0) -> list[str]:
    """Return why the training loss of a method has a floor, and how high it is for each method of the study.

    `classes` is the number of classes, 0 where it is not known.
    """
    values = {cell.method: cell.value.method for cell in study.cells}
    mixed = {name: value for name, value in values.items() if _mixes(value)}
    changed = [name for name, value in values.items() if value.mix != "none"]
    known = {name: floor for name, value in mixed.items() if (floor := pair_floor(value)) is not None}
    unknown = [name for name in mixed if name not in known]
    sentences = []
    if mixed or not changed:
        sentences.append("Under mixup the training loss is measured on mixed images.")
    if known or not changed:
        sentences.append("No network can bring it to zero.")
    mixes = {value.mix for value in values.values()}
    sentences += dict.fromkeys(reason for mix, reason in FLOOR_REASONS.items() if mix in mixes)
    if known:
        floors = joined([f"{number(floor, 2)} nats with {name}" for name, floor in known.items()])
        sentences.append(
            f"Two images of different classes cost at least {floors}, on average over the mixing weight. Two "
            "images of one class may cost nothing."
        )
    smoothed = {name: label_floor(value, classes) for name, value in values.items() if classes and _smooths(value)}
    if smoothed:
        floors = joined([f"{number(floor, 2)} nats with {name}" for name, floor in smoothed.items()])
        sentences.append(f"With {classes} classes, that costs at least {floors} on every image.")
    if unknown:
        sentences.append(f"The floor of {joined(unknown)} is not known.")
    return sentences


def comparison_sentences(study: Study) -> list[str]:
    """Return which training losses can be compared: those of methods with the same expected loss, and no others."""
    pairs = methods_of_equal_loss(study)
    if not pairs:
        return ["So the training loss as optimised cannot be compared between methods that mix differently."]
    names = [joined(pair) for pair in pairs]
    return [
        f"{'; '.join(names)}: these have the same expected training loss at the same weights, and so the same floor. "
        "Their training losses can be compared with each other. Neither task is the harder one. Where one loss is "
        "lower, that training went better.",
        "Otherwise the training loss as optimised cannot be compared between methods.",
    ]


@functools.lru_cache(maxsize=256)
def _mean_entropy(labels_mixed: bool, first: float, second: float) -> float:
    """Return the mean over λ from Beta(first, second) of H(λ), or of H(p) where the first label is kept."""
    # The middle of equally likely steps: the integrand is bounded, so that the ends need no care.
    # A weight of exactly 0 or 1, which rounding makes of narrow distributions, has no logit.
    weight = np.clip(beta_quantiles((np.arange(NODES) + 0.5) / NODES, first, second), 1e-300, 1 - 1e-16)
    # Given the mixture, the image of weight λ came first with probability f(λ) / (f(λ) + f(1-λ)).
    came_first = special.expit((first - second) * special.logit(weight))
    return float(np.mean(_entropy(weight if labels_mixed else came_first)))


def _mixes(method: MethodValue) -> bool:
    """Return whether images, features or labels of two images are mixed; a user's own method may well do so."""
    return PAIR_FLOORS.get(method.mix) is not _floor_without_mixing


def _smooths(method: MethodValue) -> bool:
    return method.mix == "label-smoothing"


def _floor_without_mixing(method: MethodValue) -> float:
    return 0.0


def _floor_of_kept_labels(method: MethodValue) -> float:
    return _mean_entropy(False, *_beta_of(method))


def _floor_of_mixed_labels(method: MethodValue) -> float:
    return _mean_entropy(True, *_beta_of(method))


def _beta_of(method: MethodValue) -> tuple[float, float]:
    assert method.beta is not None  # the configuration asks for it wherever something is mixed
    return method.beta


def _entropy(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy (nats) of a label that is one class with probability `share`, else another."""
    entropy: NDArray[np.float64] = special.entr(share) + special.entr(1 - share)
    return entropy


# How the floor on pairs of images of two classes follows from a method, by its mix; None where it is not known. A mix
# that does not stand here has no known floor either.
PAIR_FLOORS: Mapping[str, Callable[[MethodValue], float] | None] = {
    "none": _floor_without_mixing,
    "images": _floor_of_kept_labels,
    "images-and-labels": _floor_of_mixed_labels,
    "images-per-image": _floor_of_kept_labels,
    "images-and-labels-per-image": _floor_of_mixed_labels,
    "cutmix": None,
    "manifold-mixup": _floor_of_mixed_labels,
    "label-smoothing": _floor_without_mixing,
    "cutout": _floor_without_mixing,
    "random-erasing": _floor_without_mixing,
}
_ENTROPY_OF_LABELS = "Where labels are mixed, a label of 60 % cat and 40 % dog keeps the entropy of that mixture."
_DOUBT_ABOUT_IMAGES = "Where one label is kept, a mixture does not show to which of its two images it belongs."
_HOLES = "Images with holes are harder to learn than whole ones, but have no floor above zero."
# Why there is a floor, by mix.
FLOOR_REASONS: Mapping[str, str] = {
    "images-and-labels": _ENTROPY_OF_LABELS,
    "images-and-labels-per-image": _ENTROPY_OF_LABELS,
    "cutmix": _ENTROPY_OF_LABELS,
    "manifold-mixup": _ENTROPY_OF_LABELS,
    "images": _DOUBT_ABOUT_IMAGES,
    "images-per-image": _DOUBT_ABOUT_IMAGES,
    "cutout": _HOLES,
    "random-erasing": _HOLES,
    "label-smoothing": "Where labels are smoothed, every label keeps the entropy of what is spread.",
}
