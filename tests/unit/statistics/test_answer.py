"""Protects the sentence of an unfinished study: it is the one that the report would print of the same cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from smallmix.report.so_far import report_so_far
from smallmix.report.summary_section import compose_answer
from smallmix.statistics.answer import answer_so_far, leading_method
from smallmix.statistics.comparison import compare_methods, comparison_fields, write_comparison
from smallmix.statistics.study_results import read_results
from smallmix.study.study import Study
from smallmix.tables.statistics_columns import COMPARISON
from smallmix.tables.study_tables import StudyTables, load_tables
from smallmix.tables.table_files import read_table, table_of

from tests.synthetic_configuration import METHODS, build_configuration
from tests.synthetic_study import SyntheticStudy, build_synthetic_study

PLACES = ("n100/label-mix/seed2", "n500/non/seed0", "n1000/data-mix/seed1")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SyntheticStudy:
    made = build_synthetic_study(tmp_path, missing=PLACES, test_images=200)
    monkeypatch.setattr("smallmix.tables.collect.training_code", lambda cell: made.code_fingerprint)
    return made


def metrics_of(made: SyntheticStudy) -> dict[str, dict[str, object]]:
    return {cell.id: made.metrics(cell.id) for cell in made.study.cells if cell.id not in PLACES}


def test_the_answer_is_that_of_the_report_so_far(made: SyntheticStudy) -> None:
    said = answer_so_far(made.study, metrics_of(made))
    report_so_far(made.layout, None)
    answer = compose_answer(load_tables(made.study, made.root, made.layout.results / "so-far"))
    assert said is not None
    assert (said.sentence, said.gains) == (answer.sentence, answer.gains)
    assert "label-mix came out ahead" in said.sentence or "label-mix did not" in said.sentence
    assert all("95 % interval" in gain.text for gain in said.gains)


def test_tables_in_memory_are_those_read_back(made: SyntheticStudy, tmp_path: Path) -> None:
    report_so_far(made.layout, None)
    rows = compare_methods(made.study, read_results(made.layout.results / "so-far" / "metrics.csv"))
    write_comparison(rows, tmp_path / "comparison.csv")
    written = read_table(tmp_path / "comparison.csv", COMPARISON)
    assert table_of(COMPARISON, map(comparison_fields, rows)).equals(written)
    assert table_of(COMPARISON, []).columns.tolist() == list(COMPARISON.names)


def test_without_finished_cells_there_is_no_answer(made: SyntheticStudy) -> None:
    assert answer_so_far(made.study, {}) is None
    damaged = {place: {**content, "best_test_accuracy": None} for place, content in metrics_of(made).items()}
    assert answer_so_far(made.study, damaged) is None


@pytest.mark.parametrize(
    ("added", "leading"),
    [
        ({}, None),
        ({"holes": {"mix": "cutout", "beta": None}, "boxes": {"mix": "cutmix", "beta": [1.0, 1.0]}}, "holes"),
        ({"boxes": {"mix": "cutmix", "beta": [1.0, 1.0]}, "data-mix": METHODS["data-mix"]}, "data-mix"),
        ({"data-mix": METHODS["data-mix"], "label-mix": METHODS["label-mix"]}, "label-mix"),
    ],
    ids=["plain alone", "none of the published", "one of the published", "both"],
)
def test_any_method_is_compared_with_plain_training(added: dict[str, Any], leading: str | None) -> None:
    """What a study without the published ways of mixing asks is answered as well."""
    frames: list[Any] = [pd.DataFrame()] * 7
    study = Study.from_configuration(build_configuration(methods={"non": METHODS["non"], **added}))
    assert leading_method(StudyTables(study, *frames)) == leading
