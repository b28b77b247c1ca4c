"""The page of findings: in step with the kept tables, true to them, and complete before anything is kept."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from smallmix.figures.style import INK, SERIES_COLORS
from smallmix.study.configuration import load_study
from smallmix.study.published import ARTICLE, load_published
from smallmix.study.study import Study

from envs.docs.findings_page import (
    FIGURES,
    build_page,
    dark_colours,
    describe_scale,
    devices,
    expected,
    write_findings,
)
from envs.docs.kept_studies import find_kept
from envs.docs.questions import FINDINGS
from tests.documentation_pages import DOCS, PROJECT
from tests.synthetic_configuration import ARTICLE_BUDGETS, build_configuration
from tests.synthetic_study import CODE_FINGERPRINT
from tests.unit.figures.study_with_tables import build_study_with_tables

MINUS = "\N{MINUS SIGN}"
NAMES = [name for finding in FINDINGS for name in finding.studies]
TABLES = ("study.json", "metrics.csv", "history.csv", "summary.csv", "comparison.csv", "claims.csv", "subset_table.csv")


def keep(root: Path, name: str, **choices: Any) -> Path:
    """Make up a finished study and put its tables where kept ones lie; return that folder."""
    made = build_study_with_tables(
        root / "made" / name, name=name, test_images=200, published="workflow/published/article.yaml", **choices
    )
    folder = root / "reference" / name
    folder.mkdir(parents=True)
    for table in TABLES:
        shutil.copy(made.layout.results / table, folder / table)
    shutil.copytree(made.layout.results / "subsets", folder / "subsets")
    return folder


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kept folders of a study of one size and of a study of two, three seeds each."""
    root = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smallmix.tables.collect.training_code", lambda cell: CODE_FINGERPRINT)
        keep(root, "small-end", sizes=(500, 100), seeds=(0, 1, 2))
        keep(root, "curve-small", sizes=(500, 100), seeds=(0, 1, 2))
        keep(root, "article-rows", sizes=(1000,), seeds=(0,), budgets=ARTICLE_BUDGETS)
    return root / "reference"


@pytest.fixture(scope="module")
def page(reference: Path) -> str:
    return build_page(reference)[0]


def test_the_committed_page_is_in_step_with_the_committed_tables() -> None:
    page, drawings = build_page(PROJECT / "reports" / "reference")
    assert (DOCS / "findings.md").read_text(encoding="utf-8") == page, "write it with: make findings"
    assert {path.name for path in (DOCS / FIGURES).glob("*.svg")} == {Path(place).name for place in drawings}
    for place, drawing in drawings.items():
        assert (DOCS / place).read_text(encoding="utf-8") == drawing, "write it with: make findings"


def test_every_study_that_a_finding_names_is_one_of_ours() -> None:
    for name in {name for finding in FINDINGS for name in finding.studies}:
        assert load_study([PROJECT / "config.yaml", PROJECT / "workflow" / "studies" / f"{name}.yaml"]).name == name


def test_the_page_is_whole_before_anything_is_kept(tmp_path: Path) -> None:
    page, drawings = build_page(tmp_path)
    assert drawings == {}
    assert page.count("**Not run yet.**") == page.count("| not run yet |") == len(FINDINGS)
    assert (
        "snakemake --cores all --configfile workflow/studies/dip-small-longer.yaml\nsmallmix keep dip-small-longer"
        in page
    )


def test_a_kept_study_of_other_images_comes_again_with_those_it_is_compared_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`calmer-small-cosine` of the original images was to be held against `beta-small` of copies: not answered."""
    monkeypatch.setattr("smallmix.tables.collect.training_code", lambda cell: CODE_FINGERPRINT)
    folder = keep(tmp_path, "beta-small", sizes=(250,), seeds=(0, 1, 2))
    calls = "snakemake --cores all --configfile workflow/studies/beta-small.yaml\nsmallmix keep beta-small\nsnakemake"
    assert calls not in build_page(folder.parent)[0]
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    images = {"folder": "copies", "identifier": "copies", "title": "copied images", "image_size": 32, "color": "rgb"}
    study["dataset"] = {"name": "image-list", "image-list": images}
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    page = build_page(folder.parent)[0]
    assert calls in page
    assert "`beta-small` is kept, trained on copied images. Only studies of equal images are compared." in page


def test_what_an_older_version_kept_counts_as_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "small-end"
    folder.mkdir()
    study = Study.from_configuration(build_configuration(name="small-end"))
    (folder / "study.json").write_text(study.to_json(), encoding="utf-8")
    (folder / "metrics.csv").write_text("study,size\nsmall-end,500\n", encoding="utf-8")
    kept, unreadable = find_kept(tmp_path, NAMES)
    assert (kept, list(unreadable)) == ({}, ["small-end"])
    assert "What is kept of `small-end` comes from an older version or is damaged." in build_page(tmp_path)[0]


@pytest.mark.parametrize("table", ["metrics.csv", "history.csv", "summary.csv", "comparison.csv"])
def test_a_study_that_lacks_a_table_counts_as_not_run(reference: Path, tmp_path: Path, table: str) -> None:
    """A figure without its summary would show the published numbers alone."""
    shutil.copytree(reference / "curve-small", tmp_path / "curve-small")
    assert list(find_kept(tmp_path, NAMES)[0]) == ["curve-small"]
    (tmp_path / "curve-small" / table).unlink()
    assert [*find_kept(tmp_path, NAMES)[0]] == []
    assert [*find_kept(tmp_path, NAMES)[1]] == ["curve-small"]


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def shown(points: float) -> str:
    return f"{points:+.1f}".replace("-", MINUS)


def test_the_gains_are_those_of_the_kept_table(page: str, reference: Path) -> None:
    """Recomputed with the standard library alone; 4.302653 is the quantile of Student's t for three seeds.

    Of four intervals that hold together each is one of 98.75 %, of quantile 8.860200.
    """
    rows = read(reference / "curve-small" / "metrics.csv")
    section = page.partition("## 1. ")[2].partition("## 2. ")[0]
    best = {(row["size"], row["method"], row["seed"]): 100 * float(row["best_test_accuracy"]) for row in rows}
    for size in ("500", "100"):
        for method in ("data-mix", "label-mix"):
            gains = [best[size, method, seed] - best[size, "non", seed] for seed in "012"]
            mean = sum(gains) / 3
            error = math.sqrt(sum((gain - mean) ** 2 for gain in gains) / 2 / 3)
            own, joint = (
                f"{shown(mean - reach)} to {shown(mean + reach)}" for reach in (4.302653 * error, 8.860200 * error)
            )
            assert f"| {method} at {size} | {shown(mean)} | {own} | {joint} | 3 |" in section


def test_the_range_of_single_runs_is_that_of_the_kept_table(page: str, reference: Path) -> None:
    rows = read(reference / "small-end" / "metrics.csv")
    section = page.partition("## 8. ")[2].partition("## 9. ")[0]
    best = {(row["size"], row["method"], row["seed"]): 100 * float(row["best_test_accuracy"]) for row in rows}
    gains = [best["500", "label-mix", seed] - best["500", "non", seed] for seed in "012"]
    mean = sum(gains) / 3
    reach = 4.302653 * math.sqrt(sum((gain - mean) ** 2 for gain in gains) / 2 * (1 + 1 / 3))
    line = f"| label-mix minus non at 500 | {shown(mean)} | {shown(mean - reach)} to {shown(mean + reach)} | 3 |"
    assert line in section
    assert "| quantity | mean | 95 % prediction interval of a further run | seeds |" in section


def test_the_overview_says_at_which_scale_each_answer_holds(page: str, reference: Path) -> None:
    """A reader of the first table must not take a small study for the article."""
    overview = page.partition("\n## ")[0]
    values = Study.load(reference / "article-rows" / "study.json").cells[0].value
    assert f"| width {values.model.width}, {values.iterations:,} iterations, 1 seed | `article-rows` |" in overview
    several = {cell.value.iterations for cell in Study.load(reference / "curve-small" / "study.json").cells}
    (row,) = (line for line in overview.splitlines() if line.startswith("| 1 |"))
    assert f", {min(several):,} to {max(several):,} iterations, 3 seeds | `curve-small` |" in row
    assert "| not run yet |  | `beta-small` |" in overview


def test_the_published_row_stands_beside_ours(page: str, reference: Path) -> None:
    """The article has 47.83, 57.43 and 53.25 %. One seed has no interval."""
    rows = {row["method"]: row for row in read(reference / "article-rows" / "metrics.csv")}
    section = page.partition("## 13. ")[2]
    assert "Of 3 published accuracies, " in section
    for method, published in (("non", 47.83), ("data-mix", 57.43), ("label-mix", 53.25)):
        ours = 100 * float(rows[method]["best_test_accuracy"])
        assert f"{method} at 1,000 {ours:.2f} instead of {published:.2f}" in section
        assert f"| {method} at 1,000 | {shown(ours - published)} | none | 1 |" in section


def test_every_section_that_is_answered_has_all_its_parts(page: str) -> None:
    for number in (1, 4, 8, 9):
        section = page.partition(f"## {number}. ")[2].partition("\n## ")[0]
        for part in ("](images/findings/", "- Scale: `", "- What it does not show: ", "- What would change it: "):
            assert part in section, (number, part)


def test_the_page_asks_every_question_that_the_article_leaves_open() -> None:
    asked = {finding.question for finding in FINDINGS}
    assert {one.question for one in load_published(ARTICLE).questions} <= asked


def test_the_devices_of_a_kept_study_are_named_once() -> None:
    groups = [{"device": "NVIDIA H200", "processor": "Xeon"}, {"device": "cpu", "processor": "EPYC"}]
    groups.append({"device": "NVIDIA H200", "processor": "Other"})
    cells = (["a", "b"], ["c"], ["d"])
    provenance = {"environments": [{"environment": one, "cells": two} for one, two in zip(groups, cells, strict=True)]}
    found = devices(SimpleNamespace(provenance=provenance))  # type: ignore[arg-type]
    assert found == ["NVIDIA H200 (3 of 4 cells)", "EPYC (1 of 4 cells)"]
    provenance["environments"].pop(1)
    assert devices(SimpleNamespace(provenance=provenance)) == ["NVIDIA H200"]  # type: ignore[arg-type]
    assert devices(SimpleNamespace(provenance={})) == []  # type: ignore[arg-type]


def test_what_was_expected_is_told_beside_what_came_out(page: str) -> None:
    """The studies of the fixture state nothing; the project's own do."""
    assert "Expected before it was run" not in page
    study = load_study([PROJECT / "config.yaml", PROJECT / "workflow" / "studies" / "curve-small.yaml"])
    assert expected(study).startswith("Mixing gains most at the small sizes, ")
    page = (DOCS / "findings.md").read_text(encoding="utf-8")
    first, fourth, seventh = (page.partition(f"\n## {number}. ")[2].partition("\n## ")[0] for number in (1, 4, 7))
    assert f"\n- Expected before it was run: {expected(study)}\n" in first
    assert "Expected before it was run" not in fourth, "the hypothesis is about the first question"
    assert seventh.count("Expected before it was run") == 1, "that of beta-small is about another question"


def test_the_page_follows_from_the_kept_folder_alone(reference: Path, tmp_path: Path, page: str) -> None:
    """Neither the folder where it is built nor results beside it play a part."""
    copy = tmp_path / "elsewhere"
    shutil.copytree(reference, copy)
    assert build_page(copy)[0] == page


def test_the_scale_names_images_network_iterations_and_seeds() -> None:
    study = Study.from_configuration(
        build_configuration(
            name="mine", sizes=(500, 100), seeds=(0, 1), width=16,
            budgets={"default": {"iterations": 2000}, "100": {"iterations": 500}},
        )
    )  # fmt: skip
    assert describe_scale(study) == (
        "`mine`: CIFAR-10, 100 and 500 training images (the first of the list), network preact-resnet18 of width 16, "
        "fp32, 500 to 2,000 iterations, 2 seeds. Tables in `reports/reference/mine/`."
    )
    own = Study.from_configuration(build_configuration(dataset="image-list", sizes=(100,), seeds=(0,)))
    assert ", 2 seeds, on NVIDIA H200 and AMD EPYC. Tables in" in describe_scale(study, ["NVIDIA H200", "AMD EPYC"])
    assert describe_scale(own).startswith("`synthetic`: Own images, 100 training images (the first of the list), ")


def test_drawings_turn_dark_where_the_viewer_does(reference: Path) -> None:
    _, drawings = build_page(reference)
    dark = dark_colours()
    assert set(dark) >= {INK, *SERIES_COLORS}
    for drawing in drawings.values():
        assert "@media (prefers-color-scheme: dark)" in drawing
        assert f'[style*="fill: {INK}"] {{ fill: {dark[INK]} !important }}' in drawing


def test_drawings_that_the_page_no_longer_shows_are_removed(reference: Path, tmp_path: Path) -> None:
    old = tmp_path / FIGURES / "of-yesterday.svg"
    old.parent.mkdir(parents=True)
    old.write_text("<svg/>", encoding="utf-8")
    written = write_findings(reference, tmp_path)
    assert not old.exists()
    assert written[0] == tmp_path / "findings.md"
    assert len(written) == 1 + len(list((tmp_path / FIGURES).glob("*.svg"))) > 1
    assert json.loads((reference / "small-end" / "study.json").read_text())["study"] == "small-end"
