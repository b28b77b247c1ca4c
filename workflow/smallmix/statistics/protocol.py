"""In what a study differs from the published protocol, as sentences.

A number is compared only under the same protocol. The article's, with what it leaves open as this project interprets
it, stands in workflow/published/article.yaml.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from smallmix.study.cell import Cell
from smallmix.study.own_images import own_images
from smallmix.study.published import Protocol, method_as_published
from smallmix.study.study import Study
from smallmix.wording import joined

# sha256 of train_labels.npy and test_labels.npy (int64, format 1.0) with CIFAR-10's labels in their canonical order.
# Ten names of classes are no proof: other sets of images have the same ones.
CIFAR10_LABELS = (
    "9dfee6f275bac0f14e63de8d1091cd1f4487a16d30c6d8726f61d1b8f999c745",
    "fc48d9ecfdbeacce2dacf004498170f2df12e75e3485475017d2663b587a92f3",
)
CIFAR10_SHAPE = (32, "rgb")
# Of the recipe, what makes numbers incomparable wherever it differs. The last batch is judged cell by cell; another
# precision is only noted.
DECISIVE_RECIPE = (
    "batch_size",
    "learning_rate",
    "momentum",
    "weight_decay",
    "schedule",
    "decay_at",
    "decay_factor",
    "warm_up",
    "nesterov",
    "decay_normalization",
    "crop_padding",
    "flip",
)
# How a row of claims.csv refers to the row of kind `protocol`, which says once how the study differs.
SEE_PROTOCOL = "(see protocol)"
# What another schedule than this one does not read.
READ_BY_STEPS = ("decay_at", "decay_factor")


@dataclass(frozen=True)
class ProtocolDifference:
    """One difference from the published protocol; a decisive one makes numbers incomparable."""

    text: str
    decisive: bool


def differences_of_study(
    study: Study, protocol: Protocol, label_checksums: tuple[str, ...] = ()
) -> list[ProtocolDifference]:
    """Return what differs for every cell of the study: images, their selection, network, recipe, seeds.

    `label_checksums` are the sha256 of the stored training and test labels, empty where they are not known.
    """
    value = study.cells[0].value if study.cells else None
    found = _differences_of_images(study, label_checksums)
    if value is not None:
        if value.model.name != protocol.network:
            text = f"the network {value.model.name} instead of {protocol.network}"
            found.append(ProtocolDifference(text, value.model.name not in protocol.comparable_networks))
        # A network that does not read them has 0 and no blocks; it is another one by its name.
        if value.model.width not in (0, protocol.width):
            found.append(ProtocolDifference(f"width {value.model.width} instead of {protocol.width}", True))
        if value.model.blocks not in ((), protocol.blocks):
            text = f"blocks {list(value.model.blocks)} instead of {list(protocol.blocks)}"
            found.append(ProtocolDifference(text, True))
        if value.model.parameters:
            parameters = ", ".join(f"{name} {item}" for name, item in value.model.parameters if item != "")
            found.append(ProtocolDifference(f"parameters of the network ({parameters})", True))
        for key in DECISIVE_RECIPE:
            ours, wanted = getattr(value.recipe, key), getattr(protocol.recipe, key)
            if value.recipe.schedule != protocol.recipe.schedule and key in READ_BY_STEPS:
                continue
            if ours != wanted:
                found.append(ProtocolDifference(f"recipe.{key} {_show(ours)} instead of {_show(wanted)}", True))
        if value.recipe.precision != protocol.recipe.precision:
            text = f"precision {value.recipe.precision} instead of {protocol.recipe.precision}"
            found.append(ProtocolDifference(text, False))
    if len(study.seeds) > 1:
        found.append(ProtocolDifference(f"{len(study.seeds)} seeds instead of one", False))
    return found


def differences_of_class_counts(study: Study, label_checksums: tuple[str, ...]) -> list[ProtocolDifference]:
    """Return what keeps the published numbers of images by class, those of the head of the list, from being ours."""
    found = _differences_of_dataset(study, label_checksums)
    rule = study.configuration["subsets"]["rule"]
    if rule != "head":
        found.append(ProtocolDifference(f"subsets by the rule {rule} instead of the head of the list", True))
    return found


def differences_of_cell(study: Study, protocol: Protocol, size: int, method: str) -> list[ProtocolDifference]:
    """Return what differs for one size and method: budget, last batch, evaluations, Beta distribution."""
    value = next(cell.value for cell in study.cells if cell.size == size and cell.method == method)
    found: list[ProtocolDifference] = []
    if text := _budget_difference(value, protocol):
        found.append(ProtocolDifference(text, True))
    if value.recipe.last_batch != protocol.recipe.last_batch:
        text = f"recipe.last_batch {value.recipe.last_batch} instead of {protocol.recipe.last_batch}"
        found.append(ProtocolDifference(text, True))
    found += _evaluation_differences(value, protocol)
    published = protocol.method_that_mixes(value.method.mix)
    if published is None:
        found.append(ProtocolDifference(f"mix {value.method.mix}, which no published method does", True))
    elif value.method.beta != published.beta:
        found.append(ProtocolDifference(f"Beta{_show(value.method.beta)} instead of Beta{_show(published.beta)}", True))
    elif value.method.parameters:  # the published methods have none
        names = joined([name for name, _ in value.method.parameters])
        found.append(ProtocolDifference(f"the parameters {names}, which the published method does not have", True))
    return found


def differences_of_budgets(study: Study, protocol: Protocol) -> list[ProtocolDifference]:
    """Return what differs in how long each size is trained, one entry per size."""
    values = {cell.size: cell.value for cell in study.cells}
    texts = {size: _budget_difference(value, protocol) for size, value in values.items()}
    return [ProtocolDifference(f"{text} at {size:,} images", True) for size, text in texts.items() if text]


def sizes_with_the_whole_budget(study: Study, protocol: Protocol, largest_size: int) -> tuple[int, ...]:
    """Return the sizes up to `largest_size` that are trained for as many iterations as published, or for more."""
    values = {cell.size: cell.value for cell in study.cells if cell.size <= largest_size}
    return tuple(size for size, value in values.items() if value.iterations >= _published_iterations(value, protocol))


def differences_of_cells(study: Study, protocol: Protocol) -> list[ProtocolDifference]:
    """Return what differs for any size, of the methods that stand for the published ones; each says where it holds."""
    methods = _standing_for_published(study, protocol)
    places: dict[ProtocolDifference, list[tuple[int, str]]] = {}
    for size in study.sizes:
        for method in methods:
            for difference in differences_of_cell(study, protocol, size, method):
                places.setdefault(difference, []).append((size, method))
    found: list[ProtocolDifference] = []
    for difference, where in places.items():
        sizes = list(dict.fromkeys(size for size, _ in where))
        concerned = list(dict.fromkeys(method for _, method in where))
        text = difference.text
        if len(sizes) < len(study.sizes) or len(sizes) == 1:
            text += f" at {' and '.join(f'{size:,}' for size in sizes)} images"
        if len(concerned) < len(methods):
            text += f" ({' and '.join(concerned)})"
        found.append(ProtocolDifference(text, difference.decisive))
    return found


def told_once(
    study: Study, protocol: Protocol, label_checksums: tuple[str, ...] = ()
) -> tuple[list[ProtocolDifference], set[ProtocolDifference]]:
    """Return how the study differs, for one row of claims.csv, and all that this row tells; see `refer`."""
    of_study = differences_of_study(study, protocol, label_checksums)
    cells = {
        one
        for size in study.sizes
        for method in _standing_for_published(study, protocol)
        for one in differences_of_cell(study, protocol, size, method)
    }
    return [*of_study, *differences_of_cells(study, protocol)], {*of_study, *cells}


def explain(differences: Sequence[ProtocolDifference]) -> str:
    """Return the differences as one clause; empty where there are none."""
    return "differs from the article: " + ", ".join(one.text for one in differences) if differences else ""


def refer(differences: Iterable[ProtocolDifference], told: set[ProtocolDifference]) -> str:
    """Return the differences as one clause that leaves those that are `told` to the row that tells them."""
    listed = list(differences)
    untold = [one for one in listed if one not in told]
    if len(untold) == len(listed):
        return explain(untold)
    besides = "".join(f", {one.text}" for one in untold)
    return f"differs from the article's protocol {SEE_PROTOCOL}{'; besides' + besides if besides else ''}"


def _standing_for_published(study: Study, protocol: Protocol) -> list[str]:
    """Return the methods of the study that stand for published ones."""
    mixes = dict.fromkeys(method.mix for method in protocol.methods.values())
    return [name for mix in mixes if (name := method_as_published(study, mix, protocol)) is not None]


def _differences_of_images(study: Study, label_checksums: tuple[str, ...]) -> list[ProtocolDifference]:
    """Return what differs in the images and in how subsets are chosen from them.

    The head of the list is one draw of many: where each seed has a random draw of its own, the scatter over seeds
    covers that choice, and accuracies can be compared.
    """
    found = _differences_of_dataset(study, label_checksums)
    subsets = study.configuration["subsets"]
    if subsets["rule"] == "random" and subsets["redraw_per_seed"]:
        text = "subsets drawn at random for each seed instead of the head of the list"
        found.append(ProtocolDifference(text, False))
    elif subsets["rule"] != "head":
        text = f"subsets by the rule {subsets['rule']} instead of the head of the list"
        found.append(ProtocolDifference(text, True))
    return found


def _differences_of_dataset(study: Study, label_checksums: tuple[str, ...]) -> list[ProtocolDifference]:
    dataset = study.configuration["dataset"]
    if dataset["name"] == "cifar10":
        return []
    settings = own_images(dataset)
    if settings is None:
        return [ProtocolDifference(f"the images of {study.dataset} instead of CIFAR-10", True)]
    text = f"the images of {settings['title'] or study.dataset} instead of the original CIFAR-10"
    # A copy of CIFAR-10 in another format may be compared, with a note, where the study asks for it.
    is_copy = study.configuration["published"] is not None and label_checksums == CIFAR10_LABELS
    found = [ProtocolDifference(text, not is_copy)]
    if is_copy and (settings["image_size"], settings["color"]) != CIFAR10_SHAPE:
        shape = f"{settings['image_size']} x {settings['image_size']} pixels in {settings['color']}"
        found.append(ProtocolDifference(f"images of {shape} instead of 32 x 32 in rgb", True))
    return found


def _budget_difference(value: Cell, protocol: Protocol) -> str:
    unit, amount = protocol.budget_at(value.size)
    if (value.budget.unit, value.budget.amount) == (unit, amount):
        return ""
    return f"{value.budget.amount:,} {value.budget.unit} instead of {amount:,} {unit}"


def _evaluation_differences(value: Cell, protocol: Protocol) -> list[ProtocolDifference]:
    """Return what differs in how often the test images are evaluated: the best of 5 is no best of 300."""
    by_epoch = protocol.budget_at(value.size)[0] == "epochs"
    wanted = value.batches_per_epoch if by_epoch else protocol.iterations_between_evaluations
    at_end = value.evaluation.every_at_end
    if value.evaluation_interval == wanted and at_end is None:
        return []
    text = (
        f"test images read every {value.evaluation_interval:,} iterations"
        f"{'' if at_end is None else ' and more often in the last tenth'} instead of every {wanted:,}"
        f"{' (an epoch)' if by_epoch else ''}"
    )
    return [ProtocolDifference(text, True)]


def _published_iterations(value: Cell, protocol: Protocol) -> int:
    unit, amount = protocol.budget_at(value.size)
    return amount if unit == "iterations" else amount * value.batches_per_epoch


def _show(value: Any) -> str:
    return str(tuple(f"{item:g}" for item in value)).replace("'", "") if isinstance(value, tuple) else str(value)
