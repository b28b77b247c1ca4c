"""Protects the border and the flips that follow the data set: they stand resolved in the cells, unless stated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from smallmix.study.cell import RecipeValue
from smallmix.study.configuration import load_study, resolve_configuration
from smallmix.study.study import Study

PROJECT = Path(__file__).resolve().parents[3]
# Border and flips of each: an eighth of the side, and no mirrored digits.
FITTING: dict[str, tuple[int, bool]] = {
    "cifar10": (4, True),
    "cifar100": (4, True),
    "svhn": (4, False),
    "fashion-mnist": (3, True),
    "mnist": (3, False),
    "stl10": (12, True),
    "digits": (1, False),
}


def recipe_of(dataset: dict[str, Any], **augmentation: Any) -> RecipeValue:
    configuration = resolve_configuration(
        {
            "study": "x",
            "dataset": dataset,
            "subsets": {"sizes": [100]},
            "methods": {"plain": {"mix": "none"}},
            "seeds": [0],
            "recipe": {"augmentation": augmentation},
            "budgets": {"default": {"epochs": 1}},
        }
    )
    cell = Study.from_configuration(configuration).cells[0].value
    assert Study.from_json(Study.from_configuration(configuration).to_json()).cells[0].value == cell
    return cell.recipe


@pytest.mark.parametrize(("name", "fitting"), FITTING.items())
def test_border_and_flips_follow_the_data_set(name: str, fitting: tuple[int, bool]) -> None:
    for recipe in (recipe_of({"name": name}), recipe_of({"name": name}, crop_padding="automatic", flip="automatic")):
        assert (recipe.crop_padding, recipe.flip) == fitting


@pytest.mark.parametrize(("side", "border"), [(8, 1), (28, 3), (33, 4), (96, 12), (512, 64)])
def test_the_border_of_own_images_follows_their_size(side: int, border: int) -> None:
    recipe = recipe_of({"name": "image-list", "image-list": {"folder": "x", "image_size": side}})
    assert (recipe.crop_padding, recipe.flip) == (border, True)


def test_what_is_stated_stands() -> None:
    for flip in (True, False):
        for name in ("mnist", "cifar10"):
            recipe = recipe_of({"name": name}, crop_padding=0, flip=flip)
            assert (recipe.crop_padding, recipe.flip) == (0, flip)
    assert recipe_of({"name": "mnist"}, flip=True).crop_padding == 3


def test_an_overlay_with_digits_needs_no_word_on_augmentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    overlay = tmp_path / "digits.yaml"
    overlay.write_text("study: x\ndataset: {name: digits}\nsubsets: {sizes: [500, 250, 100]}\n", encoding="utf-8")
    cells = load_study([PROJECT / "config.yaml", overlay]).cells
    assert {(cell.value.recipe.crop_padding, cell.value.recipe.flip) for cell in cells} == {(1, False)}


def test_the_article_is_trained_as_published() -> None:
    cells = load_study([PROJECT / "config.yaml"]).cells
    assert {(cell.value.recipe.crop_padding, cell.value.recipe.flip) for cell in cells} == {(4, True)}


def test_words_of_the_command_line_are_understood() -> None:
    """Snakemake hands some values of --config over as text."""
    assert recipe_of({"name": "cifar10"}, crop_padding="2", flip="false").crop_padding == 2
    assert not recipe_of({"name": "cifar10"}, crop_padding="2", flip="false").flip
