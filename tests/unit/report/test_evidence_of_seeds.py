"""Protects what the page says of seeds: how many it takes, what the subset adds, what picking the best adds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from smallmix.report.classes_section import balance_view
from smallmix.report.scatter_section import scatter_sentence, scatter_view
from smallmix.report.seeds_section import no_plan_sentence, optimism_sentence, seeds_view
from smallmix.report.tables_section import TableView
from smallmix.tables.statistics_columns import CLASS_BALANCE, SUBSET_SCATTER
from smallmix.tables.study_tables import StudyTables

from tests.study_outputs import PageText
from tests.unit.figures.study_with_tables import build_study_with_tables, tables_of, write_all_tables
from tests.unit.report.rendered_page import render

MINUS = "\N{MINUS SIGN}"
DRAWN: dict[str, Any] = {"rule": "random", "redraw_per_seed": True}


def texts(view: TableView | None) -> list[list[str]]:
    assert view is not None
    return [[entry.text for entry in row] for row in view.rows]


def tables_with(folder: Path, **choices: Any) -> StudyTables:
    return tables_of(build_study_with_tables(folder, sizes=[100], **choices))


@pytest.mark.parametrize(
    ("seeds", "choices", "said"),
    [
        ([0], DRAWN, "One seed shows no scatter"),
        ([0, 1, 2], DRAWN, "cannot be told from that of the training here. That takes a second study with one subset"),
        ([0, 1, 2], {}, "All 3 seeds share one subset, so that they scatter by the training alone"),
        ([0, 1, 2], {}, "takes a second study with redraw_per_seed: true, named under compare_with"),
    ],
)
def test_what_would_tell_the_scatter_of_the_subset(
    seeds: list[int], choices: dict[str, Any], said: str, tmp_path: Path
) -> None:
    tables = tables_with(tmp_path, seeds=seeds, **choices)
    assert scatter_view(tables) is None
    assert said in scatter_sentence(tables)


def test_a_pair_of_studies_shows_the_scatter_of_the_subset(tmp_path: Path) -> None:
    build_study_with_tables(tmp_path, name="fixed", sizes=[100], generator_seed=1)
    made = build_study_with_tables(tmp_path, name="redrawn", sizes=[100], compare_with=["fixed"], **DRAWN)
    write_all_tables(made)
    tables = tables_of(made)
    rows = texts(scatter_view(tables))
    assert [row[1] for row in rows][:4] == ["non", "data-mix", "label-mix", f"data-mix {MINUS} non"]
    runs = {
        name: pd.read_csv(tmp_path / "results" / name / "metrics.csv").query("method == 'non'")["best_test_accuracy"]
        for name in ("redrawn", "fixed")
    }
    assert rows[0][2] == f"{100 * runs['redrawn'].std():.2f} (3 seeds)"
    assert rows[0][3] == f"{100 * runs['fixed'].std():.2f} (3 seeds)"
    assert rows[0][4] == f"{100 * max(0.0, runs['redrawn'].var() - runs['fixed'].var()) ** 0.5:.2f}"
    page = PageText(render(made, names=()))
    assert len(page.tables["table-scatter"]) == 1 + len(rows)
    assert "redrawn draws a subset for each seed, fixed has one for all" in page.captions["table-scatter"]


def test_a_negative_variance_is_said(tmp_path: Path) -> None:
    tables = tables_with(tmp_path, seeds=[0])
    values = (
        *(100, "non", "", "best", "redrawn", 3, 0.01, "fixed", 3, 0.02, -0.0003, -0.02, 0.01, 0.0, 0.0, 0.1),
        "negative by chance: no more scatter was seen with redrawn subsets than with one",
    )
    frame = pd.DataFrame([values], columns=list(SUBSET_SCATTER.names))
    rows = texts(scatter_view(dataclasses.replace(tables, subset_scatter=frame)))
    assert rows[0][2:] == ["1.00 (3 seeds)", "2.00 (3 seeds)", "0.00", "0.00 to 10.00", values[-1]]


def test_too_few_seeds_plan_nothing_and_say_so(tmp_path: Path) -> None:
    for seeds, said in (([0], "from 1 seed"), ([0, 1], "from 2 seeds")):
        tables = tables_with(tmp_path / str(len(seeds)), seeds=seeds)
        assert seeds_view(tables) is None
        assert said in no_plan_sentence(tables)
    tables = tables_with(tmp_path / "3", seeds=[0, 1, 2])
    assert no_plan_sentence(tables) == ""
    assert len(texts(seeds_view(tables))) == 2 * 3  # one size and the mean over sizes, three pairs


def test_tables_of_older_versions_are_shown_without_what_they_lack(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[100], seeds=[0, 1, 2])
    path = made.layout.results / "comparison.csv"
    table = pd.read_csv(path)
    table.loc[:, :"variance_ratio"].to_csv(path, index=False)
    for name in ("subset_scatter.csv", "class_balance.csv"):
        (made.layout.results / name).unlink()
    page = PageText(render(made, names=()))
    assert not {"table-seeds", "table-scatter", "table-balance"} & page.tables.keys()
    assert {row[6] for row in page.tables["table-comparison"][1:]} == {"\N{EN DASH}"}
    text = " ".join(page.section("differences", "p") + page.section("selection", "p"))
    assert "cannot be said" not in text
    assert "What this adds" not in text


def optimism_of(tables: StudyTables, *added: tuple[float, float, float]) -> str:
    """The sentence, where picking the best adds so many points with such intervals to the pairs."""
    comparison = tables.comparison.copy()
    rows = comparison.index[(comparison["size"] == "all") & (comparison["selection"] == "last")]
    for row, values in zip(rows, added, strict=True):
        comparison.loc[row, ["best_adds", "best_adds_low", "best_adds_high"]] = [value / 100 for value in values]
    return optimism_sentence(dataclasses.replace(tables, comparison=comparison)).replace(MINUS, "-")


def test_what_the_best_accuracy_adds_is_said_by_pair(tmp_path: Path) -> None:
    tables = tables_with(tmp_path, seeds=[0, 1, 2])
    said = optimism_of(tables, (0.1, -0.5, 0.7), (-0.4, -0.7, -0.1), (0.0, -0.2, 0.2))
    assert said == (
        "What this adds to a difference between methods, best minus last accuracy: +0.10 points to data-mix - non "
        "(95 % interval -0.50 to +0.70), -0.40 points to label-mix - non (95 % interval -0.70 to -0.10) and 0.00 "
        "points to label-mix - data-mix (95 % interval -0.20 to +0.20). So the best accuracy biases label-mix - non: "
        "that interval excludes zero."
    )
    said = optimism_of(tables, (0.1, -0.5, 0.7), (0.4, -0.7, 1.1), (0.0, -0.2, 0.2))
    assert said.endswith("No interval excludes zero, so that no bias of a comparison is certain.")


def test_two_seeds_leave_what_the_best_adds_open(tmp_path: Path) -> None:
    said = optimism_sentence(tables_with(tmp_path, seeds=[0, 1]))
    assert said.endswith("Without an interval this may be chance.")
    assert "95 % interval" not in said


def test_the_balance_of_classes_says_what_its_interval_covers(tmp_path: Path) -> None:
    row = (100, "non", 3, 3, 0.4, -0.1, 0.9, 0.012, -0.003, 0.027)
    frame = pd.DataFrame([row], columns=list(CLASS_BALANCE.names))
    drawn = dataclasses.replace(tables_with(tmp_path / "a", seeds=[0, 1, 2], **DRAWN), class_balance=frame)
    assert [one.replace(MINUS, "-") for one in texts(balance_view(drawn))[0]] == [
        *("100", "non", "3", "3"),
        *("+0.40 (-0.10 to +0.90)", "+1.20 (-0.30 to +2.70)"),
    ]
    view = balance_view(drawn)
    assert view is not None
    assert view.caption.endswith("so that the interval covers which classes happen to have many images.")
    one = dataclasses.replace(tables_with(tmp_path / "b", seeds=[0, 1, 2]), class_balance=frame)
    view = balance_view(one)
    assert view is not None
    assert "which no interval here covers" in view.caption
    assert balance_view(dataclasses.replace(one, class_balance=frame.head(0))) is None
