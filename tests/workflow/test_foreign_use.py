"""Used from elsewhere: another folder, another Snakefile that includes this one, and as a module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.study_run import PROJECT, TINY_STUDY

INCLUDED = f'include: "{PROJECT}/Snakefile"\n'
MODULE = f"""
configfile: "outer.yaml"


module smallmix:
    snakefile:
        "{PROJECT}/Snakefile"
    config:
        config["smallmix"]


use rule * from smallmix as mix_*
"""


def snakemake(folder: Path, *arguments: str) -> str:
    """Return the output of a dry run in `folder`, which must succeed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments, "-n", "--cores", "1"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Return a folder without any file of the project's, with an overlay."""
    (tmp_path / "tiny.yaml").write_text(TINY_STUDY, encoding="utf-8")
    return tmp_path


def test_an_overlay_alone_changes_the_projects_own_configuration(elsewhere: Path) -> None:
    output = snakemake(elsewhere, "-s", f"{PROJECT}/Snakefile", "--configfile", "tiny.yaml")
    assert "train_cell              6" in output


def test_the_projects_study_runs_where_there_is_nothing(elsewhere: Path) -> None:
    assert "train_cell             24" in snakemake(elsewhere, "-s", f"{PROJECT}/Snakefile")


def test_an_including_snakefile_is_asked_to_name_a_target(elsewhere: Path) -> None:
    (elsewhere / "Snakefile").write_text(INCLUDED, encoding="utf-8")
    assert "name a target" in snakemake(elsewhere, "--configfile", "tiny.yaml")
    assert "train_cell              6" in snakemake(elsewhere, "all", "--configfile", "tiny.yaml")


def test_as_a_module_it_brings_its_own_files_and_published_numbers(elsewhere: Path) -> None:
    (elsewhere / "Snakefile").write_text(MODULE, encoding="utf-8")
    study = "\n".join(
        [
            "study: tiny",
            "dataset: {name: digits}",
            "subsets: {sizes: [20, 40]}",
            "methods: {non: {mix: none}, label-mix: {mix: images-and-labels, beta: [1, 1]}}",
            "seeds: [0]",
            "recipe: {augmentation: {crop_padding: 1, flip: false}}",
            "budgets: {default: {iterations: 4}}",
            "published: workflow/published/article.yaml",
        ]
    )
    text = "smallmix:\n" + "".join(f"  {line}\n" for line in study.splitlines())
    (elsewhere / "outer.yaml").write_text(text, encoding="utf-8")
    output = snakemake(elsewhere)
    assert "mix_train_cell              4" in output
    assert "mix_render_report           1" in output
