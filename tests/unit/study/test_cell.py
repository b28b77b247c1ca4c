"""A cell is a value: equal meaning gives equal fingerprints, any other meaning another one."""

from __future__ import annotations

import dataclasses
import json

import pytest
from smallmix.study.cell import BudgetValue, Cell, EvaluationValue, RecipeValue, SubsetValue, added_later

from tests.cell_values import CELL, OTHER

FIELDS = [(part.name, field.name) for part in dataclasses.fields(Cell) if part.name != "seed"
          for field in dataclasses.fields(getattr(CELL, part.name)) if field.name != "file"]  # fmt: skip


def test_survives_its_json() -> None:
    assert Cell.from_dict(json.loads(CELL.to_json())) == CELL
    assert Cell.from_dict(CELL.to_dict()) == CELL
    assert CELL.to_json() == json.dumps(CELL.to_dict(), sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(("part", "field"), FIELDS)
def test_every_field_counts(part: str, field: str) -> None:
    changed = dataclasses.replace(getattr(CELL, part), **{field: OTHER[part][field]})
    other = dataclasses.replace(CELL, **{part: changed})
    assert other != CELL
    assert other.fingerprint != CELL.fingerprint
    assert Cell.from_dict(other.to_dict()) == other


@pytest.mark.parametrize("part", ["method", "model"])
def test_where_a_file_lies_is_no_part_of_the_value(part: str) -> None:
    moved = dataclasses.replace(CELL, **{part: dataclasses.replace(getattr(CELL, part), file="elsewhere/other.py")})
    assert moved == CELL
    assert moved.to_json() == CELL.to_json()
    assert moved.fingerprint == CELL.fingerprint


def test_the_seed_counts() -> None:
    assert dataclasses.replace(CELL, seed=1).fingerprint != CELL.fingerprint


def test_is_hashable_and_frozen() -> None:
    assert len({CELL, dataclasses.replace(CELL)}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        CELL.seed = 1  # type: ignore[misc]


def test_the_fingerprint_is_a_fixed_promise() -> None:
    """Stored trainings are found by it: a change here retrains everything that anybody has stored."""
    assert CELL.fingerprint == "eb8b07605f7334d04c0870da391b9578a08b90121021970d6eaa60a997d9827a"


@pytest.mark.parametrize(
    ("size", "batch_size", "unit", "amount", "every", "batches", "iterations", "interval"),
    [
        (50_000, 128, "epochs", 100, 1, 391, 39_100, 391),
        (1_000, 128, "epochs", 100, 5, 8, 800, 40),
        (100, 128, "iterations", 40_000, 390, 1, 40_000, 390),
        (128, 128, "epochs", 2, 1, 1, 2, 1),
        (129, 128, "epochs", 2, 1, 2, 4, 2),
    ],
)
def test_counts_iterations_with_the_last_smaller_batch(
    size: int, batch_size: int, unit: str, amount: int, every: int, batches: int, iterations: int, interval: int
) -> None:
    cell = dataclasses.replace(
        CELL,
        subset=SubsetValue("head", size),
        recipe=dataclasses.replace(CELL.recipe, batch_size=batch_size),
        budget=BudgetValue(unit, amount),  # type: ignore[arg-type]
        evaluation=EvaluationValue(unit, every, 100),  # type: ignore[arg-type]
    )
    assert (cell.batches_per_epoch, cell.iterations, cell.evaluation_interval) == (batches, iterations, interval)


def test_unknown_keys_are_refused() -> None:
    value = CELL.to_dict()
    value["budget"]["minutes"] = 3
    with pytest.raises(TypeError):
        Cell.from_dict(value)


@dataclasses.dataclass(frozen=True)
class LaterRecipe(RecipeValue):
    """A recipe of a later version, with a field that today's trainings do without."""

    label_smoothing: float = added_later(0.0)


def test_a_field_that_is_added_with_a_neutral_default_changes_no_fingerprint() -> None:
    """Else every stored training would be out of reach of `adopt`, which looks for equal cells."""
    neutral = dataclasses.replace(CELL, recipe=LaterRecipe(**vars(CELL.recipe)))
    assert neutral.to_json() == CELL.to_json()
    assert neutral.fingerprint == CELL.fingerprint
    other = dataclasses.replace(CELL, recipe=LaterRecipe(**vars(CELL.recipe), label_smoothing=0.1))
    assert other.fingerprint != CELL.fingerprint
    assert other.to_dict()["recipe"]["label_smoothing"] == 0.1
