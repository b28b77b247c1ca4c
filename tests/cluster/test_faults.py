"""Protects studies on a cluster against what happens there: limits, cancelled jobs, preemption, dead nodes, restarts.

After each fault every cell has the bytes of an undisturbed run on one machine, and continued instead of beginning anew.
"""

from __future__ import annotations

import time

import pytest

from tests.cluster.project_copy import Project, Results
from tests.cluster.slurm_in_a_folder import CPU_NODES, Slurm, wait_until

pytestmark = pytest.mark.slurm


def job_of(slurm: Slurm, size: str, method: str) -> dict[str, str]:
    """The latest Slurm job of a cell."""
    comment = f"rule_train_cell_wildcards_{size}_{method}_0"
    return max(
        (job for job in slurm.jobs().values() if job["Comment"] == comment),
        key=lambda job: int(job["JobId"]),
        default={},
    )


def same_bytes(project: Project, local_results: Results, *cells: tuple[str, str]) -> None:
    results = project.results()
    for size, method in cells:
        folder = project.cell(size, method).removesuffix("/metrics.json")
        assert results[folder] == local_results[folder], folder


def test_cancelled_preempted_warned_and_oversized_jobs_continue(
    project: Project, slurm: Slurm, local_results: Results
) -> None:
    """Four faults, one a cell: scancel; a job of higher priority; an early signal; too little memory at first."""
    project.edit_profile(
        "slurm", {"mem_mb": "(60 if wildcards.size == '50' else 1500) if attempt == 1 else 1500"}, jobs=4
    )
    cells = [("100", "non"), ("100", "data-mix"), ("100", "label-mix"), ("50", "non")]
    run = project.start(*(project.cell(*cell) for cell in cells), profile="slurm")
    wait_until(lambda: all(project.is_training(*cell) for cell in cells[:3]), "three cells in training", 120)

    slurm.run("scancel", job_of(slurm, "100", "non")["JobId"])
    slurm.run("scontrol", "requeue", preempted := job_of(slurm, "100", "data-mix")["JobId"])
    slurm.run("scancel", "--signal=USR1", job_of(slurm, "100", "label-mix")["JobId"])
    run.wait()

    same_bytes(project, local_results, *cells)
    jobs = slurm.jobs()
    assert jobs[preempted]["Restarts"] == "1", "preempted: the same job again"
    assert jobs[preempted]["JobState"] == "COMPLETED"
    assert job_of(slurm, "50", "non")["MinMemoryNode"] == "1500M", "the second attempt asked for more"
    states = sorted(job["JobState"] for job in jobs.values() if job["JobId"] != preempted)
    assert states.count("COMPLETED") == 3
    assert "CANCELLED" in states
    # Each was told to stop, saved, and went on from there.
    for cell in cells[:3]:
        assert project.runs_of(*cell) == 2, (cell, project.store_logs())


def test_a_dead_node_whose_job_still_writes(project: Project, slurm: Slurm, local_results: Results) -> None:
    """The controller loses a node and starts the job on another one, while the first trainer is alive and writing.

    The controller itself is restarted in between. The second trainer waits for the first, and finds its result.
    """
    project.edit_profile("slurm", {"gpu": 0})  # the nodes without cards are two
    cell = ("100", "non")
    run = project.start(project.cell(*cell), profile="slurm")
    wait_until(lambda: project.is_training(*cell), "training", 120)
    first = job_of(slurm, *cell)
    assert first["NodeList"] in CPU_NODES
    slurm.kill_node(first["NodeList"])
    slurm.stop_controller()
    slurm.start_controller()
    run.wait()

    same_bytes(project, local_results, cell)
    (job,) = slurm.jobs().values()
    assert (job["JobId"], job["JobState"], job["Restarts"]) == (first["JobId"], "COMPLETED", "1")
    assert job["NodeList"] != first["NodeList"]
    assert project.runs_of(*cell) == 1, "one process trained; the other waited"


def test_the_controller_restarts_while_cells_train(project: Project, slurm: Slurm, local_results: Results) -> None:
    cell = ("100", "data-mix")
    run = project.start(project.cell(*cell), profile="slurm")
    wait_until(lambda: project.is_training(*cell), "training", 120)
    slurm.stop_controller()
    time.sleep(3)  # some questions for the jobs' states stay without an answer
    slurm.start_controller()
    run.wait()
    same_bytes(project, local_results, cell)
    assert len(slurm.jobs()) == 1


@pytest.mark.long
def test_a_time_limit_ends_an_attempt_and_the_next_one_continues(
    project: Project, slurm: Slurm, local_results: Results
) -> None:
    """Slurm counts in minutes, so the trainer is slowed down until its minute is over."""
    project.edit_profile("slurm", {"runtime": "1 if attempt == 1 else 10"})
    cell = ("100", "label-mix")
    run = project.start(project.cell(*cell), profile="slurm")
    wait_until(lambda: project.is_training(*cell), "training", 120)
    first = job_of(slurm, *cell)["JobId"]
    end = time.monotonic() + 200
    while slurm.jobs()[first]["JobState"] in ("RUNNING", "COMPLETING") and time.monotonic() < end:
        project.slow_trainers_down()
    assert slurm.jobs()[first]["JobState"] == "TIMEOUT"
    run.wait()
    same_bytes(project, local_results, cell)
    assert job_of(slurm, *cell)["TimeLimit"] == "00:10:00"
    assert project.runs_of(*cell) == 2
