"""Protects the way back after Snakemake itself was stopped or killed, as docs/cluster.md describes it."""

from __future__ import annotations

import contextlib
import signal

import pytest

from tests.cluster.project_copy import Project, Results, held_up
from tests.cluster.slurm_in_a_folder import Slurm, wait_until
from tests.cluster.test_interrupted_jobs import same_bytes

pytestmark = pytest.mark.slurm
CELL = ("100", "non")


def states(slurm: Slurm) -> list[str]:
    return [job["JobState"] for job in slurm.jobs().values()]


def test_ctrl_c_cancels_the_jobs_and_a_plain_run_continues(
    project: Project, slurm: Slurm, local_results: Results
) -> None:
    run = project.start(project.cell(*CELL), "--no-hooks", profile="slurm")  # no report of what there is so far
    project.wait_for_training(CELL)
    run.signal(signal.SIGINT)
    run.wait(exit_code=None)
    # Snakemake forgets its jobs while it asks for their states; what it then left running is cancelled by name.
    for job in slurm.run("squeue", "--me", "--noheader", "--format=%i %j").splitlines():
        if job.split()[1].startswith("smallmix_"):
            slurm.run("scancel", job.split()[0])
    wait_until(lambda: states(slurm) == ["CANCELLED"], "the job cancelled")
    wait_until(lambda: not project.trainers(), "the trainer's end")

    project.snakemake(project.cell(*CELL), profile="slurm")
    same_bytes(project, local_results, CELL)


@pytest.mark.long
def test_a_terminated_snakemake_lets_its_jobs_finish(project: Project, slurm: Slurm, local_results: Results) -> None:
    run = project.start(project.cell(*CELL), profile="slurm")
    project.wait_for_training(CELL)
    run.signal(signal.SIGTERM)
    run.wait(exit_code=None)
    assert states(slurm) == ["COMPLETED"]
    same_bytes(project, local_results, CELL)


def test_after_a_kill_the_orphan_goes_on_and_is_found_again(
    project: Project, slurm: Slurm, local_results: Results
) -> None:
    """The head node dies. Way back: wait for the orphans (or cancel them), unlock, run again."""
    run = project.start(project.cell(*CELL), profile="slurm")
    project.wait_for_training(CELL)
    run.kill()
    wait_until(lambda: states(slurm) == ["COMPLETED"], "the orphan's end", 120)

    project.snakemake("--unlock", "--cores", "1")
    project.snakemake(project.cell(*CELL), profile="slurm")
    same_bytes(project, local_results, CELL)
    assert project.runs_of(*CELL) == 1, "the orphan's work is used"


@pytest.mark.long
def test_an_impatient_second_run_waits_for_the_orphan(project: Project, slurm: Slurm, local_results: Results) -> None:
    """Not the documented way, and harmless all the same: the second job waits for the first one's lock."""
    run = project.start(project.cell(*CELL), profile="slurm")
    project.wait_for_training(CELL)
    first = contextlib.ExitStack()
    first.enter_context(held_up(project.trainers()))
    run.kill()
    project.snakemake("--unlock", "--cores", "1")
    second = project.start(project.cell(*CELL), profile="slurm")
    wait_until(lambda: "waiting up to" in project.cell_log(*CELL), "the second job's wait", 120)
    first.close()
    second.wait()
    same_bytes(project, local_results, CELL)
    assert project.runs_of(*CELL) == 1
