"""Protects the way to a cluster: one study through Slurm, to the report, with a GPU of its own for each cell.

All GPUs are made up (character devices), so that cells train on the CPU; which GPU a job was given is real.
"""

from __future__ import annotations

import re
import signal
import time

import pytest

from tests.cluster.project_copy import METHODS, Project, Results
from tests.cluster.slurm_in_a_folder import Slurm, wait_until

pytestmark = pytest.mark.slurm


def test_a_study_runs_through_slurm_to_its_report(project: Project, slurm: Slurm, local_results: Results) -> None:
    """Slurm's controller is away for some seconds in between, so that some questions stay without an answer."""
    study = project.folder / "study.yaml"
    text = study.read_text(encoding="utf-8").replace("sizes: [50, 100]", "sizes: [100]")
    study.write_text(re.sub(r"\n  50: .*", "\n  50: ~", text), encoding="utf-8")
    run = project.start(profile="slurm")
    held: set[tuple[str, ...]] = set()
    restarted = False
    while run.is_running():
        running = [job for job in slurm.jobs().values() if job["JobState"] == "RUNNING"]
        held.add(tuple(sorted(job["GRES"] for job in running if "GRES" in job)))
        if not restarted and all("given by" in project.cell_log("100", method) for method in METHODS):
            slurm.stop_controller()
            time.sleep(3)
            slurm.start_controller()
            restarted = True
        time.sleep(0.3)
    output = run.wait()

    assert restarted
    assert project.results() == {cell: files for cell, files in local_results.items() if "/n100/" in cell}
    assert (project.folder / "reports" / "cluster" / "report.html").stat().st_size > 10_000
    jobs = slurm.jobs().values()
    assert len(jobs) == 3, "one job per cell; fetching, collecting, drawing and reporting stay here"
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert all(job["JobName"].startswith("smallmix_") and job["Comment"].startswith("rule_train_cell") for job in jobs)
    assert all(job["Requeue"] == "1" for job in jobs)
    gpus = [[gpu for gpu in moment if gpu.startswith("gpu:1(IDX:")] for moment in held]
    assert all(len(set(moment)) == len(moment) for moment in gpus), held
    assert max(map(len, gpus)) >= 2, "some cells must have run side by side"
    given = [project.cell_log("100", method) for method in METHODS]
    assert all("given by slurm-" in log for log in given), given[0]
    assert "Error" not in output
    assert len(re.findall(r"^n100/.* %  in .* of 3\)$", output, re.MULTILINE)) == 3, output

    # Where a study ran leaves no trace that would make another profile run it again.
    for profile in ("slurm", "generic", "workstation", None):
        cores = [] if profile else ["--cores", "1"]
        assert "Nothing to be done" in project.snakemake("--dry-run", *cores, profile=profile), profile


def test_the_generic_profile_gives_the_same_bytes(project: Project, slurm: Slurm, local_results: Results) -> None:
    targets = [project.cell("50", method) for method in METHODS]
    output = project.snakemake(*targets, profile="generic")
    assert len(re.findall(r"^n50/.* %  in .* of 3\)$", output, re.MULTILINE)) == 3, output
    folders = [target.removesuffix("/metrics.json") for target in targets]
    assert project.results() == {folder: local_results[folder] for folder in folders}
    assert [job["JobState"] for job in slurm.jobs().values()] == ["COMPLETED"] * 3
    assert {job["JobName"] for job in slurm.jobs().values()} == {"smallmix-train_cell-n50"}
    assert "given by slurm-" in project.cell_log("50", "non")


@pytest.mark.long
def test_the_generic_profile_lives_through_scancel_and_ctrl_c(
    project: Project, slurm: Slurm, local_results: Results
) -> None:
    cell = ("100", "non")
    run = project.start(project.cell(*cell), profile="generic")
    project.wait_for_training(cell)
    slurm.run("scancel", *slurm.jobs())
    wait_until(lambda: len(slurm.jobs()) == 2, "the second attempt", 120)
    project.wait_for_training(cell)
    run.signal(signal.SIGINT)
    run.wait(exit_code=None)
    wait_until(lambda: {job["JobState"] for job in slurm.jobs().values()} == {"CANCELLED"}, "the job cancelled")
    wait_until(lambda: not project.trainers(), "the trainer's end")
    project.snakemake(project.cell(*cell), profile="generic")
    folder = project.cell(*cell).removesuffix("/metrics.json")
    assert project.results() == {folder: local_results[folder]}


def test_a_site_may_ask_for_gpus_by_gres_alone(project: Project, slurm: Slurm) -> None:
    project.edit_profile("slurm", {"gpu": 0, "gres": "gpu:1"})
    project.snakemake(project.cell("50", "non"), profile="slurm")
    assert "given by slurm-" in project.cell_log("50", "non")
    (job,) = slurm.jobs().values()
    assert "gpu" in job["TresPerNode"]
    assert "TresPerJob" not in job
