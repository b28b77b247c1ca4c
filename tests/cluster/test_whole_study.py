"""Protects the way to a cluster: one study through Slurm, to the report, with a card of its own for each cell.

All cards are made up (character devices), so that cells train on the CPU; which card a job was given is real.
"""

from __future__ import annotations

import time

import pytest

from tests.cluster.project_copy import METHODS, Project, Results
from tests.cluster.slurm_in_a_folder import Slurm

pytestmark = pytest.mark.slurm


def test_a_study_runs_through_slurm_to_its_report(project: Project, slurm: Slurm, local_results: Results) -> None:
    run = project.start(profile="slurm")
    held: set[tuple[str, ...]] = set()
    while run.is_running():
        running = [job for job in slurm.jobs().values() if job["JobState"] == "RUNNING"]
        held.add(tuple(sorted(job["GRES"] for job in running if "GRES" in job)))
        time.sleep(0.3)
    output = run.wait()

    assert project.results() == local_results
    assert (project.folder / "reports" / "cluster" / "report.html").stat().st_size > 10_000
    jobs = slurm.jobs().values()
    assert len(jobs) == 6, "one job a cell; fetching, collecting, drawing and reporting stay here"
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert all(job["JobName"].startswith("smallmix_") and job["Comment"].startswith("rule_train_cell") for job in jobs)
    assert all(job["Requeue"] == "1" for job in jobs)
    cards = [[card for card in moment if card.startswith("gpu:1(IDX:")] for moment in held]
    assert all(len(set(moment)) == len(moment) for moment in cards), held
    assert max(map(len, cards)) >= 2, "some cells must have run side by side"
    given = [project.cell_log(size, method) for size in ("50", "100") for method in METHODS]
    assert all("given by slurm-" in log for log in given), given[0]
    assert "Error" not in output


def test_nothing_is_left_to_do_afterwards_under_any_profile(project: Project) -> None:
    """Where a study ran leaves no trace that would make another profile run it again."""
    project.snakemake("cells", "--cores", "2")
    for profile in ("slurm", "generic", "workstation", None):
        cores = [] if profile else ["--cores", "1"]
        output = project.snakemake("cells", "--dry-run", *cores, profile=profile)
        assert "Nothing to be done" in output, (profile, output)


def test_the_generic_profile_gives_the_same_bytes(project: Project, slurm: Slurm, local_results: Results) -> None:
    project.snakemake("cells", profile="generic")
    assert project.results() == local_results
    assert {job["JobState"] for job in slurm.jobs().values() if job["JobName"] == "smallmix-train_cell-n50"} == {
        "COMPLETED"
    }


@pytest.mark.parametrize(
    ("style", "request_"),
    [
        ({"gpu": 0, "gres": "gpu:1"}, "--gres"),
        ({"gpu": 1}, "--gpus"),
    ],
)
def test_both_styles_of_asking_for_a_card_give_the_cell_one(
    project: Project, slurm: Slurm, style: dict[str, object], request_: str
) -> None:
    project.edit_profile("slurm", style)
    project.snakemake(project.cell("50", "non"), profile="slurm")
    assert "given by slurm-" in project.cell_log("50", "non"), request_


def test_a_cell_without_a_card_asks_for_none_and_trains_on_the_cpu(project: Project, slurm: Slurm) -> None:
    project.edit_profile("slurm", {"gpu": 0})
    project.snakemake(project.cell("50", "non"), profile="slurm")
    assert "card" not in project.cell_log("50", "non")
    assert all("gpu" not in job.get("TresPerJob", "") for job in slurm.jobs().values())
