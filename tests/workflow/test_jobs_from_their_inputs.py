"""Each job works from what its rule declares: run in an empty folder, with nothing but its inputs."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.workflow.study_run import StudyRun

PREFIX = "storage-of-the-test"
HERE = f".snakemake/storage/fs/{PREFIX}"  # where Snakemake brings a job's files
# Where Snakemake itself runs, it hands the resolved configuration to the first step.
HANDED_OVER = ".snakemake/smallmix-studies"
RULES = {
    "resolve_study",
    "fetch_dataset",
    "extract_subset",
    "draw_validation",
    "tabulate_subsets",
    "train_cell",
    "collect_metrics",
    "summarize_cells",
    "compare_methods",
    "tabulate_classes",
    "check_own_metrics",
    "compute_metrics",
    "judge_claims",
    "plot_figures",
    "render_report",
}
# These leave out what is not there. With all files of the study around, they must write the same.
LEAVE_OUT = {"judge_claims", "plot_figures", "render_report"}


def test_every_job_runs_from_its_declared_inputs_alone(finished_study: StudyRun, tmp_path: Path) -> None:
    study = StudyRun.create(tmp_path / "project")
    # With published numbers, a second study, a metric of the user's and validation images: every rule has every input.
    study.edit("tiny.yaml", "evaluation: {", "evaluation: {validation_images: 30, ")
    study.edit("tiny.yaml", "published: ~", "published: workflow/published/article.yaml\ncompare_with: [other]")
    study.edit("tiny.yaml", "seeds: [0]", "seeds: [0]\nmetrics: {mine: my_metric.py:spread}")
    (study.folder / "my_metric.py").write_text("def spread(logits, labels):\n    return logits.std()\n")
    storage = study.folder / PREFIX
    other = storage / "results" / "other"
    shutil.copytree(finished_study.folder / "results" / "tiny", other, ignore=shutil.ignore_patterns("cells"))
    jobs = tmp_path / "jobs.json"
    lister = Path(__file__).with_name("planned_jobs.py")
    listed = subprocess.run(
        [sys.executable, str(lister), "tiny.yaml", PREFIX, str(jobs)],
        cwd=study.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stdout + listed.stderr

    everything = tmp_path / "everything"
    shutil.copytree(study.folder / "workflow" / "published", everything / "workflow" / "published")
    shutil.copy(study.folder / "my_metric.py", everything)
    shutil.copytree(study.folder / HANDED_OVER, everything / HANDED_OVER)
    shutil.copytree(storage, everything / HERE)
    planned = json.loads(jobs.read_text(encoding="utf-8"))
    assert {job["rule"] for job in planned} == RULES
    judged = next(job for job in planned if job["rule"] == "judge_claims")
    assert f"{HERE}/results/other/metrics.csv" in judged["input"]
    for number, job in enumerate(planned):
        alone = tmp_path / f"job-{number}"
        alone.mkdir()
        brought = [*job["input"], *([HANDED_OVER] if job["rule"] == "resolve_study" else [])]
        for path in brought:
            bring(everything / path, alone / path)
        run(job, alone)
        for path in job["output"]:
            bring(alone / path, everything / path)
        if job["rule"] in LEAVE_OUT:
            run(job, everything)
            for path in job["output"]:
                assert (everything / path).read_bytes() == (alone / path).read_bytes(), f"{path} reads more"

    for table in ("metrics.csv", "history.csv"):
        made, known = (
            rows_of(folder / "results/tiny" / table) for folder in (everything / HERE, finished_study.folder)
        )
        # Validation images add their own columns and change nothing else.
        assert [{name: row[name] for name in known[0]} for row in made] == known, table
        assert {"validation" in name for name in made[0].keys() - known[0].keys()} == {True}
    page = (everything / HERE / "reports/tiny/report.html").read_text(encoding="utf-8")
    assert "not drawn yet" not in page
    assert "The images are not there yet" not in page


def rows_of(table: Path) -> list[dict[str, str]]:
    with open(table, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def run(job: Mapping[str, Any], folder: Path) -> None:
    """Run a job's command in a folder, as Snakemake does."""
    for path in [*job["output"], *job["log"]]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail; {job['command']}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    logs = "".join((folder / path).read_text(encoding="utf-8") for path in job["log"] if (folder / path).exists())
    assert done.returncode == 0, (job["rule"], done.stdout, done.stderr, logs)


def bring(source: Path, target: Path) -> None:
    """Copy a file or a folder to a place whose folders may not be there yet."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)
