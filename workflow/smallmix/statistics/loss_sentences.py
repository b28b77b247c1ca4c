"""Sentences on what the training losses of a study's methods can and cannot tell beside each other."""

from __future__ import annotations

from smallmix.statistics.loss_claims import methods_of_equal_loss, pair_floor
from smallmix.study.study import Study
from smallmix.wording import joined, number


def floor_sentences(study: Study) -> list[str]:
    """Return why the training loss of mixed images has a floor, and how high it is for each method of the study."""
    values = {cell.method: cell.value.method for cell in study.cells}
    mixes = {value.mix for value in values.values()}
    sentences = ["Under mixup the training loss is measured on mixed images. No network can bring it to zero."]
    if "images-and-labels" in mixes:
        sentences.append("Where labels are mixed, a label of 60 % cat and 40 % dog keeps the entropy of that mixture.")
    if "images" in mixes:
        sentences.append("Where one label is kept, a mixture does not show to which of its two images it belongs.")
    floors = [
        f"{number(pair_floor(value), 2)} nats with {name}" for name, value in values.items() if value.mix != "none"
    ]
    if floors:
        sentences.append(
            f"Two images of different classes cost at least {joined(floors)}, on average over the mixing weight. Two "
            "images of one class may cost nothing."
        )
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
