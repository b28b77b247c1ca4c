"""A study that chooses on validation images, from its configuration to the page; and what a change of it runs again."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.workflow.study_run import StudyRun

VALIDATED = "evaluation: {validation_images: 30, "


@pytest.fixture(scope="module")
def validated_study(tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    """The tiny study with 30 validation images, run from nothing to its report."""
    study = StudyRun.create(tmp_path_factory.mktemp("validated") / "project")
    study.edit("tiny.yaml", "evaluation: {", VALIDATED)
    study.edit("tiny.yaml", "seeds: [0]", "seeds: [0]\nselection: validation")
    study.run()
    return study


def rows_of(table: Path) -> set[int]:
    with open(table, encoding="utf-8", newline="") as stream:
        return {int(row["row"]) for row in csv.DictReader(stream)}


def test_from_the_configuration_to_the_page(validated_study: StudyRun) -> None:
    results = validated_study.folder / "results" / "tiny"
    validation = rows_of(results / "subsets" / "validation.csv")
    assert len(validation) == 30
    assert not validation & rows_of(results / "subsets" / "n40.csv")
    assert not validation & rows_of(results / "subsets" / "n20.csv")
    history = (validated_study.cell("n20/non/seed0") / "history.csv").read_text(encoding="ascii").splitlines()
    assert history[0].endswith("test_loss,test_accuracy,validation_loss,validation_accuracy")
    metrics = json.loads((validated_study.cell("n20/non/seed0") / "metrics.json").read_text(encoding="ascii"))
    assert metrics["cell"]["evaluation"]["validation_images"] == 30
    assert 0 <= metrics["validation_best_test_accuracy"] <= metrics["best_test_accuracy"]
    with open(results / "comparison.csv", encoding="utf-8", newline="") as stream:
        assert {row["selection"] for row in csv.DictReader(stream)} == {"best", "last", "last_tenth", "validation"}
    page = (validated_study.folder / "reports" / "tiny" / "report.html").read_text(encoding="utf-8")
    assert "This study declares the moment of best validation" in page
    assert "30 training images that no subset of the study uses, drawn once for all runs (draw seed 0)" in page
    assert validated_study.planned() == {}


def test_another_number_of_them_trains_every_cell_anew(validated_study: StudyRun, tmp_path: Path) -> None:
    study = validated_study.copy_to(tmp_path / "project")
    study.edit("tiny.yaml", "validation_images: 30", "validation_images: 31")
    planned = study.planned()
    assert planned["draw_validation"] == 1
    assert planned["train_cell"] == 6
    assert "extract_subset" not in planned


def test_a_size_above_the_largest_draws_others_and_one_below_does_not(
    validated_study: StudyRun, tmp_path: Path
) -> None:
    study = validated_study.copy_to(tmp_path / "project")
    study.edit("tiny.yaml", "sizes: [20, 40]", "sizes: [20, 30, 40]")
    planned = study.planned()
    assert "draw_validation" not in planned
    assert planned["train_cell"] == 3
    study.edit("tiny.yaml", "sizes: [20, 30, 40]", "sizes: [20, 40, 50]")
    planned = study.planned()
    assert planned["draw_validation"] == 1
    assert planned["train_cell"] == 9


def test_another_selection_trains_nothing(validated_study: StudyRun, tmp_path: Path) -> None:
    study = validated_study.copy_to(tmp_path / "project")
    study.edit("tiny.yaml", "selection: validation", "selection: last-tenth")
    planned = study.planned()
    assert "train_cell" not in planned
    assert planned["compare_methods"] == planned["render_report"] == 1


def test_a_lost_and_an_edited_table_are_drawn_again(validated_study: StudyRun, tmp_path: Path) -> None:
    study = validated_study.copy_to(tmp_path / "project")
    table = study.folder / "results/tiny/subsets/validation.csv"
    content = table.read_text(encoding="utf-8")
    table.unlink()
    assert study.planned("subsets")["draw_validation"] == 1
    table.write_text("".join(content.splitlines(keepends=True)[:-1]), encoding="utf-8")
    assert study.planned("subsets")["draw_validation"] == 1
    study.run()
    assert table.read_text(encoding="utf-8") == content
    assert study.planned() == {}


def test_without_validation_images_nothing_is_drawn(finished_study: StudyRun) -> None:
    assert not (finished_study.folder / "results/tiny/subsets/validation.csv").exists()
    assert finished_study.planned("subsets") == {}


def test_more_images_than_are_left_are_refused_before_anything_runs(validated_study: StudyRun, tmp_path: Path) -> None:
    study = validated_study.copy_to(tmp_path / "project")
    study.edit("tiny.yaml", "validation_images: 30", "validation_images: 1258")
    refused = study.snakemake("--cores", "1")
    assert refused.returncode != 0
    assert "evaluation.validation_images" in refused.stdout + refused.stderr
    assert "allowed: at most 1257" in refused.stdout + refused.stderr
