"""Rules between the sections of a configuration. The model runs them, on all keys that are sound by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

from smallmix.own_code import names_own_code
from smallmix.study.cell import parameters_of
from smallmix.study.config_errors import KeyPath, Problem, allowed, listed, show
from smallmix.study.iterations import EpochBatches
from smallmix.study.known_datasets import AUTOMATIC, KNOWN_DATASETS, LOCAL_FILES, fitting_crop_padding
from smallmix.study.layout import explain_overlap
from smallmix.study.method_forms import METHODS
from smallmix.study.model_schema import inner_schema, schema_at
from smallmix.study.network_forms import find_form
from smallmix.study.own_images import OWN_IMAGES
from smallmix.study.parameters import checked_parameters
from smallmix.study.published import find_published

MOST_CELLS = 200_000
# Images of up to so many pixels a side end in maps of one pixel, whose statistics a lone image cannot give.
SMALLEST_MAPS = 8
STAGES = "stages"  # the parameter of a method that mixes inside of a network: after which of its stages
LEAST_IMAGE_PER_BORDER = 4  # an image is at least so many times as wide as the border around it
WHAT_FOLDER = {
    "image-list": "the folder that holds train.csv, test.csv and the images",
    "image-folder": "the folder or the zip file that holds a folder for each class, or train/ and test/ with these",
}
WILDCARD = re.compile(r"\{[^{}]*\w.*\}")


class StatedConfiguration:
    """A configuration as it is stated, with the schema's defaults, of which only the sound parts are shown."""

    def __init__(self, value: Mapping[str, Any], schema: Mapping[str, Any], wrong: Set[KeyPath]) -> None:
        self._value = value
        self._schema = schema
        self._wrong = wrong

    def get(self, *path: str) -> Any:
        """Return the value of a key or its default; None where it, or something above or below it, is wrong."""
        value: Any = self._value
        schema: Mapping[str, Any] = self._schema
        for length, key in enumerate(path, start=1):
            if path[:length] in self._wrong or not isinstance(value, Mapping):
                return None
            schema = inner_schema(schema, key)
            value = value.get(key, schema.get("default"))
        return None if any(wrong[: len(path)] == path for wrong in self._wrong) else value

    def schema_of(self, *path: str) -> Mapping[str, Any]:
        """Return the schema of a key."""
        return schema_at(self._schema, path)

    def names(self, *path: str) -> list[str]:
        """Return the keys of a mapping that may have errors inside."""
        value = self.as_given(*path)
        return list(value) if isinstance(value, Mapping) else []

    def whole_numbers(self, *path: str) -> list[tuple[int, int]]:
        """Return position and value of the sound entries of a list of whole numbers."""
        value = self.as_given(*path)
        return [
            (position, item)
            for position, item in enumerate(value if isinstance(value, list) else [])
            if isinstance(item, int) and not isinstance(item, bool) and (*path, position) not in self._wrong
        ]

    def as_given(self, *path: str) -> Any:
        """Return what is given for a key, sound or not; None where nothing is."""
        value: Any = self._value
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value


def check_between_keys(stated: StatedConfiguration) -> list[Problem]:
    """Return all problems between sections. Each rule looks only at keys that are sound by themselves."""
    rules = (
        _check_dataset,
        _check_sizes,
        _check_validation,
        _check_methods,
        _check_augmentation,
        _check_stages,
        _check_budgets,
        _check_last_batch,
        _check_cell_count,
        _check_published,
        _check_braces,
    )
    return [problem for rule in rules for problem in rule(stated)]


def _check_dataset(stated: StatedConfiguration) -> Iterator[Problem]:
    name = stated.get("dataset", "name")
    if name in OWN_IMAGES and stated.get("dataset", name) is not None:
        path = ("dataset", name, "folder")
        folder = stated.get(*path)
        if folder is None:
            yield Problem(path, f"is missing; dataset.name is {name}, so give {WHAT_FOLDER[name]}")
        else:
            overlap = explain_overlap(folder, stated.get("dataset", name, "identifier"))
            if overlap:
                yield Problem(path, f"found {show(folder)}; {overlap}")
    if isinstance(name, str) and name in LOCAL_FILES and stated.get("dataset", name) is not None:
        local = LOCAL_FILES[name]
        if not stated.get("dataset", name, "sources") and stated.get("dataset", name, local) is None:
            a_local = "an archive" if local == "archive" else "a folder"
            text = f"is empty while dataset.{name}.{local} is null; give an address here or {a_local} there"
            yield Problem(("dataset", name, "sources"), text)


def _check_sizes(stated: StatedConfiguration) -> Iterator[Problem]:
    for position, size in stated.whole_numbers("subsets", "sizes"):
        if size == 1:
            yield Problem(
                ("subsets", "sizes", position), "found 1; allowed: at least 2, as one image shows one class only"
            )
    name = stated.get("dataset", "name")
    known = KNOWN_DATASETS.get(name) if isinstance(name, str) else None
    if known is None:
        return
    for position, size in stated.whole_numbers("subsets", "sizes"):
        path = ("subsets", "sizes", position)
        if size > known.train_count:
            yield Problem(path, f"found {size}; allowed: at most {known.train_count}, the training images of {name}")
        elif stated.get("subsets", "rule") == "balanced" and 1 < size < known.classes:
            text = f"found {size}; allowed with the rule balanced: at least {known.classes}, one image of every class"
            yield Problem(path, text)


def _check_validation(stated: StatedConfiguration) -> Iterator[Problem]:
    """Refuse more validation images than the largest subset leaves, as far as the data set's size is known.

    Where each seed draws a subset of its own, together they leave fewer; the draw itself knows how many.
    """
    path = ("evaluation", "validation_images")
    images = stated.get(*path)
    if images is None:
        return
    if images == 0 and stated.get("selection") == "validation":
        text = (
            "found validation; there are no validation images to choose on. Write evaluation: {validation_images: N} "
            "with their number, or another selection"
        )
        yield Problem(("selection",), text)
    name, sizes = stated.get("dataset", "name"), [size for _, size in stated.whole_numbers("subsets", "sizes")]
    known = KNOWN_DATASETS.get(name) if isinstance(name, str) else None
    if known is None or not sizes or images == 0:
        return
    left = max(0, known.train_count - max(sizes))
    if images > left:
        text = (
            f"found {images}; the largest of subsets.sizes, {max(sizes)}, leaves {left} of the {known.train_count} "
            f"training images of {name} unused: allowed: at most {left}. Remove that size, or write a smaller number"
        )
        yield Problem(path, text)


def _check_methods(stated: StatedConfiguration) -> Iterator[Problem]:
    meanings: dict[tuple[Any, ...], str] = {}
    for name in stated.names("methods"):
        if stated.get("methods", name) is None:
            continue
        meaning = _meaning(stated, name)
        if meaning in meanings:
            text = (
                f"means the same as methods.{meanings[meaning]}, so both would be one training counted twice; "
                f"delete one (in an overlay: {name}: ~) or change its mix, beta or parameters"
            )
            yield Problem(("methods", name), text)
        meanings.setdefault(meaning, name)


def _meaning(stated: StatedConfiguration, name: str) -> tuple[Any, ...]:
    """Return what decides a method's trainings: a parameter that is left out is its default."""
    mix, beta, given = (stated.get("methods", name, key) for key in ("mix", "beta", "parameters"))
    parameters = None if given is None else parameters_of(checked_parameters(METHODS.get(mix), given))
    return mix, tuple(beta or ()), parameters


def _check_augmentation(stated: StatedConfiguration) -> Iterator[Problem]:
    """Refuse a border that pushes too much of an image out of the crop."""
    padding, image_size = stated.get("recipe", "augmentation", "crop_padding"), _image_size(stated)
    if padding in (None, AUTOMATIC) or image_size is None:
        return
    if padding > image_size // LEAST_IMAGE_PER_BORDER:
        text = (
            f"found {padding}; allowed: at most {image_size // LEAST_IMAGE_PER_BORDER}, a quarter of the images' "
            f"{image_size} pixels, because a wider border pushes too much of an image out of the crop. "
            f"Write recipe: {{augmentation: {{crop_padding: {AUTOMATIC}}}}}, here {fitting_crop_padding(image_size)}"
        )
        yield Problem(("recipe", "augmentation", "crop_padding"), text)


def _check_stages(stated: StatedConfiguration) -> Iterator[Problem]:
    """Refuse a method that mixes inside of a network at stages that the network does not have."""
    network = stated.get("model", "name")
    # How many stages a user's network has is known once it is built.
    stages = None if network is None or names_own_code(network) else find_form(network)
    for name in stated.names("methods"):
        mix, given = stated.get("methods", name, "mix"), stated.get("methods", name, "parameters")
        form = METHODS.get(mix) if isinstance(mix, str) else None
        if stages is None or form is None or given is None or STAGES not in form.parameters.model_fields:
            continue
        wanted = given.get(STAGES, form.parameters.model_fields[STAGES].get_default(call_default_factory=True))
        if max(wanted, default=0) > stages.stages:
            has = f"has the stages 1 to {stages.stages}" if stages.stages else "has no stages"
            text = (
                f"mix {mix} wants the stages {listed(wanted)} of the network, and {network} {has}. Take other stages, "
                "or a network such as preact-resnet18"
            )
            yield Problem(("methods", name, "parameters"), text)


def _check_budgets(stated: StatedConfiguration) -> Iterator[Problem]:
    sizes = stated.get("subsets", "sizes")
    if isinstance(stated.as_given("budgets"), Mapping) and "default" not in stated.names("budgets"):
        yield Problem(("budgets", "default"), f"is missing; give {allowed(stated.schema_of('budgets', 'default'))}")
    for key in stated.names("budgets"):
        given = isinstance(stated.as_given("budgets", key), Mapping)
        if given and sizes is not None and key.isdecimal() and int(key) not in sizes:
            text = (
                f"is a budget for a size that is not in subsets.sizes ({listed(sizes)}); delete it "
                f"(in an overlay: {key}: ~) or add the size"
            )
            yield Problem(("budgets", key), text)


def _check_last_batch(stated: StatedConfiguration) -> Iterator[Problem]:
    batch_size, rule = stated.get("recipe", "batch_size"), stated.get("recipe", "last_batch")
    if batch_size is None or rule is None:
        return
    image_size = _image_size(stated)
    for position, size in stated.whole_numbers("subsets", "sizes"):
        batches = EpochBatches.of(max(size, 1), batch_size, rule)
        alone = batches.count == 1
        # Where a lone image is the whole subset, the last maps of larger images still have several pixels.
        if batches.smallest != 1 or (alone and (image_size is None or image_size > SMALLEST_MAPS)):
            continue
        if alone:
            remedy = "Take another size"
        elif rule == "keep" and EpochBatches.of(size, batch_size, "even").smallest > 1:
            remedy = "Write recipe.last_batch: even or drop, or take another size or recipe.batch_size"
        else:
            remedy = "Write recipe.last_batch: drop, or take another size or recipe.batch_size"
        text = (
            f"found {size}; with recipe.batch_size {batch_size} and recipe.last_batch {rule} a batch would hold a "
            f"single image, and batch normalisation needs several. {remedy}"
        )
        yield Problem(("subsets", "sizes", position), text)


def _check_cell_count(stated: StatedConfiguration) -> Iterator[Problem]:
    sizes, methods, seeds = stated.get("subsets", "sizes"), stated.names("methods"), stated.get("seeds")
    if sizes is not None and seeds is not None and len(sizes) * len(methods) * len(seeds) > MOST_CELLS:
        count = len(sizes) * len(methods) * len(seeds)
        text = (
            f"{len(sizes)} sizes x {len(methods)} methods x {len(seeds)} seeds are {count:,} trainings; "
            f"allowed: at most {MOST_CELLS:,}. Take fewer seeds, or split the study"
        )
        yield Problem(("seeds",), text)


def _check_published(stated: StatedConfiguration) -> Iterator[Problem]:
    published = stated.get("published")
    if published is not None and not find_published(published).is_file():
        text = (
            f"there is no file {show(published)} (seen from the current folder); mend the path, or write null for none"
        )
        yield Problem(("published",), text)


def _check_braces(stated: StatedConfiguration) -> Iterator[Problem]:
    """Refuse {word} in the path of an input: Snakemake takes it for a wildcard, and there is no way to write it."""
    for path in (*(("dataset", name, "folder") for name in OWN_IMAGES), ("published",)):
        value = stated.get(*path)
        if isinstance(value, str) and WILDCARD.search(value):
            text = f"found {show(value)}; a path with braces cannot be an input of a step. Rename it, or give a link"
            yield Problem(path, text)


def _image_size(stated: StatedConfiguration) -> int | None:
    name = stated.get("dataset", "name")
    if name in OWN_IMAGES:
        size: int | None = stated.get("dataset", name, "image_size")
        return size
    return KNOWN_DATASETS[name].image_size if name in KNOWN_DATASETS else None
