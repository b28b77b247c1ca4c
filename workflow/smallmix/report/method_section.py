"""The section of methods: how each number was obtained, and where this study departs from the article."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallmix.datasets.description import DatasetDescription
from smallmix.own_code import names_own_code, own_file, own_name
from smallmix.report.own_parameters import own_parameters
from smallmix.science.early_loss import alarming_loss
from smallmix.statistics.few_seeds import interval_width, two_seeds_sentence
from smallmix.statistics.protocol import differences_of_cell, differences_of_study
from smallmix.statistics.study_results import label_checksums
from smallmix.study.cell import WEIGHTS_SHA256, Cell, ModelValue, RecipeValue
from smallmix.study.network_forms import NETWORKS, is_of_torchvision
from smallmix.study.published import SELECTION_OF, article_protocol
from smallmix.study.study import Study, cell_id
from smallmix.tables.study_tables import FEWEST_FOR_AN_INTERVAL, StudyTables
from smallmix.wording import count_of, joined, selection_name, visible_text

# Where no data set is at hand to count them.
DEFAULT_CLASSES = 10
# What a method does, by its mix.
MIX_MEANINGS: Mapping[str, str] = {
    "none": "nothing is mixed",
    "images": "images are mixed, the label of the first is kept",
    "images-and-labels": "images and labels are mixed as in mixup",
    "images-per-image": "images are mixed one by one, the label of the first is kept",
    "images-and-labels-per-image": "images and labels are mixed one by one",
    "cutmix": "a box of the second image is pasted into the first, and labels are mixed by its area",
    "manifold-mixup": "images, or features inside the network, are mixed, and labels with the same weight",
    "label-smoothing": "nothing is mixed, a part of each label is spread over all classes",
    "cutout": "nothing is mixed, a square of each image is blanked",
    "random-erasing": "nothing is mixed, a rectangle of some images is blanked",
}
ONE_BY_ONE = ("images-per-image", "images-and-labels-per-image")  # what draws a weight for each image


# How a run's accuracy was selected, by the declared selection. The best, the article's rule, has a sentence of its own.
SELECTED: Mapping[str, str] = {
    "last": "Accuracies are those at the end of a run unless a table says otherwise; no result chose the moment.",
    "last_tenth": "Accuracies are the median of the evaluations in the last tenth of a run unless a table says "
    "otherwise; no result chose them.",
    "validation": "Accuracies are test accuracies at the best validation accuracy of a run, the first of equals, "
    "unless a table says otherwise; the moment is not chosen on the test images.",
}


def compose_protocol(tables: StudyTables) -> list[tuple[str, str]]:
    """Return (what, how) for everything that decides a number."""
    study, cell = tables.study, tables.study.cells[0].value
    dataset = tables.dataset
    return [
        ("Selection", _selection(tables)),
        ("Seeds", _seeds(tables)),
        ("Images", f"{tables.dataset_title}{_counts(dataset)}.{_decoding(dataset)} {_normalisation(tables)}"),
        ("Subsets", _subsets(cell, study.redraws_subsets)),
        *_validation_images(study),
        ("Methods", describe_methods(study)),
        ("Network", describe_network(cell.model)),
        ("Training", f"Stochastic gradient descent, {describe_training(cell)}.{_mirrored(study)}"),
        ("Last batch", _last_batch(study)),
        *_early_losses(tables),
        ("Budget", describe_budgets(tables)),
        ("Evaluation", _evaluations(tables)),
        ("Intervals", _intervals(tables)),
    ]  # fmt: skip


def _intervals(tables: StudyTables) -> str:
    """Say what the intervals are, what they cover, and how wide those of few seeds are."""
    seeds = len(tables.study.seeds)
    sentences = (
        "Student's t, 95 %, over seeds.",
        two_seeds_sentence() if 1 < seeds < FEWEST_FOR_AN_INTERVAL else interval_width([seeds]),
        "They do not cover the choice of the test images.",
        "Differences are paired by seed: methods share subset, initial weights, batch order, crops, flips and "
        "partners.",
    )
    return " ".join(filter(None, sentences))


def compose_deviations(tables: StudyTables) -> list[tuple[str, bool]]:
    """Return what differs from the article's protocol as sentences, each with whether it makes numbers incomparable.

    Differences of single sizes or methods name where they hold; empty where the study follows the article throughout.
    """
    study = tables.study
    protocol = article_protocol() if tables.published is None else tables.published.protocol
    general = differences_of_study(study, protocol, label_checksums(tables.dataset))
    found = [(one.text, one.decisive) for one in general]
    places: dict[tuple[str, bool], list[tuple[int, str]]] = {}
    for size in study.sizes:
        for method in study.methods:
            for one in differences_of_cell(study, protocol, size, method):
                places.setdefault((one.text, one.decisive), []).append((size, method))
    for (text, decisive), where in places.items():
        found.append((f"{text} ({_where(tables, where)})", decisive))
    return found


def _where(tables: StudyTables, places: list[tuple[int, str]]) -> str:
    sizes = list(dict.fromkeys(size for size, _ in places))
    methods = list(dict.fromkeys(method for _, method in places))
    at = "every size" if len(sizes) == len(tables.study.sizes) else joined([f"{size:,}" for size in sizes]) + " images"
    if len(sizes) == 1 or len(methods) == len(tables.study.methods):
        return at
    return f"{at}, {joined(methods)}"


def describe_methods(study: Study) -> str:
    """Say what each method of a study does, by its name."""
    files = {cell.method: cell.value.method.file for cell in study.cells}
    meanings = study.configuration["methods"].items()
    return "; ".join(f"{name}: {method_meaning(meaning, files.get(name))}" for name, meaning in meanings) + "."


def method_meaning(meaning: dict[str, Any], file: str | None = None) -> str:
    """Say what a method does, from its keys. `file` is the path of the user's file, where the method lies in one.

    Of a method of the user's own, parameters at the class's own values are said as well.
    """
    mix, stated = meaning["mix"], dict(meaning.get("parameters") or {})
    words = MIX_MEANINGS.get(mix, f"mix {mix}, which this page cannot describe")
    if names_own_code(mix):
        words = f"what the class {own_name(mix)} of the file {Path(own_file(mix)).name} does"
    if meaning.get("beta"):
        first, second = meaning["beta"]
        when = "" if names_own_code(mix) else " once per image" if mix in ONE_BY_ONE else " once per batch"
        words += f", λ drawn from Beta({first:g}, {second:g}){when}"
    if not names_own_code(mix):
        return ", ".join([words, *_with_values(stated)])
    beta = {"beta": tuple(meaning["beta"])} if meaning.get("beta") else {}
    values = own_parameters(mix, file, {**beta, **stated})
    if values is None:
        return ", ".join([words, *_with_values(stated), "further parameters as that file has them"])
    return ", ".join([words, *_with_values({name: value for name, value in values.items() if name not in beta})])


def _with_values(parameters: Mapping[str, Any]) -> list[str]:
    return [f"{name} {_parameter(value)}" for name, value in parameters.items()]


def _parameter(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_parameter, value))}]"
    return f"{value:g}" if isinstance(value, float) else visible_text(value)


def declared_selection(tables: StudyTables) -> str:
    """Say in a sentence which selection the study declares."""
    return (
        f"This study declares the {selection_name(tables.study.selection)}: its answer, its tables and its figures go "
        "by that accuracy unless they say otherwise."
    )


def _selection(tables: StudyTables) -> str:
    study = tables.study
    if study.selection == "best":
        chosen = ": the article's rule, chosen" if tables.published else ", chosen"
        rule = f"Accuracies are the best evaluation of a run unless a table says otherwise{chosen} on the test images."
        beside = "Last and last-tenth-median accuracies of the same runs stand beside it."
        if study.validation_images:
            beside += " So do accuracies at the best validation accuracy."
    else:
        rule, beside = SELECTED[study.selection], "Accuracies by the other rules stand beside it."
        if tables.published:
            source = selection_name(SELECTION_OF[tables.published.selection])
            beside += f" Published numbers and claims are judged by the source's own rule, the {source}."
    return f"{rule} {beside} {_choices(tables)}"


def _validation_images(study: Study) -> list[tuple[str, str]]:
    """Say how the validation images were drawn, where the study has any."""
    draw = study.validation_draw
    if draw is None:
        return []
    text = (
        f"{draw.images:,} training images that no subset of the study uses, drawn once for all runs (draw seed "
        f"{draw.seed}). Each class has its share of the unused images. Nothing is trained on them. They are evaluated "
        "at the same moments as the test images."
    )
    return [("Validation images", text)]


def _choices(tables: StudyTables) -> str:
    """Say what is chosen on the test images beside the moment: validation images choose the moment alone."""
    held = "No images are held out for choosing"
    if tables.study.validation_images:
        chooses = tables.study.selection == "validation"
        held = f"On the validation images {'the moment of a run is chosen' if chooses else 'nothing is chosen'}"
    mixes = [meaning["mix"] for meaning in tables.study.configuration["methods"].values()]
    if any(mixes.count(mix) > 1 for mix in mixes):
        return (
            f"{held}: whoever picks the best of several distributions here picks it on the test images, and its gain "
            "is a little too high."
        )
    return f"{held}, and nothing else was chosen by a result."


def _normalisation(tables: StudyTables) -> str:
    images = "all training images" if tables.dataset is None else f"all {tables.dataset.train_count:,} training images"
    return f"Pixels are normalised by mean and deviation per channel of {images}, also where a subset is smaller."


def _seeds(tables: StudyTables) -> str:
    seeds = tables.study.seeds
    if len(seeds) == 1:
        return f"One seed ({seeds[0]}): no intervals."
    return f"{count_of(len(seeds), 'seed')} ({', '.join(map(str, seeds))}); means over the seeds that are finished."


def _counts(dataset: DatasetDescription | None) -> str:
    """Say how many images there are, of which form and in how many classes."""
    if dataset is None:
        return ""
    height, width, channels = dataset.image_shape
    return (
        f": {dataset.train_count:,} training and {dataset.test_count:,} test images in "
        f"{count_of(len(dataset.classes), 'class', 'classes')}, of {height} × {width} pixels, "  # noqa: RUF001
        f"{'grey' if channels == 1 else 'in colour'}"
    )


def _decoding(dataset: DatasetDescription | None) -> str:
    """Say how foreign image files became pixels and which of them are tested, where they were some."""
    source: Mapping[str, str] = {} if dataset is None else dataset.source
    decoding, split = source.get("decoding"), source.get("split")
    if not decoding:
        return ""
    return f" Brought to one form: {decoding}." + (f" Division: {split}." if split else "")


def _rule(cell: Cell) -> str:
    return {
        "head": "the first images of the training list",
        "balanced": "equally many images of each class, drawn at random",
        "random": "drawn at random",
    }[cell.subset.rule]


def _subsets(cell: Cell, redrawn: bool) -> str:
    drawn = "" if cell.subset.rule == "head" else ", anew for each seed" if redrawn else ", one draw for all seeds"
    return f"Training images: {_rule(cell)}{drawn}."


def describe_network(model: ModelValue) -> str:
    """Say which network is trained, by all that decides it."""
    parts = [model.name]
    if model.width:
        parts.append(f"width {model.width}")
    if model.blocks:
        parts.append(f"blocks {', '.join(map(str, model.blocks))}")
    parameters = dict(model.parameters)
    if is_of_torchvision(model.name):
        sha256, image_size = parameters.pop(WEIGHTS_SHA256), parameters.pop("image_size")
        parts.append(f"images brought to {image_size} x {image_size} pixels" if image_size else "images as they are")
        parts.append(f"beginning with the weights of a file of sha256 {sha256}" if sha256 else "weights drawn by seed")
    parts += [f"{name.replace('_', ' ')} {_plain(value)}" for name, value in parameters.items()]
    form = NETWORKS.get(model.name)
    return f"{', '.join(parts)}{f': {form.summary}' if form else ''}."


def _plain(value: Any) -> str:
    return ", ".join(map(_plain, value)) if isinstance(value, tuple) else str(value)


def describe_training(cell: Cell) -> str:
    """Say how a network is optimised, and what is done to the images before a method does its part."""
    recipe = cell.recipe
    return (
        f"batches of {recipe.batch_size}, learning rate {_schedule(recipe)}, {_momentum(recipe)}, "
        f"{_weight_decay(recipe)}; {_augmentation(cell)}"
    )


def _schedule(recipe: RecipeValue) -> str:
    rate = f"{recipe.learning_rate:g}"
    if recipe.schedule == "cosine":
        rate += " falling to 0 along half a cosine (Loshchilov and Hutter 2017)"
    else:
        rate += f", multiplied by {recipe.decay_factor:g} at {_fractions(recipe.decay_at)} of the budget"
    if recipe.warm_up:
        rate += f" after a linear warm-up of {100 * recipe.warm_up:g} % of the budget (Goyal et al. 2017)"
    return rate


def _momentum(recipe: RecipeValue) -> str:
    return f"{'Nesterov ' if recipe.nesterov else ''}momentum {recipe.momentum:g}"


def _weight_decay(recipe: RecipeValue) -> str:
    decay = f"weight decay {recipe.weight_decay:g}"
    if recipe.decay_normalization:
        return decay
    return f"{decay} without normalisation layers and biases (He et al. 2019)"


def _fractions(fractions: tuple[float, ...]) -> str:
    return joined([f"{100 * fraction:g} %" for fraction in fractions]) or "no point"


def _augmentation(cell: Cell) -> str:
    crop = (
        f"crops after a border of {count_of(cell.recipe.crop_padding, 'pixel')}"
        if cell.recipe.crop_padding
        else "no crops"
    )
    return f"{crop}, {'horizontal flips' if cell.recipe.flip else 'no flips'}"


def _mirrored(study: Study) -> str:
    """Say that flips turn what images show into something else, where they do."""
    if not study.mirrors_what_it_should_not:
        return ""
    return " Warning: a mirrored digit is another digit or none, so the flips can cost accuracy with every method."


def _last_batch(study: Study) -> str:
    """Say what becomes of an epoch's remainder, with a warning where it is small."""
    rule = {
        "keep": "The images that are left over in an epoch make a smaller last batch.",
        "drop": "The images that are left over in an epoch are left out of it; they change with the order.",
        "even": "An epoch is cut into batches whose sizes differ by one image at most.",
    }[study.configuration["recipe"].get("last_batch", "keep")]
    small = [f"{last} at {size:,} images" for size, last in study.small_remainders.items()]
    if not small:
        return rule
    return (
        f"{rule} Warning: that batch is smaller than an eighth of a batch at {count_of(len(small), 'size')} (it holds "
        f"{joined(small)}). Steps on the statistics of so few images can cost many points."
    )


def _early_losses(tables: StudyTables) -> list[tuple[str, str]]:
    """Return the largest training loss of the runs' first steps; a warning where it is out of all bounds."""
    runs = tables.metrics.dropna(subset=["largest_early_loss"])
    if runs.empty:
        return []
    worst = max(runs.to_dict("records"), key=lambda run: float(run["largest_early_loss"]))
    worst_cell = cell_id(int(worst["size"]), str(worst["method"]), int(worst["seed"]))
    at = (
        f"{worst['largest_early_loss']:.4g} at iteration {int(worst['largest_early_loss_iteration']):,} of {worst_cell}"
    )
    text = f"The largest training loss of a single step, of each run's first tenth or first 100 steps, is {at}."
    warning = early_loss_warning(tables)
    return [("First steps", f"{text} Warning: {warning}" if warning else text)]


def early_loss_warning(tables: StudyTables) -> str | None:
    """Say how many runs began with a loss above ten times that of guessing; None where none did."""
    limit = alarming_loss(max(2, len(tables.classes) or DEFAULT_CLASSES))
    above = int((tables.metrics["largest_early_loss"] > limit).sum())
    if not above:
        return None
    return (
        f"{count_of(above, 'run')} of {len(tables.metrics):,} began with a training loss above {limit:.3g}, ten times "
        "the loss of guessing. Such a training began to diverge, and its accuracy may be far too low."
    )


def describe_budgets(tables: StudyTables) -> str:
    """Say how long trainings of each size are."""
    by_budget: dict[str, list[int]] = {}
    for cell in tables.study.cells:
        budget = cell.value.budget
        sizes = by_budget.setdefault(count_of(budget.amount, budget.unit.removesuffix("s")), [])
        if cell.size not in sizes:
            sizes.append(cell.size)
    if len(by_budget) == 1:
        return f"{next(iter(by_budget))} at every size."
    parts = [f"{budget} at {joined([f'{size:,}' for size in sizes])}" for budget, sizes in by_budget.items()]
    return "; ".join(parts) + " images."


def _evaluations(tables: StudyTables) -> str:
    rules, late = [], set()
    for cell in tables.study.cells:
        evaluation = cell.value.evaluation
        rule = _every(evaluation.every, evaluation.unit)
        if evaluation.every_at_end is not None:
            rule += f" ({_every(evaluation.every_at_end, evaluation.unit)} in the last tenth of the budget)"
        if rule not in rules:
            rules.append(rule)
        late.add(cell.value.evaluation_moments.count_in_last_tenth)
    counts = f"{min(late)} to {max(late)} evaluations" if len(late) > 1 else count_of(max(late), "evaluation")
    limit = tables.study.cells[0].value.evaluation.clean_train_limit
    return (
        f"Test images are evaluated {joined(rules)}, and at the end; at the same moments up to {limit:,} unmixed, "
        f"unaugmented training images. The last tenth of the budget holds {counts}, whose median is the accuracy that "
        "was not chosen by a result."
    )


def _every(count: int, unit: str) -> str:
    return f"every {count_of(count, unit.removesuffix('s'))}".replace("every 1 ", "every ")
