"""A page of what there is so far is made for news alone, and a run ends with the report's own sentence."""

from __future__ import annotations

import copy
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from smallmix.planning import run_view
from smallmix.planning.run_view import CurrentRun, announce, current, has_news, read_answer, remove_so_far
from smallmix.study.study import Study

from tests.synthetic_study import SyntheticStudy, build_synthetic_study
from tests.tiny_study import TinyStudy


@pytest.fixture
def made(tmp_path: Path) -> SyntheticStudy:
    return build_synthetic_study(tmp_path)


def make_page(made: SyntheticStudy) -> Path:
    page = made.layout.report / "so-far" / "report.html"
    page.parent.mkdir(parents=True)
    page.write_text("a page", encoding="utf-8")
    newest = max(path.stat().st_mtime for path in made.layout.results.glob("cells/**/*"))
    os.utime(page, (newest + 10, newest + 10))
    return page


def test_finished_cells_are_news_until_a_page_shows_them(made: SyntheticStudy) -> None:
    assert has_news(made.layout)
    page = make_page(made)
    assert not has_news(made.layout)
    place = made.study.cells[0].id
    made.fail(place)
    later = page.stat().st_mtime + 10
    os.utime(made.folder(place) / "failure.json", (later, later))
    assert has_news(made.layout)


def test_a_study_without_an_ended_cell_has_no_news(made: SyntheticStudy) -> None:
    for cell in made.study.cells:
        made.remove(cell.id)
    assert not has_news(made.layout)


def test_the_page_and_its_tables_are_removed(made: SyntheticStudy) -> None:
    page = make_page(made)
    tables = made.layout.results / "so-far"
    tables.mkdir()
    remove_so_far(made.layout)
    assert not page.parent.exists()
    assert not tables.exists()
    assert made.layout.study_file.exists()
    remove_so_far(made.layout)


def test_the_last_lines_are_the_reports_sentence_and_place(
    made: SyntheticStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_view, "_current", [])
    run = CurrentRun(made.layout, "snakemake")
    assert run.closing_lines() == []
    page = made.layout.report / "report.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text('<p class="verdict">a &amp; b\n is <em>ahead</em>.</p><p>more</p>', encoding="utf-8")
    assert run.closing_lines() == ["a & b is ahead.", f"the report: {page}"]
    page.write_text("nothing", encoding="utf-8")
    assert read_answer(page) is None
    announce(run)
    assert current() is run


def test_a_dry_run_says_why_cells_are_to_run(tmp_path: Path) -> None:
    made = TinyStudy.write(tmp_path)
    for cell in ("n20/non/seed0", "n20/non/seed1", "n20/data-mix/seed0"):
        made.train(cell)
    shutil.rmtree(made.layout.cell(made.cell("n20/data-mix/seed0")))
    values = copy.deepcopy(made.layout.study.configuration)
    values["methods"]["non"] = {**values["methods"]["data-mix"], "beta": [3, 1]}
    changed = replace(made.layout, study=Study.from_configuration(values))
    said = CurrentRun(changed, "").reasons([cell.id for cell in changed.study.cells])
    assert [line.partition(":")[0] for line in said] == ["2 outdated", "1 trained before, and taken from the store"]
    assert 'method.mix is "none", wanted "images"' in said[0]
    assert CurrentRun(changed, "").reasons(["n20/label-mix/seed0"]) == []
