"""Nothing lost goes unseen, and nothing changed is taken for current, whatever Snakemake's own records hold."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.study_run import StudyRun

PLACE = "n20/label-mix/seed0"


def iterations_shown(study: StudyRun) -> dict[str, str]:
    """Return the iterations of each size, as metrics.csv gives them."""
    with open(study.folder / "results/tiny/metrics.csv", encoding="utf-8", newline="") as stream:
        return {row["size"]: row["iterations"] for row in csv.DictReader(stream)}


def with_mtime_only(study: StudyRun) -> StudyRun:
    """Return the same folder, for a user whose own profile looks at file times alone."""
    profile = study.folder / "profile-of-the-user"
    profile.mkdir()
    (profile / "config.yaml").write_text("rerun-triggers: [mtime]\n", encoding="utf-8")
    return dataclasses.replace(study, environment=(("SNAKEMAKE_PROFILE", str(profile)),))


def discard(study: StudyRun, *options: str) -> str:
    """Run `discard`; return its output."""
    command = [sys.executable, "-m", "smallmix", "discard", "tiny.yaml"]
    done = subprocess.run(
        [*command, *options],
        cwd=study.folder,
        env={**os.environ, "PYTHONPATH": "workflow"},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("lost", "rule"),
    [
        ("results/tiny/metrics.csv", "collect_metrics"),
        ("results/tiny/provenance.json", "collect_metrics"),
        ("results/tiny/summary.csv", "summarize_cells"),
        ("results/tiny/comparison.csv", "compare_methods"),
        ("results/tiny/per_class.csv", "tabulate_classes"),
        ("results/tiny/confusion.csv", "tabulate_classes"),
        ("results/tiny/own_metrics.csv", "compute_metrics"),
        ("results/tiny/claims.csv", "judge_claims"),
        ("results/tiny/subset_table.csv", "tabulate_subsets"),
        ("results/tiny/study.json", "resolve_study"),
        ("results/tiny/subsets/n20.csv", "extract_subset"),
        (f"results/tiny/cells/{PLACE}/predictions.npz", "train_cell"),
        ("reports/tiny/figures/loss_curves.png", "plot_figures"),
        ("reports/tiny/figures/calibration.json", "plot_figures"),
    ],
)
def test_a_lost_file_is_made_again(study: StudyRun, lost: str, rule: str) -> None:
    (study.folder / lost).unlink()
    assert study.planned()[rule] == 1


def test_a_failed_collection_is_tried_again(study: StudyRun) -> None:
    metrics = study.cell(PLACE) / "metrics.json"
    content = json.loads(metrics.read_text(encoding="utf-8"))
    content["best_test_accuracy"] = 0.99
    metrics.write_text(json.dumps(content), encoding="utf-8")
    for _ in range(2):
        result = study.snakemake("--cores", "2")
        assert result.returncode != 0
        assert "contradict" in result.stdout + result.stderr
    assert f"{PLACE}/metrics.json: its files contradict" in discard(study), "as the collection reports it"
    study.run()
    assert study.planned() == {}


def test_a_profile_that_looks_at_times_alone_hides_no_change(study: StudyRun) -> None:
    study = with_mtime_only(study)
    study.edit("tiny.yaml", "\nbudgets: {", "\nbudgets: {20: {iterations: 5}, ")
    assert study.planned()["train_cell"] == 3
    study.run()
    assert iterations_shown(study) == {"20": "5", "40": "4"}
    study.edit("tiny.yaml", "sizes: [20, 40]", "sizes: [20, 40], rule: balanced")
    planned = study.planned()
    assert (planned["extract_subset"], planned["train_cell"]) == (2, 6)
    study.run("subsets")
    assert study.planned("subsets") == {}


def test_what_was_touched_after_a_change_is_made_anew(study: StudyRun) -> None:
    study.edit("tiny.yaml", "\nbudgets: {", "\nbudgets: {20: {iterations: 5}, ")
    study.run("--touch")
    planned = study.planned()
    assert planned["train_cell"] == 3
    assert planned["resolve_study"] == 1
    assert study.planned("plan") == {"plan": 1}, "other targets do not train"


def test_marks_of_a_dry_run_are_taken_back_with_the_change(study: StudyRun) -> None:
    study.edit("tiny.yaml", "\nbudgets: {", "\nbudgets: {20: {iterations: 5}, ")
    assert study.planned()["train_cell"] == 3
    study.edit("tiny.yaml", "\nbudgets: {20: {iterations: 5}, ", "\nbudgets: {")
    assert study.planned() == {}


def copied(study: StudyRun, order: list[str]) -> None:
    """Leave what a copy without Snakemake's records and the store has, with times in the order of copying."""
    shutil.rmtree(study.folder / ".snakemake")
    shutil.rmtree(study.folder / "results/store")
    time = 1_700_000_000
    for part in order:
        for path in sorted((study.folder / part).rglob("*")):
            if path.is_file():
                os.utime(path, (time, time))
                time += 1


@pytest.mark.parametrize("order", [["results", "reports", "resources"], ["resources", "reports", "results"]])
def test_copies_with_new_times_and_without_the_store_are_taken_over(study: StudyRun, order: list[str]) -> None:
    before = {path: path.read_bytes() for path in (study.folder / "results/tiny/cells").rglob("*.*")}
    copied(study, order)
    planned = study.planned()
    assert not {"train_cell", "extract_subset", "fetch_dataset"} & planned.keys()
    study.run()
    assert {path: path.read_bytes() for path in before} == before
    assert study.planned() == {}


def test_results_alone_are_taken_over_once_their_images_are_there(study: StudyRun) -> None:
    before = (study.cell(PLACE) / "metrics.json").read_bytes()
    copied(study, ["results"])
    shutil.rmtree(study.folder / "resources")
    study.run()
    assert (study.cell(PLACE) / "metrics.json").read_bytes() == before, "times in it would differ after a training"
    log = (study.folder / f"logs/tiny/cells/{PLACE}.log").read_text(encoding="utf-8")
    assert "found in the store" in log


def test_an_edited_number_in_a_copy_is_refused_and_discarded(study: StudyRun) -> None:
    copied(study, ["resources", "results", "reports"])
    metrics = study.cell(PLACE) / "metrics.json"
    content = json.loads(metrics.read_text(encoding="utf-8"))
    content["final_test_loss"] += 1
    metrics.write_text(json.dumps(content), encoding="utf-8")
    refused = study.snakemake("-n", "--cores", "1")
    assert refused.returncode != 0
    assert f"results/tiny/cells/{PLACE}/metrics.json: its files contradict" in refused.stdout + refused.stderr
    assert discard(study, "--dry-run").count("outdated:") == 1
    discard(study)
    assert study.planned()["train_cell"] == 1


def test_a_data_set_of_this_name_that_the_user_made_stops_the_run(tmp_path: Path) -> None:
    study = StudyRun.create(tmp_path / "project")
    own = study.folder / "resources/digits/train.csv"
    own.parent.mkdir(parents=True)
    own.write_text("path,label\n1.png,one\n", encoding="utf-8")
    result = study.snakemake("--cores", "1")
    assert result.returncode != 0
    assert "resources/digits holds train.csv" in result.stdout + result.stderr
    assert own.read_text(encoding="utf-8") == "path,label\n1.png,one\n"
