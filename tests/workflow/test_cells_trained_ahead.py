"""Cells that `train-cells` trained before Snakemake came need no job; each is still one job of its own afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.workflow.study_run import StudyRun

PLACE = "n20/label-mix/seed0"


def train_cells(study: StudyRun, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Train cells of the study in one process, two at once."""
    command = [sys.executable, "-m", "smallmix", "train-cells", "--study", "results/tiny/study.json"]
    return subprocess.run(
        [*command, "--gpus", "0", "--at-once", "2", *arguments],
        cwd=study.folder,
        env={**os.environ, "PYTHONPATH": "workflow"},
        check=False,
        capture_output=True,
        text=True,
    )


def test_snakemake_finds_them_in_the_store(finished_study: StudyRun, tmp_path: Path) -> None:
    """Its jobs, records and logs are what they are without `train-cells`, and so is what a change runs again."""
    study = StudyRun.create(tmp_path / "project")
    study.run("subsets")
    done = train_cells(study, "--store-only")
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("smallmix train-cells: 6 of 6 cells are done.\n")
    begun = [line.partition("/")[0] for line in done.stderr.splitlines() if ": training 4 iterations" in line]
    assert sorted(begun) == ["n20"] * 3 + ["n40"] * 3
    assert not (study.folder / "results/tiny/cells").exists()
    study.run("cells")
    assert study.planned("cells") == {}
    for place in ("n20/label-mix/seed0", "n40/non/seed0"):
        assert "found in the store" in (study.folder / f"logs/tiny/cells/{place}.log").read_text()
        for name in ("history.csv", "predictions.npz"):
            assert (study.cell(place) / name).read_bytes() == (finished_study.cell(place) / name).read_bytes()
    (study.cell(PLACE) / "history.csv").unlink()
    assert study.planned("cells") == {"train_cell": 1}
    study.edit("tiny.yaml", "\nbudgets: {", "\nbudgets: {20: {iterations: 5}, ")
    assert study.planned("cells")["train_cell"] == 3


def test_what_it_published_is_current(finished_study: StudyRun, tmp_path: Path) -> None:
    """As copied results are: Snakemake has no record of them, and needs none to see that they fit."""
    study = StudyRun.create(tmp_path / "project")
    study.run("subsets")
    assert train_cells(study).returncode == 0
    assert study.planned("cells") == {}
    for name in ("history.csv", "predictions.npz"):
        assert (study.cell(PLACE) / name).read_bytes() == (finished_study.cell(PLACE) / name).read_bytes()


def test_cells_can_be_named(study: StudyRun) -> None:
    done = train_cells(study, "--cell", PLACE, "--cell", PLACE)
    assert done.returncode == 0, done.stderr
    assert f"{PLACE}: found in the store" in done.stderr
    assert done.stderr.endswith("1 of 1 cells are done.\n")
    done = train_cells(study, "--cell", "n20/label-mix/seed7")
    assert done.returncode == 1
    assert done.stderr.startswith("smallmix train-cells: study tiny has no cell n20/label-mix/seed7.")
    assert "Traceback" not in done.stderr
    done = train_cells(study, "--at-once", "0")
    assert done.returncode == 2
    assert "--at-once must be 1 or more (given: 0)" in done.stderr
