"""In what a study differs from the article's protocol, as sentences. A number is compared only under the same protocol.

The protocol is the article's, with what it leaves open as this project reads it (workflow/published/article.yaml,
`readings`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from smallmix.statistics.study_results import StudyResults
from smallmix.study.cell import Cell, Mix
from smallmix.study.method_roles import methods_with
from smallmix.study.study import Study

# sha256 of train_labels.npy and test_labels.npy (int64, format 1.0) with CIFAR-10's labels in their canonical order.
# Ten names of classes are no proof: other sets of images have the same ones.
CIFAR10_LABELS = (
    "9dfee6f275bac0f14e63de8d1091cd1f4487a16d30c6d8726f61d1b8f999c745",
    "fc48d9ecfdbeacce2dacf004498170f2df12e75e3485475017d2663b587a92f3",
)
CIFAR10_SHAPE = (32, "rgb")
NETWORK = "preact-resnet18"
# The article may have used the mixup repository's network as well: its numbers are compared, with a note.
COMPARABLE_NETWORKS = ("preact-resnet18-mixup",)
WIDTH = 64
BLOCKS = (2, 2, 2, 2)
RECIPE: dict[str, Any] = {
    "batch_size": 128,
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 0.0001,
    "decay_at": (0.33, 0.66),
    "decay_factor": 0.1,
    "crop_padding": 4,
    "flip": True,
}
LAST_BATCH = "keep"
BUDGETS = {500: ("iterations", 117000), 250: ("iterations", 117000), 100: ("iterations", 40000)}
DEFAULT_BUDGET = ("epochs", 100)
ITERATIONS_BETWEEN_READINGS = 390  # where the budget is in iterations; else the test images are read after each epoch
BETA: dict[Mix, tuple[float, float] | None] = {
    "none": None,
    "images": (2.0, 1.0),
    "images-and-labels": (1.0, 1.0),
}


@dataclass(frozen=True)
class Difference:
    """One difference from the article's protocol; a decisive one makes numbers incomparable."""

    text: str
    decisive: bool


def differences_from_article(results: StudyResults) -> list[Difference]:
    """What differs for every cell of the study: images, their selection, network, recipe, seeds."""
    study = results.study
    value = study.cells[0].value if study.cells else None
    found = differences_of_images(results)
    if value is not None:
        if value.model.name != NETWORK:
            text = f"the network {value.model.name} instead of {NETWORK}"
            found.append(Difference(text, value.model.name not in COMPARABLE_NETWORKS))
        if value.model.width != WIDTH:
            found.append(Difference(f"width {value.model.width} instead of {WIDTH}", True))
        if value.model.blocks != BLOCKS:
            found.append(Difference(f"blocks {list(value.model.blocks)} instead of {list(BLOCKS)}", True))
        for key, wanted in RECIPE.items():
            if getattr(value.recipe, key) != wanted:
                text = f"recipe.{key} {_show(getattr(value.recipe, key))} instead of {_show(wanted)}"
                found.append(Difference(text, True))
        if value.recipe.precision != "fp32":
            found.append(Difference(f"precision {value.recipe.precision} instead of fp32", False))
    if len(study.seeds) > 1:
        found.append(Difference(f"{len(study.seeds)} seeds instead of one", False))
    return found


def differences_of_images(results: StudyResults) -> list[Difference]:
    """What differs in the images and in how subsets are chosen from them.

    The head of the list is one draw of many: where each seed has a random draw of its own, the scatter over seeds
    covers that choice, and accuracies can be compared.
    """
    found = _dataset_differences(results)
    subsets = results.study.configuration["subsets"]
    if subsets["rule"] == "random" and subsets["redraw_per_seed"]:
        found.append(Difference("subsets drawn at random for each seed instead of the head of the list", False))
    elif subsets["rule"] != "head":
        found.append(Difference(f"subsets by the rule {subsets['rule']} instead of the head of the list", True))
    return found


def differences_of_class_counts(results: StudyResults) -> list[Difference]:
    """What keeps the published numbers of images by class, which are those of the head of the list, from being ours."""
    found = _dataset_differences(results)
    rule = results.study.configuration["subsets"]["rule"]
    if rule != "head":
        found.append(Difference(f"subsets by the rule {rule} instead of the head of the list", True))
    return found


def differences_of_cell(study: Study, size: int, method: str) -> list[Difference]:
    """What differs for one size and method: the budget, the last batch, the readings, the Beta distribution."""
    value = next(cell.value for cell in study.cells if cell.size == size and cell.method == method)
    found: list[Difference] = []
    unit, amount = BUDGETS.get(size, DEFAULT_BUDGET)
    if (value.budget.unit, value.budget.amount) != (unit, amount):
        text = f"{value.budget.amount:,} {value.budget.unit} instead of {amount:,} {unit}"
        found.append(Difference(text, True))
    if value.recipe.last_batch != LAST_BATCH:
        found.append(Difference(f"recipe.last_batch {value.recipe.last_batch} instead of {LAST_BATCH}", True))
    found += _reading_differences(value)
    beta = BETA[value.method.mix]
    if value.method.beta != beta:
        found.append(Difference(f"Beta{_show(value.method.beta)} instead of Beta{_show(beta)}", True))
    return found


def differences_of_budgets(study: Study) -> list[Difference]:
    """What differs in how long each size is trained, one entry a size."""
    values = {cell.size: cell.value for cell in study.cells}
    found: list[Difference] = []
    for size, value in values.items():
        unit, amount = BUDGETS.get(size, DEFAULT_BUDGET)
        if (value.budget.unit, value.budget.amount) != (unit, amount):
            budget = f"{value.budget.amount:,} {value.budget.unit}"
            found.append(Difference(f"{budget} instead of {amount:,} {unit} at {size:,} images", True))
    return found


def sizes_with_the_whole_budget(study: Study, largest_size: int) -> tuple[int, ...]:
    """The sizes up to `largest_size` that are trained for as many iterations as in the article, or for more."""
    values = {cell.size: cell.value for cell in study.cells if cell.size <= largest_size}
    return tuple(size for size, value in values.items() if value.iterations >= _article_iterations(value))


def article_method(study: Study, mix: Mix) -> str | None:
    """The study's method that mixes this: with the article's distribution if there is one, else the first; or None."""
    candidates = methods_with(study, mix)
    exact = [one for one in candidates if _beta(study, one) == BETA[mix]]
    return next(iter([*exact, *candidates]), None)


def differences_of_cells(study: Study) -> list[Difference]:
    """What differs for any size, of the methods that stand for the article's; each says where it holds."""
    methods = [name for mix in BETA if (name := article_method(study, mix)) is not None]
    places: dict[Difference, list[tuple[int, str]]] = {}
    for size in study.sizes:
        for method in methods:
            for one in differences_of_cell(study, size, method):
                places.setdefault(one, []).append((size, method))
    found: list[Difference] = []
    for one, where in places.items():
        sizes = list(dict.fromkeys(size for size, _ in where))
        concerned = list(dict.fromkeys(method for _, method in where))
        text = one.text
        if len(sizes) < len(study.sizes) or len(sizes) == 1:
            text += f" at {' and '.join(f'{size:,}' for size in sizes)} images"
        if len(concerned) < len(methods):
            text += f" ({' and '.join(concerned)})"
        found.append(Difference(text, one.decisive))
    return found


def explain(differences: list[Difference]) -> str:
    """The differences as one clause; empty where there are none."""
    return "differs from the article: " + ", ".join(one.text for one in differences) if differences else ""


def _reading_differences(value: Cell) -> list[Difference]:
    """The best of 5 readings and the best of 300 are different numbers of one training."""
    by_epoch = BUDGETS.get(value.size, DEFAULT_BUDGET)[0] == "epochs"
    wanted = value.batches_per_epoch if by_epoch else ITERATIONS_BETWEEN_READINGS
    at_end = value.evaluation.every_at_end
    if value.evaluation_interval == wanted and at_end is None:
        return []
    text = (
        f"test images read every {value.evaluation_interval:,} iterations"
        f"{'' if at_end is None else ' and more often in the last tenth'} instead of every {wanted:,}"
        f"{' (an epoch)' if by_epoch else ''}"
    )
    return [Difference(text, True)]


def _dataset_differences(results: StudyResults) -> list[Difference]:
    study = results.study
    dataset = study.configuration["dataset"]
    if dataset["name"] == "cifar10":
        return []
    if dataset["name"] != "image-list":
        return [Difference(f"the images of {study.dataset} instead of CIFAR-10", True)]
    settings = dataset["image-list"]
    text = f"the images of {settings['title'] or study.dataset} instead of the original CIFAR-10"
    # A copy of CIFAR-10 in another format may be compared, with a note, where the study asks for it.
    is_copy = study.configuration["published"] is not None and results.label_checksums == CIFAR10_LABELS
    found = [Difference(text, not is_copy)]
    if is_copy and (settings["image_size"], settings["color"]) != CIFAR10_SHAPE:
        shape = f"{settings['image_size']} x {settings['image_size']} pixels in {settings['color']}"
        found.append(Difference(f"images of {shape} instead of 32 x 32 in rgb", True))
    return found


def _beta(study: Study, method: str) -> tuple[float, ...] | None:
    beta = study.configuration["methods"][method].get("beta")
    return None if beta is None else tuple(float(value) for value in beta)


def _article_iterations(value: Cell) -> int:
    unit, amount = BUDGETS.get(value.size, DEFAULT_BUDGET)
    return amount if unit == "iterations" else amount * value.batches_per_epoch


def _show(value: Any) -> str:
    return str(tuple(f"{item:g}" for item in value)).replace("'", "") if isinstance(value, tuple) else str(value)
