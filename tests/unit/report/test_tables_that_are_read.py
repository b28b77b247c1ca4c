"""Figures and page read what their rules declare, and nothing beside it: another job may be writing that just now."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from smallmix.commands.main import main
from smallmix.figures.catalogue import TABLE_FIGURES
from smallmix.figures.figure_files import svg_text
from smallmix.report.page import render_page
from smallmix.tables.study_tables import DRAWN, PROVENANCE, TABLES_READ, WRITTEN_OUT, load_tables

from tests.synthetic_study import SyntheticStudy
from tests.unit.figures.study_with_tables import build_study_with_tables

ALL = (*TABLES_READ, PROVENANCE)
RULES = Path(__file__).resolve().parents[3] / "workflow" / "rules"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    return build_study_with_tables(tmp_path_factory.mktemp("study"), sizes=[100])


def damage_all_but(made: SyntheticStudy, copy: Path, names: tuple[str, ...]) -> Path:
    shutil.copytree(made.root, copy)
    results = copy / "results" / made.study.name
    files = {name: table.file for name, table in TABLES_READ.items()} | {PROVENANCE: "provenance.json"}
    others = files.keys() - set(names)
    assert others
    for name in others:
        (results / files[name]).write_text("half a fi", encoding="utf-8")
    return results / "study.json"


def test_figures_are_drawn_of_the_declared_tables_alone(made: SyntheticStudy, tmp_path: Path) -> None:
    study = damage_all_but(made, tmp_path / "copy", DRAWN)
    chosen = ["--figure", "calibration", "--figure", "accuracy_by_class", "--figure", "confusion_matrices"]
    assert main(["plot-figures", "--study", str(study), "--output-dir", str(tmp_path / "figures"), *chosen]) == 0


def test_no_figure_needs_another_table(made: SyntheticStudy) -> None:
    every, declared = (load_tables(made.study, made.root, only=names) for names in (ALL, DRAWN))
    for name, maker in TABLE_FIGURES.items():
        first, second = (svg_text(maker.draw(tables), name) for tables in (every, declared))
        assert first == second, name
        assert maker.describe(every) == maker.describe(declared), name


def test_the_page_is_written_of_the_declared_tables_alone(made: SyntheticStudy, tmp_path: Path) -> None:
    study = damage_all_but(made, tmp_path / "copy", WRITTEN_OUT)
    assert main(["render-report", "--study", str(study), "--output", str(tmp_path / "report.html")]) == 0


def test_the_page_needs_no_other_table(made: SyntheticStudy, tmp_path: Path) -> None:
    every, declared = (load_tables(made.study, made.root, only=names) for names in (ALL, WRITTEN_OUT))
    assert render_page(every, tmp_path) == render_page(declared, tmp_path)


@pytest.mark.parametrize(
    ("file", "rule", "names"), [("figures", "plot_figures", DRAWN), ("report", "render_report", WRITTEN_OUT)]
)
def test_the_rule_declares_them(file: str, rule: str, names: tuple[str, ...]) -> None:
    text = (RULES / f"{file}.smk").read_text(encoding="utf-8")
    inputs = text[text.index(f"rule {rule}:") : text.index("    output:")].replace("SUBSET_TABLE", "subset_table.csv")
    assert set(re.findall(r"(\w+)\.(?:csv|json)\b", inputs)) - {"dataset"} == set(names)
