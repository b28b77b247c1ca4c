"""A study: cells in reading order, names that are not part of their values, and a file that reads back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from smallmix.errors import SmallmixError
from smallmix.study.configuration import resolve_configuration
from smallmix.study.layout import Layout
from smallmix.study.study import Study

CONFIGURATION: dict[str, Any] = {
    "study": "small",
    "dataset": {"name": "digits"},
    "subsets": {"sizes": [200, 100]},
    "methods": {"plain": {"mix": "none"}, "mixed": {"mix": "images", "beta": [2, 1]}},
    "seeds": [3, 1],
    "recipe": {"augmentation": {"crop_padding": 1, "flip": False}},
    "budgets": {"default": {"epochs": 2}, "100": {"iterations": 9}},
}


def study(**changes: Any) -> Study:
    """The small study with some top keys changed."""
    return Study.from_configuration(resolve_configuration({**CONFIGURATION, **changes}))


def values(of: Study) -> set[str]:
    """The fingerprints of a study's cells."""
    return {cell.value.fingerprint for cell in of.cells}


def test_cells_in_the_configurations_order() -> None:
    assert [cell.id for cell in study().cells] == [
        f"n{size}/{method}/seed{seed}" for size in (200, 100) for method in ("plain", "mixed") for seed in (3, 1)
    ]


def test_budgets_and_evaluation_follow_the_size() -> None:
    small = study().cell("n100/plain/seed3").value
    large = study().cell("n200/plain/seed3").value
    assert (small.budget.unit, small.iterations, small.evaluation_interval) == ("iterations", 9, 390)
    assert (large.budget.unit, large.iterations, large.evaluation_interval) == ("epochs", 4, 2)


def test_names_are_not_part_of_a_cells_value() -> None:
    """Another study, another title, another name for a method: the same trainings."""
    methods = {"without": {"mix": "none"}, "half": {"mix": "images", "beta": [2.0, 1.0]}}
    assert values(study(study="other", title="Other", methods=methods)) == values(study())


def test_one_budget_changes_its_own_size_alone() -> None:
    changed = study(budgets={"default": {"epochs": 2}, "100": {"iterations": 10}})
    kept = values(changed) & values(study())
    assert kept == {cell.value.fingerprint for cell in study().cells if cell.size == 200}


def test_draws_are_values_only_where_something_is_drawn() -> None:
    def seeds(**subsets: Any) -> set[int | None]:
        return {cell.value.subset.seed for cell in study(subsets={"sizes": [200, 100], **subsets}).cells}

    assert seeds() == {None}
    assert seeds(draw_seed=5) == {None}
    assert seeds(rule="random", draw_seed=5) == {5}
    assert seeds(rule="balanced", redraw_per_seed=True) == {3, 1}


def test_what_a_recipe_does_not_read_is_no_part_of_a_cell() -> None:
    def recipe(**keys: Any) -> set[str]:
        return values(study(recipe={"augmentation": {"crop_padding": 1, "flip": False}, **keys}))

    cosine = recipe(schedule="cosine")
    assert cosine == recipe(schedule="cosine", decay_at=[0.5], decay_factor=0.2)
    assert cosine.isdisjoint(recipe())
    assert recipe(weight_decay=0, decay_normalization=False) == recipe(weight_decay=0)
    assert recipe(decay_normalization=False).isdisjoint(recipe())


def test_a_recipe_without_the_newer_keys_is_the_value_of_before() -> None:
    """Of the cell n100/plain/seed3, as it was stored before there was a choice."""
    value = study().cell("n100/plain/seed3").value
    assert not {"schedule", "warm_up", "nesterov", "decay_normalization"} & set(value.to_dict()["recipe"])
    assert value == value.from_dict(value.to_dict())


def test_own_images_bring_size_and_color_into_the_value() -> None:
    images = {"folder": "x", "identifier": "cats", "image_size": 16, "color": "grey"}
    own = study(dataset={"name": "image-list", "image-list": images})
    assert own.dataset == "cats"
    assert (own.cells[0].value.dataset.image_size, own.cells[0].value.dataset.color) == (16, "grey")
    assert study().cells[0].value.dataset.image_size is None


def test_json_keeps_the_order_of_methods_and_is_canonical() -> None:
    turned = study(methods=dict(reversed(CONFIGURATION["methods"].items())))
    assert turned.to_json() != study().to_json()
    assert Study.from_json(turned.to_json()).methods == ("mixed", "plain")
    reordered = resolve_configuration(dict(reversed(CONFIGURATION.items())))
    assert Study.from_configuration(reordered).to_json() == study().to_json()


def test_a_place_outside_is_refused_with_what_is_inside() -> None:
    with pytest.raises(SmallmixError, match=r"no cell n7/plain/seed3.*\[200, 100\]"):
        study().cell("n7/plain/seed3")


@pytest.mark.parametrize("content", ["", "{}", "[]", "3", '{"methods": []}', '{"methods": 3}', "\x00"])
def test_a_file_that_is_no_study_is_refused_with_the_remedy(content: str, tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SmallmixError, match=r"study\.json.*resolve-study"):
        Study.load(path)
    with pytest.raises(SmallmixError, match="cannot read"):
        Study.load(tmp_path / "absent.json")


def test_layout_names_every_path(tmp_path: Path) -> None:
    small = study()
    layout = Layout(small)
    cell = small.cells[0]
    assert layout.results == Path("results/small")
    assert layout.report == Path("reports/small")
    assert layout.dataset == Path("resources/digits")
    assert layout.study_file == Path("results/small/study.json")
    assert layout.cell(cell) == Path("results/small/cells/n200/plain/seed3")
    assert layout.subset(cell) == Path("results/small/subsets/n200.csv")
    assert Layout(small, tmp_path).cell(cell) == tmp_path / "results/small/cells/n200/plain/seed3"
    redrawn = study(subsets={"sizes": [200, 100], "rule": "random", "redraw_per_seed": True})
    assert Layout(redrawn).subset_of(200, 3) == Path("results/small/subsets/n200-seed3.csv")


def test_paths_of_different_cells_differ() -> None:
    layout = Layout(study())
    folders = [layout.cell(cell) for cell in study().cells]
    assert len(set(folders)) == len(folders)
    assert json.loads(study().to_json())["study"] == "small"


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"methods": 3}', '{"methods": [["non", {}]], "subsets": 4}', "[" * 9999]
)
def test_a_configuration_of_another_form_is_named_and_not_a_traceback(tmp_path: Path, content: str) -> None:
    (tmp_path / "study.json").write_text(content, encoding="utf-8")
    with pytest.raises(SmallmixError, match=r"cannot read the study in .*study\.json: "):
        Study.load(tmp_path / "study.json")
