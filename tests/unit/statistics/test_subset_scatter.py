"""Protects the scatter of the subset apart from the training's: which studies tell it, and by which numbers."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pytest
from smallmix.commands.main import main
from smallmix.statistics.study_results import StudyResults
from smallmix.statistics.subset_scatter import SubsetScatter, separate_scatter, write_subset_scatter
from smallmix.tables.statistics_columns import SUBSET_SCATTER

from tests.synthetic_study import build_synthetic_study
from tests.unit.statistics.made_up_results import make_study_results

# At 100 images: non scatters by a point with one subset and by three with redrawn ones, label-mix by two and one.
FIXED = {(100, "non"): (0.29, 0.30, 0.31), (100, "label-mix"): (0.30, 0.32, 0.34)}
REDRAWN = {(100, "non"): (0.27, 0.30, 0.33), (100, "label-mix"): (0.31, 0.32, 0.33)}
METHODS = {"non": {"mix": "none", "beta": None}, "label-mix": {"mix": "images-and-labels", "beta": [1.0, 1.0]}}
DRAWN: dict[str, Any] = {"rule": "random", "redraw_per_seed": True}


def results(name: str, accuracies: Any, **choices: Any) -> StudyResults:
    return make_study_results(accuracies, name=name, methods=METHODS, **choices)


def find(rows: list[SubsetScatter], method: str, reference: str | None = None) -> SubsetScatter:
    (row,) = [r for r in rows if (r.method, r.reference, r.selection) == (method, reference, "best")]
    return row


@pytest.mark.parametrize("turned", [False, True])
def test_the_fixed_variance_is_taken_from_the_redrawn_one(turned: bool) -> None:
    """9 - 1 = 8 squared points of non: 2.83 points. It does not matter which of the two is the study itself."""
    pair = results("redrawn", REDRAWN, **DRAWN), results("fixed", FIXED)
    rows = separate_scatter(pair[turned], [pair[not turned]])
    row = find(rows, "non")
    assert (row.redrawn, row.redrawn_seeds, row.fixed, row.fixed_seeds) == ("redrawn", 3, "fixed", 3)
    assert row.variances.difference == pytest.approx(8e-4)
    assert row.fields()[13] == pytest.approx(0.01 * math.sqrt(8))
    assert row.variances.low is not None
    assert row.variances.low < 0  # three seeds are few
    assert "reaches zero" in row.note
    assert len(rows) == 3 * 3  # two methods and a gain, by three selections


def test_a_negative_variance_is_called_one() -> None:
    """1 - 4 = -3 squared points of label-mix."""
    row = find(separate_scatter(results("redrawn", REDRAWN, **DRAWN), [results("fixed", FIXED)]), "label-mix")
    assert row.variances.difference == pytest.approx(-3e-4)
    assert row.fields()[13] == 0
    assert row.note.startswith("negative by chance")


def test_gains_have_a_scatter_of_their_own() -> None:
    """Redrawn: 4, 2, 0 points, variance 4. Fixed: 1, 2, 3 points, variance 1."""
    row = find(separate_scatter(results("redrawn", REDRAWN, **DRAWN), [results("fixed", FIXED)]), "label-mix", "non")
    assert row.variances.first == pytest.approx(4e-4)
    assert row.variances.second == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (DRAWN, DRAWN),
        ({}, {}),
        # Balanced subsets scatter otherwise than random ones.
        ({"rule": "balanced", "redraw_per_seed": True}, {}),
        (DRAWN, {"width": 8}),
        (DRAWN, {"budgets": {"default": {"epochs": 21}}}),
        (DRAWN, {"dataset": "digits"}),
    ],
)
def test_studies_that_differ_otherwise_tell_nothing(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert separate_scatter(results("redrawn", REDRAWN, **first), [results("fixed", FIXED, **second)]) == []


def test_balanced_subsets_are_held_against_a_balanced_one() -> None:
    redrawn = results("redrawn", REDRAWN, rule="balanced", redraw_per_seed=True)
    assert separate_scatter(redrawn, [results("fixed", FIXED, rule="balanced")])


def test_two_seeds_are_too_few() -> None:
    few = {place: values[:2] for place, values in FIXED.items()}
    assert separate_scatter(results("redrawn", REDRAWN, **DRAWN), [results("fixed", few)]) == []


def test_no_scatter_at_all_is_noted() -> None:
    still = dict.fromkeys(FIXED, (0.3, 0.3, 0.3))
    row = find(separate_scatter(results("redrawn", still, **DRAWN), [results("fixed", still)]), "non")
    assert row.note == "neither study scatters: no interval"
    assert row.fields()[10:13] == [0, None, None]


def test_the_table_is_written_for_people_and_programs(tmp_path: Path) -> None:
    rows = separate_scatter(results("redrawn", REDRAWN, **DRAWN), [results("fixed", FIXED)])
    write_subset_scatter(rows, tmp_path / "subset_scatter.csv")
    table = list(csv.DictReader((tmp_path / "subset_scatter.csv").read_text().splitlines()))
    assert tuple(table[0]) == SUBSET_SCATTER.names
    assert [row["reference"] for row in table[:3]] == ["", "", "non"]
    assert float(table[0]["redrawn_deviation"]) == pytest.approx(0.03)
    assert float(table[0]["fixed_deviation"]) == pytest.approx(0.01)
    assert float(table[0]["subset_deviation_low"]) == 0 > float(table[0]["variance_low"])
    assert float(table[0]["subset_deviation_high"]) ** 2 == pytest.approx(float(table[0]["variance_high"]))


def test_the_command_uses_the_studies_under_compare_with(tmp_path: Path) -> None:
    """Also where nothing published is judged."""
    from smallmix.tables.collect import collect
    from smallmix.tables.collected_tables import write_study_tables

    choices: dict[str, Any] = {"sizes": (100,), "seeds": (0, 1, 2), "test_images": 40}
    made = build_synthetic_study(tmp_path, name="redrawn", compare_with=["fixed", "absent"], **DRAWN, **choices)
    other = build_synthetic_study(tmp_path, name="fixed", generator_seed=1, **choices)
    for one in (other, made):
        write_study_tables(collect(one.study, one.layout, one.code_fingerprint), one.layout.results)
        assert main(["judge-claims", "--study", str(one.layout.study_file), "--root", str(tmp_path)]) == 0
    table = list(csv.DictReader((made.layout.results / "subset_scatter.csv").read_text().splitlines()))
    assert {row["fixed_study"] for row in table} == {"fixed"}
    assert {row["method"] for row in table} == {"non", "data-mix", "label-mix"}
    assert (other.layout.results / "subset_scatter.csv").read_text().count("\n") == 1
