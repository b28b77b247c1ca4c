"""The studies that answer a question together differ in what the question is about, and in nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from smallmix.own_code import load_own
from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Draws
from smallmix.science.methods.images import Images
from smallmix.study.cell import Cell
from smallmix.study.configuration import load_study
from smallmix.study.study import Study

PROJECT = Path(__file__).resolve().parents[3]
CALMER = {
    "beta-small": ("calmer-small-cosine", "calmer-small-decay-5e-4", "calmer-small-decay-1e-3"),
    "demo": ("calmer-digits-cosine", "calmer-digits-decay-5e-4", "calmer-digits-decay-1e-3"),
    "replicated": ("calmer-cosine", "calmer-decay-5e-4", "calmer-decay-1e-3"),
}
LONGER = {"dip-small": "dip-small-longer", "dip-digits": "dip-digits-longer", "budget-middle": "budget-long"}
BALANCED = {"random-small": "balance-small", "random-digits": "balance-digits", "replicated": "balanced"}
TWINS = (
    "curve-digits",
    "random-digits",
    "balance-digits",
    "dip-digits",
    "dip-digits-longer",
    "beta-digits",
    "weight-digits",
    "larger-share-digits",
)


@pytest.fixture(autouse=True)
def project_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)


def study(name: str) -> Study:
    return load_study([PROJECT / "config.yaml", PROJECT / "workflow" / "studies" / f"{name}.yaml"])


def pairs(one: Study, other: Study) -> Iterator[tuple[Cell, Cell]]:
    """Return both studies' cells of the same size, method and seed."""
    values = {(cell.size, cell.method, cell.seed): cell.value for cell in one.cells}
    found = [
        (values[place], cell.value) for cell in other.cells if (place := (cell.size, cell.method, cell.seed)) in values
    ]
    assert found
    return iter(found)


@pytest.mark.parametrize(("base", "calmer"), [(base, name) for base, names in CALMER.items() for name in names])
def test_a_calmer_study_changes_one_thing_of_the_recipe(base: str, calmer: str) -> None:
    expected: dict[str, dict[str, Any]] = {
        "cosine": {"schedule": "cosine", "decay_at": (), "decay_factor": 1.0},
        "5e-4": {"weight_decay": 5e-4},
        "1e-3": {"weight_decay": 1e-3},
    }
    changes = next(values for ending, values in expected.items() if calmer.endswith(ending))
    for before, after in pairs(study(base), study(calmer)):
        assert after.recipe != before.recipe
        assert after == replace(before, recipe=replace(before.recipe, **changes))
    assert {cell.method for cell in study(calmer).cells} == {"non", "data-mix", "label-mix"}


@pytest.mark.parametrize(("short", "long"), LONGER.items())
def test_a_longer_study_changes_iterations_alone(short: str, long: str) -> None:
    longer = set()
    for before, after in pairs(study(short), study(long)):
        assert replace(after, budget=before.budget) == before
        assert after.iterations >= before.iterations
        if after.iterations > before.iterations:
            longer.add(before.size)
    assert longer >= {1000, 100}
    if short.startswith("dip"):
        assert longer == {1000, 100}


@pytest.mark.parametrize(("random", "balanced"), BALANCED.items())
def test_balanced_studies_change_the_rule_of_their_subsets_alone(random: str, balanced: str) -> None:
    for before, after in pairs(study(random), study(balanced)):
        assert after == replace(before, subset=replace(before.subset, rule="balanced"))
    assert len(study(balanced).seeds) == len(study(random).seeds) == 10


@pytest.mark.parametrize("name", ["beta-small", "beta-digits"])
def test_every_distribution_has_its_equal_in_expectation_and_validation_images(name: str) -> None:
    methods = study(name).configuration["methods"]
    mixed = {tuple(one["beta"]) for one in methods.values() if one["mix"] == "images-and-labels"}
    alone = {tuple(one["beta"]) for one in methods.values() if one["mix"] == "images"}
    assert alone == {(first + 1, second) for first, second in mixed}
    assert {first for first, _ in mixed} == {0.2, 1, 4}
    assert study(name).validation_images > 0
    assert study(name).selection == "validation"


@pytest.mark.parametrize("name", ["weight-small", "weight-digits", "row-1000-each"])
def test_a_weight_for_each_image_is_the_only_change(name: str) -> None:
    cells = {(cell.size, cell.method, cell.seed): cell.value for cell in study(name).cells}
    each = {"data-mix-each": "data-mix", "label-mix-each": "label-mix"}
    assert {method for _, method, _ in cells} == {"non", *each, *each.values()}
    for (size, method, seed), value in cells.items():
        if method in each:
            other = cells[size, each[method], seed]
            assert value.method.mix == f"{other.method.mix}-per-image"
            assert value == replace(other, method=replace(other.method, mix=value.method.mix))


@pytest.mark.parametrize("name", ["larger-share-small", "larger-share-digits", "row-1000-larger-share"])
def test_the_larger_share_is_the_only_change(name: str) -> None:
    cells = {(cell.size, cell.method, cell.seed): cell.value for cell in study(name).cells}
    for (size, method, seed), value in cells.items():
        if method == "data-mix-larger":
            other = cells[size, "data-mix", seed]
            assert value.method.mix == "larger_share.py:LargerShare"
            assert value.method.beta == other.method.beta
            assert value == replace(other, method=value.method)
    assert len({method for _, method, _ in cells} - {"label-mix"}) == 3


def test_the_row_with_the_larger_share_trains_one_method_more_than_the_row_without() -> None:
    known = {cell.value for cell in study("row-1000").cells}
    row = study("row-1000-larger-share").cells
    assert {cell.method for cell in row if cell.value not in known} == {"data-mix-larger"}
    assert len(row) == len(known) + 3


def test_the_larger_share_of_a_batch_is_that_of_plain_mixing_or_what_it_lacks_of_1() -> None:
    name = "larger_share.py:LargerShare"
    method = load_own(name, str(PROJECT / "workflow" / "studies" / "larger_share.py"))((2.0, 1.0))
    draws = Draws(iterations=400, images=4, seed=3, size=8, chunk=0)
    shares, weights = method.draw(draws)["own_share"], Images((2.0, 1.0)).draw(draws)["image_weight"]
    assert shares.dtype == weights.dtype
    np.testing.assert_allclose(shares, [max(one, 1 - one) for one in weights], rtol=1e-6)
    assert 50 < sum(weights < 0.5) < 150, "a quarter of 400"
    images, nothing = torch.tensor([0.0, 8.0]).reshape(2, 1, 1, 1), torch.zeros(2)
    partner, drawn = torch.tensor([1, 0]), {"own_share": torch.tensor(0.75)}
    row = BatchRow(nothing, nothing, nothing, nothing, partner, nothing, drawn, side=1)
    assert method.mix(images, row).flatten().tolist() == [2.0, 6.0]
    assert method.target(torch.eye(2), row).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_the_cells_with_a_weight_for_each_batch_are_those_of_another_study() -> None:
    others = {cell.value for cell in study("row-1000").cells}
    own = [cell for cell in study("row-1000-each").cells if cell.seed < 3]
    assert {cell.method for cell in own if cell.value not in others} == {"data-mix-each", "label-mix-each"}


def test_each_cell_of_the_dip_is_one_of_the_budgets_but_at_2_000_images() -> None:
    """One training answers both questions."""
    budgets = {cell.value for name in ("budget-middle", "budget-long") for cell in study(name).cells}
    for name in ("dip-small", "dip-small-longer"):
        assert {cell.size for cell in study(name).cells if cell.value not in budgets} == {2000}


@pytest.mark.parametrize("name", TWINS)
def test_the_last_tenth_of_a_twin_is_read_often_enough(name: str) -> None:
    """Ten readings; five of the shortest training, which has 50 iterations."""
    for cell in study(name).cells:
        moments = cell.value.evaluation_moments
        assert moments.count_in_last_tenth >= (3 if cell.value.iterations < 100 else 5)
        assert moments.count_in_last_tenth <= 20


def test_the_three_methods_of_many_are_trained_once_for_both_studies() -> None:
    known = {cell.value for cell in study("replicated").cells}
    own = [cell for cell in study("methods-article").cells if cell.value not in known]
    assert {cell.method for cell in own} == {"label-mix-each", "cutmix", "manifold-mixup", "label-smoothing", "cutout"}


def test_make_studies_runs_every_study_on_digits_and_no_other() -> None:
    text = (PROJECT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    line = next(line for line in text.splitlines() if line.startswith("DIGITS :="))
    named = line.partition(":=")[2].split()
    on_digits = {
        path.stem for path in (PROJECT / "workflow" / "studies").glob("*.yaml") if study(path.stem).dataset == "digits"
    }
    assert set(named) == on_digits
    # A study that claims compare with another one comes again once that one is there.
    for name in named:
        for other in study(name).compared_studies:
            assert named.index(other) < len(named) - 1 - named[::-1].index(name), (name, other)
