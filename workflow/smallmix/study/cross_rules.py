"""Rules between keys, which a schema cannot state. Each looks only at keys that are sound by themselves."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from smallmix.study.epoch_batches import EpochBatches
from smallmix.study.faults import Fault, KeyPath, listed, show
from smallmix.study.own_folders import RESERVED_IDENTIFIERS, RESERVED_STUDIES, explain_overlap
from smallmix.study.published import find_published

MOST_CELLS = 200_000
# Images of up to so many pixels a side end in maps of one pixel, whose statistics a lone image cannot give.
SMALLEST_MAPS = 8
LEAST_IMAGE_PER_BORDER = 4  # an image is at least so many times as wide as the border around it
WILDCARD = re.compile(r"\{[^{}]*\w.*\}")


@dataclass(frozen=True)
class KnownDataset:
    """What is known of a data set before it is there."""

    train_count: int
    classes: int
    image_size: int


KNOWN_DATASETS = {"cifar10": KnownDataset(50_000, 10, 32), "digits": KnownDataset(1_297, 10, 8)}


class Sound:
    """A configuration with defaults, of which only the parts without a fault are shown."""

    def __init__(self, configuration: dict[str, Any], faulty: set[KeyPath]) -> None:
        self.configuration = configuration
        self.faulty = faulty

    def get(self, *path: str) -> Any:
        """The value at `path`; None where it, or something above or below it, has a fault."""
        value: Any = self.configuration
        for length, key in enumerate(path, start=1):
            if path[:length] in self.faulty or not isinstance(value, dict) or key not in value:
                return None
            value = value[key]
        return None if any(fault[: len(path)] == path for fault in self.faulty) else value

    def names(self, *path: str) -> list[str]:
        """The keys of a mapping that may have faults inside."""
        value: Any = self.configuration
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return list(value) if isinstance(value, dict) else []

    def whole_numbers(self, *path: str) -> list[tuple[int, int]]:
        """Position and value of the sound entries of a list of whole numbers."""
        value: Any = self.configuration
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if not isinstance(value, list):
            return []
        return [
            (position, item)
            for position, item in enumerate(value)
            if isinstance(item, int) and not isinstance(item, bool) and (*path, position) not in self.faulty
        ]


def cross_faults(configuration: dict[str, Any], faulty: set[KeyPath]) -> list[Fault]:
    """All faults between keys. `faulty` are the paths that are known to be wrong already."""
    sound = Sound(configuration, faulty)
    rules = (
        _names,
        _dataset,
        _sizes,
        _subsets,
        _methods,
        _recipe,
        _augmentation,
        _budgets,
        _last_batch,
        _readings,
        _cell_count,
        _published,
        _braces,
    )
    return [fault for rule in rules for fault in rule(sound)]


def _names(sound: Sound) -> Iterator[Fault]:
    if sound.get("study") in RESERVED_STUDIES:
        yield Fault(("study",), f"{sound.get('study')} is the name of a folder of smallmix's own; choose another name")
    if sound.get("dataset", "image-list", "identifier") in RESERVED_IDENTIFIERS:
        identifier = sound.get("dataset", "image-list", "identifier")
        told = f"{identifier} is the name of a folder of smallmix's own; choose another name"
        yield Fault(("dataset", "image-list", "identifier"), told)


def _dataset(sound: Sound) -> Iterator[Fault]:
    name = sound.get("dataset", "name")
    images = sound.get("dataset", "image-list")
    if name == "image-list" and images is not None and images["folder"] is None:
        told = (
            "is missing; dataset.name is image-list, so give the folder that holds train.csv, test.csv and the images"
        )
        yield Fault(("dataset", "image-list", "folder"), told)
    elif name == "image-list" and images is not None:
        overlap = explain_overlap(images["folder"], images["identifier"])
        if overlap:
            yield Fault(("dataset", "image-list", "folder"), f"found {show(images['folder'])}; {overlap}")
    archive = sound.get("dataset", "cifar10")
    if name == "cifar10" and archive is not None and archive["archive"] is None and not archive["sources"]:
        told = "is empty while dataset.cifar10.archive is null; give an address here or an archive there"
        yield Fault(("dataset", "cifar10", "sources"), told)


def _sizes(sound: Sound) -> Iterator[Fault]:
    for position, size in sound.whole_numbers("subsets", "sizes"):
        if size == 1:
            yield Fault(
                ("subsets", "sizes", position), "found 1; allowed: at least 2, as one image shows one class only"
            )
    name = sound.get("dataset", "name")
    known = KNOWN_DATASETS.get(name) if isinstance(name, str) else None
    if known is None:
        return
    for position, size in sound.whole_numbers("subsets", "sizes"):
        path = ("subsets", "sizes", position)
        if size > known.train_count:
            yield Fault(path, f"found {size}; allowed: at most {known.train_count}, the training images of {name}")
        elif sound.get("subsets", "rule") == "balanced" and 1 < size < known.classes:
            told = f"found {size}; allowed with the rule balanced: at least {known.classes}, one image of every class"
            yield Fault(path, told)


def _subsets(sound: Sound) -> Iterator[Fault]:
    if sound.get("subsets", "redraw_per_seed") is True and sound.get("subsets", "rule") == "head":
        told = "true contradicts the rule head, which draws nothing; write false, or the rule balanced or random"
        yield Fault(("subsets", "redraw_per_seed"), told)


def _methods(sound: Sound) -> Iterator[Fault]:
    meanings: dict[str, str] = {}
    for name in sound.names("methods"):
        method = sound.get("methods", name)
        if method is None:
            continue
        path = ("methods", name, "beta")
        if method["mix"] == "none" and method["beta"] is not None:
            told = (
                f"found {show(method['beta'])}; with mix none nothing is weighted: delete it (in an overlay: beta: ~)"
            )
            yield Fault(path, told)
            continue
        if method["mix"] != "none" and method["beta"] is None:
            yield Fault(path, f"is missing; mix {method['mix']} needs the two parameters, for example [1, 1]")
            continue
        meaning = json.dumps(method, sort_keys=True)
        if meaning in meanings:
            told = (
                f"means the same as methods.{meanings[meaning]}, so both would be one training told twice; "
                f"delete one (in an overlay: {name}: ~) or change its mix or beta"
            )
            yield Fault(("methods", name), told)
        meanings.setdefault(meaning, name)


def _recipe(sound: Sound) -> Iterator[Fault]:
    fractions = sound.get("recipe", "decay_at")
    if fractions is not None and any(later <= earlier for earlier, later in itertools.pairwise(fractions)):
        told = f"found {show(fractions)}; the fractions must rise, each above the one before: {sorted(set(fractions))}"
        yield Fault(("recipe", "decay_at"), told)


def _augmentation(sound: Sound) -> Iterator[Fault]:
    """A border or a mirror that destroys what images show. Both are inherited from the article's photographs."""
    digits = sound.get("dataset", "name") == "digits"
    padding, image_size = sound.get("recipe", "augmentation", "crop_padding"), _image_size(sound)
    if padding is not None and image_size is not None and padding > image_size // LEAST_IMAGE_PER_BORDER:
        told = (
            f"found {padding}; allowed: at most {image_size // LEAST_IMAGE_PER_BORDER}, a quarter of the images' "
            f"{image_size} pixels, because a wider border pushes too much of an image out of the crop. "
            f"Write recipe: {{augmentation: {{crop_padding: {image_size // 8}{', flip: false' if digits else ''}}}}}"
        )
        yield Fault(("recipe", "augmentation", "crop_padding"), told)
    if digits and sound.get("recipe", "augmentation", "flip") is True:
        told = (
            "found true; a mirrored digit is another digit or none, and trained on them the network gets worse. "
            "Write recipe: {augmentation: {crop_padding: 1, flip: false}}"
        )
        yield Fault(("recipe", "augmentation", "flip"), told)


def _budgets(sound: Sound) -> Iterator[Fault]:
    sizes = sound.get("subsets", "sizes")
    for key in sound.names("budgets"):
        budget = sound.get("budgets", key)
        if budget is None:
            continue
        if len(budget) > 1:
            told = (
                "has epochs and iterations; give exactly one of them "
                "(an overlay takes the inherited one out with ~, as in {epochs: ~, iterations: 400})"
            )
            yield Fault(("budgets", key), told)
        elif not budget:
            yield Fault(("budgets", key), "is empty; give exactly one of epochs and iterations, as in {epochs: 100}")
        if key != "default" and sizes is not None and int(key) not in sizes:
            told = (
                f"is a budget for a size that is not in subsets.sizes ({listed(sizes)}); delete it "
                f"(in an overlay: {key}: ~) or add the size"
            )
            yield Fault(("budgets", key), told)


def _last_batch(sound: Sound) -> Iterator[Fault]:
    batch_size, rule = sound.get("recipe", "batch_size"), sound.get("recipe", "last_batch")
    if batch_size is None or rule is None:
        return
    image_size = _image_size(sound)
    for position, size in sound.whole_numbers("subsets", "sizes"):
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
        told = (
            f"found {size}; with recipe.batch_size {batch_size} and recipe.last_batch {rule} a batch would hold a "
            f"single image, and batch normalisation needs several. {remedy}"
        )
        yield Fault(("subsets", "sizes", position), told)


def _readings(sound: Sound) -> Iterator[Fault]:
    for key in ("epoch_budgets", "iteration_budgets"):
        rule = sound.get("evaluation", key)
        if not isinstance(rule, dict) or rule.get("every_at_end") is None:
            continue
        if rule["every_at_end"] > rule["every"]:
            told = (
                f"found {rule['every_at_end']}; the last tenth of the budget is read at least as often as the rest: "
                f"allowed: at most {rule['every']}, the value of every"
            )
            yield Fault(("evaluation", key, "every_at_end"), told)


def _cell_count(sound: Sound) -> Iterator[Fault]:
    sizes, methods, seeds = sound.get("subsets", "sizes"), sound.names("methods"), sound.get("seeds")
    if sizes is not None and seeds is not None and len(sizes) * len(methods) * len(seeds) > MOST_CELLS:
        count = len(sizes) * len(methods) * len(seeds)
        told = (
            f"{len(sizes)} sizes x {len(methods)} methods x {len(seeds)} seeds are {count:,} trainings; "
            f"allowed: at most {MOST_CELLS:,}. Take fewer seeds, or split the study"
        )
        yield Fault(("seeds",), told)


def _published(sound: Sound) -> Iterator[Fault]:
    published = sound.get("published")
    if published is not None and not find_published(published).is_file():
        told = (
            f"there is no file {show(published)} (seen from the current folder); mend the path, or write null for none"
        )
        yield Fault(("published",), told)


def _braces(sound: Sound) -> Iterator[Fault]:
    """Snakemake takes {word} in the path of an input for a wildcard, and knows no way to write the word itself."""
    for path in (("dataset", "image-list", "folder"), ("published",)):
        value = sound.get(*path)
        if isinstance(value, str) and WILDCARD.search(value):
            told = f"found {show(value)}; a path with braces cannot be an input of a step. Rename it, or give a link"
            yield Fault(path, told)


def _image_size(sound: Sound) -> int | None:
    name = sound.get("dataset", "name")
    if name == "image-list":
        size: int | None = sound.get("dataset", "image-list", "image_size")
        return size
    known: Mapping[str, KnownDataset] = KNOWN_DATASETS
    return known[name].image_size if name in known else None
