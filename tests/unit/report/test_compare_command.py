"""Protects `compare`: which cells count, what is said to differ, and the forms that it is written in."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from smallmix.commands.main import main
from smallmix.tables import collect

from tests.synthetic_study import CODE_FINGERPRINT, SyntheticStudy, build_synthetic_study
from tests.unit.report.rendered_page import Page

PLACES: dict[str, Any] = {"sizes": [500, 100], "seeds": [0, 1, 2]}


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[SyntheticStudy, SyntheticStudy]:
    """Two studies of the same images; the second trains longer and lacks a cell."""
    monkeypatch.setattr(collect, "training_code", lambda _: CODE_FINGERPRINT)
    first = build_synthetic_study(tmp_path, name="short", **PLACES)
    second = build_synthetic_study(
        tmp_path,
        name="long",
        budgets={"default": {"epochs": 40}},
        generator_seed=1,
        missing=["n500/non/seed2"],
        **PLACES,
    )
    return first, second


def compare(made: SyntheticStudy, *options: str) -> int:
    return main(["compare", "short", "long", "--root", str(made.root), *options])


def test_the_terminal_gets_tables_and_what_differs(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(studies[0]) == 0
    text = capsys.readouterr().out
    assert text.startswith("long against short\n")
    assert "long: 1 of 18 cells left out, without a current result" in text
    assert "n500/non/seed2 (waiting)" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["budgets.default.epochs", "20", "40"] in lines
    (row,) = [line for line in text.splitlines() if line.split()[:2] == ["500", "non"]]
    assert "2 paired" in row
    assert "*" not in text


def test_csv_is_the_declared_table_with_the_means_of_the_cells(
    studies: tuple[SyntheticStudy, SyntheticStudy], tmp_path: Path
) -> None:
    path = tmp_path / "differences.csv"
    assert compare(studies[0], "--output", str(path), "--selection", "all") == 0
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert {row["selection"] for row in rows} == {"best", "last", "last_tenth"}
    (row,) = [
        row
        for row in rows
        if (row["size"], row["method"], row["reference"], row["selection"]) == ("100", "non", "", "last")
    ]
    accuracies = [
        [made.metrics(f"n100/non/seed{seed}")["final_test_accuracy"] for seed in range(3)] for made in studies
    ]
    assert float(row["first_mean"]) == pytest.approx(sum(accuracies[0]) / 3)
    assert float(row["difference"]) == pytest.approx(sum(accuracies[1]) / 3 - sum(accuracies[0]) / 3)
    assert (row["pairing"], row["pairs"]) == ("paired", "3")


def test_the_page_is_whole_and_loads_nothing(studies: tuple[SyntheticStudy, SyntheticStudy], tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert compare(studies[0], "--output", str(path)) == 0
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert (page.unbalanced, page.open) == ([], [])
    assert page.named("script") == []
    assert all("src" not in attributes for _, attributes in page.elements)
    assert len(page.named("table")) == len(page.named("caption")) == 3  # accuracies, gains, configuration


@pytest.mark.parametrize(("form", "mark"), [("markdown", "|---:|"), ("latex", r"\toprule")])
def test_other_forms(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str], form: str, mark: str
) -> None:
    assert compare(studies[0], "--format", form) == 0
    assert mark in capsys.readouterr().out


def test_other_subsets_are_said_and_not_paired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(collect, "training_code", lambda _: CODE_FINGERPRINT)
    made = build_synthetic_study(tmp_path, name="short", **PLACES)
    build_synthetic_study(tmp_path, name="long", rule="balanced", **PLACES)
    assert compare(made) == 0
    text = capsys.readouterr().out
    # All 500 images there are in either order: only the draws of 100 differ.
    assert "100 images: 3 of 3 subsets of common seeds are other images." in text
    pairing = {
        tuple(line.split()[:2]): "unpaired" in line
        for line in text.splitlines()
        if " paired" in line or "unpaired" in line
    }
    assert (pairing["500", "non"], pairing["100", "non"], pairing["all", "non"]) == (False, True, True)


def test_a_study_against_itself_says_so(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "short", "short", "--root", str(studies[0].root)]) == 0
    text = capsys.readouterr().out
    assert "18 trainings are one and the same in both studies." in text
    assert "Nothing differs" in text


def test_other_code_and_machines_are_named(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str]
) -> None:
    made = studies[1]
    for cell in made.study.cells:
        if cell.id != "n500/non/seed2":
            environment = {**made.metrics(cell.id)["environment"], "torch": "9.9.9", "precision": "bf16"}
            made.edit_metrics(cell.id, environment=environment)
    assert compare(made) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["torch", "2.14.1", "9.9.9"] in lines
    assert ["precision", "fp32", "bf16"] in lines


def test_exit_codes(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(studies[0].root)
    assert main(["compare", "short", "nowhere", "--root", root]) == 2
    assert "nowhere: is neither a study nor a file" in capsys.readouterr().err
    whole = collect.collect
    monkeypatch.setattr(
        collect,
        "collect",
        lambda study, layout: (
            replace(whole(study, layout), records=()) if study.name == "long" else whole(study, layout)
        ),
    )
    assert compare(studies[0]) == 1
    assert "study long has no current result" in capsys.readouterr().err
