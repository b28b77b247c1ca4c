"""Every key of the configuration counts in the cells' values, but for those that are listed here with the reason."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import pytest
from smallmix.study import study as study_module
from smallmix.study.cell import ADDED_LATER, RecipeValue, added_later
from smallmix.study.configuration import resolve_configuration, with_later_keys
from smallmix.study.study import Study

CONFIGURATION: dict[str, Any] = {
    "study": "small",
    "dataset": {"name": "image-list", "image-list": {"folder": "x"}},
    "subsets": {"sizes": [200, 100], "rule": "random"},
    "methods": {"mixed": {"mix": "images", "beta": [2, 1]}},
    "seeds": [3, 1],
    "evaluation": {"epoch_budgets": {"every": 2}},
    "metrics": {"seen": "macro-f1"},
    "budgets": {"default": {"epochs": 2}, "100": {"iterations": 9}},
}
# Another value for every key that decides a number.
OTHER: dict[str, Any] = {
    "dataset.name": "cifar10",
    "dataset.image-list.image_size": 16,
    "dataset.image-list.color": "grey",
    "dataset.image-list.fit": "pad",
    "subsets.rule": "balanced",
    "subsets.sizes": [200, 120],
    "subsets.redraw_per_seed": True,
    "subsets.draw_seed": 5,
    "methods.mixed.mix": "images-and-labels",
    "methods.mixed.beta": [1.0, 1.0],
    "seeds": [3, 2],
    "model.name": "preact-resnet18-mixup",
    "model.width": 8,
    "model.blocks": [1, 1, 1, 1],
    "recipe.batch_size": 64,
    "recipe.last_batch": "drop",
    "recipe.learning_rate": 0.2,
    "recipe.momentum": 0.5,
    "recipe.weight_decay": 0.5,
    "recipe.warm_up": 0.1,
    "recipe.schedule": "cosine",
    "recipe.decay_at": [0.5],
    "recipe.decay_factor": 0.5,
    "recipe.nesterov": True,
    "recipe.decay_normalization": False,
    "recipe.augmentation.crop_padding": 1,
    "recipe.augmentation.flip": False,
    "recipe.precision": "bf16",
    "recipe.executor": "eager",
    "recipe.cpu_threads": 2,
    "evaluation.epoch_budgets.every": 1,
    "evaluation.epoch_budgets.every_at_end": 1,
    "evaluation.iteration_budgets.every": 3,
    "evaluation.iteration_budgets.every_at_end": 1,
    "evaluation.clean_train_limit": 7,
    "evaluation.validation_images": 50,
    "budgets.default.epochs": 3,
    "budgets.100.iterations": 10,
}
DECIDE_NOTHING = {
    "study": "names folders",
    "title": "is shown",
    "description": "is shown",
    "dataset.cifar10.archive": "is where the bytes lie, which have a known checksum",
    "dataset.cifar10.sources": "is where the bytes come from, which have a known checksum",
    "dataset.cifar100.archive": "as for cifar10",
    "dataset.cifar100.sources": "as for cifar10",
    "dataset.svhn.folder": "as for cifar10",
    "dataset.svhn.sources": "as for cifar10",
    "dataset.fashion-mnist.folder": "as for cifar10",
    "dataset.fashion-mnist.sources": "as for cifar10",
    "dataset.mnist.folder": "as for cifar10",
    "dataset.mnist.sources": "as for cifar10",
    "dataset.stl10.archive": "as for cifar10",
    "dataset.stl10.sources": "as for cifar10",
    "dataset.image-list.folder": "is where the images lie; checksums cover the arrays that are made of them",
    "dataset.image-list.identifier": "names a folder",
    "dataset.image-list.title": "is shown",
    "dataset.image-list.classes": "is the order of the labels; checksums cover them",
    **{
        f"dataset.image-folder.{key}": "is read only where dataset.name is image-folder, see below"
        for key in (
            "folder",
            "identifier",
            "title",
            "image_size",
            "color",
            "fit",
            "classes",
            "test_share",
            "split_seed",
        )
    },
    "selection": "says which of the measured accuracies is shown; a run measures all of them",
    "metrics.seen": "is computed from predictions that are there",
    "keep.weights": "is which files are kept",
    "published": "is what results are compared with",
    "compare_with": "is what results are compared with",
}


def leaves(value: Any, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Give the full names of the keys that hold no further keys."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*above, key))
    else:
        yield ".".join(above)


def changed(configuration: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    copied = copy.deepcopy(configuration)
    *above, last = key.split(".")
    section = copied
    for name in above:
        section = section[name]
    section[last] = value
    return copied


def fingerprints(configuration: dict[str, Any]) -> set[str]:
    return {cell.value.fingerprint for cell in Study.from_configuration(configuration).cells}


@pytest.fixture(scope="module")
def resolved() -> dict[str, Any]:
    return resolve_configuration(CONFIGURATION)


def test_every_key_is_known_to_decide_or_not(resolved: dict[str, Any]) -> None:
    assert set(leaves(resolved)) == set(OTHER) | set(DECIDE_NOTHING)
    assert not set(OTHER) & set(DECIDE_NOTHING)


@pytest.mark.parametrize("key", OTHER)
def test_a_key_that_decides_a_number_changes_the_cells(resolved: dict[str, Any], key: str) -> None:
    assert fingerprints(changed(resolved, key, OTHER[key])) != fingerprints(resolved)


@pytest.mark.parametrize("key", DECIDE_NOTHING)
def test_a_key_that_decides_nothing_leaves_the_cells_as_they_are(resolved: dict[str, Any], key: str) -> None:
    assert fingerprints(changed(resolved, key, "other")) == fingerprints(resolved)


@dataclass(frozen=True)
class LaterRecipe(RecipeValue):
    """A recipe of a later version."""

    label_smoothing: float = added_later(0.0)


def test_a_study_that_was_resolved_before_there_was_a_key_still_reads(
    resolved: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Studies that others are compared with keep the study.json of the version that ran them."""
    older = Study.from_configuration(resolved).to_json()
    before = fingerprints(resolved)
    monkeypatch.setattr(study_module, "RecipeValue", LaterRecipe)
    read = Study.from_json(older)
    assert {cell.value.fingerprint for cell in read.cells} == before
    assert isinstance(read.cells[0].value.recipe, LaterRecipe)
    later = changed(json.loads(json.dumps(resolved)), "recipe.label_smoothing", 0.1)
    assert not fingerprints(later) & before


def test_a_study_without_the_last_batch_kept_it(resolved: dict[str, Any]) -> None:
    older = copy.deepcopy(resolved)
    del older["recipe"]["last_batch"]
    assert {cell.value.recipe.last_batch for cell in Study.from_configuration(older).cells} == {"keep"}


def test_keys_that_came_later_count_as_what_they_meant(resolved: dict[str, Any]) -> None:
    """What is filled into an older configuration, to compare it with one of now, is what its cells were trained by."""
    older = copy.deepcopy(resolved)
    later = {field.name for field in fields(RecipeValue) if ADDED_LATER in field.metadata} | {"last_batch"}
    assert {"schedule", "nesterov"} < later <= set(older["recipe"])
    for key in later:
        del older["recipe"][key]
    del older["evaluation"]["validation_images"], older["dataset"]["image-list"]["fit"]
    filled = with_later_keys(older)
    assert set(leaves(filled)) == set(leaves(resolved))
    assert fingerprints(filled) == fingerprints(older)


@pytest.mark.parametrize(("key", "value"), [("image_size", 16), ("color", "grey"), ("fit", "squash")])
def test_images_in_class_folders_are_decided_by_keys_of_their_own(key: str, value: Any) -> None:
    """Their division and the order of their classes are covered by the arrays' checksums."""
    own = resolve_configuration({**CONFIGURATION, "dataset": {"name": "image-folder", "image-folder": {"folder": "x"}}})
    before = fingerprints(own)
    assert fingerprints(changed(own, f"dataset.image-folder.{key}", value)) != before
    assert fingerprints(changed(own, "dataset.image-folder.split_seed", 4)) == before
    assert before != fingerprints(resolve_configuration(CONFIGURATION)), "the name counts"


def test_images_as_before_have_no_fit_in_their_value(resolved: dict[str, Any]) -> None:
    assert "fit" not in Study.from_configuration(resolved).cells[0].value.to_dict()["dataset"]
