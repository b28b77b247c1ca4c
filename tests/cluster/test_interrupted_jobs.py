"""Protects studies on a cluster against what happens there: limits, cancelled jobs, preemption, dead nodes.

After each problem a cell has the bytes of an undisturbed run on one machine. It continued and did not begin anew.
"""

from __future__ import annotations

import pytest

from tests.cluster.project_copy import Project, Results, held_up, was_asked_to_stop
from tests.cluster.slurm_in_a_folder import CPU_NODES, Slurm, wait_until

pytestmark = pytest.mark.slurm


def job_of(slurm: Slurm, size: str, method: str) -> dict[str, str]:
    """Return the latest Slurm job of a cell."""
    comment = f"rule_train_cell_wildcards_{size}_{method}_0"
    return max(
        (job for job in slurm.jobs().values() if job.get("Comment") == comment),
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
    """One problem a cell: scancel, a requeue as by preemption, Slurm's early signal, too little memory at first."""
    project.edit_profile(
        "slurm", {"mem_mb": "(60 if wildcards.size == '50' else 1500) if attempt == 1 else 1500"}, jobs=4
    )
    cells = [("100", "non"), ("100", "data-mix"), ("100", "label-mix"), ("50", "non")]
    run = project.start(*(project.cell(*cell) for cell in cells), profile="slurm")
    project.wait_for_training(*cells[:3])

    slurm.run("scancel", job_of(slurm, "100", "non")["JobId"])
    slurm.run("scontrol", "requeue", preempted := job_of(slurm, "100", "data-mix")["JobId"])
    slurm.run("scancel", "--signal=TERM", job_of(slurm, "100", "label-mix")["JobId"])
    run.wait()

    same_bytes(project, local_results, *cells)
    jobs = slurm.jobs()
    assert jobs[preempted]["Restarts"] == "1", "preempted: the same job again"
    assert jobs[preempted]["JobState"] == "COMPLETED"
    assert job_of(slurm, "50", "non")["MinMemoryNode"] == "1500M", "the second attempt asked for more"
    states = sorted(job["JobState"] for job in jobs.values() if job["JobId"] != preempted)
    assert states.count("COMPLETED") == 3
    assert "CANCELLED" in states
    # Asked early, it saved, and went on from there. The others often do, too. But where a whole job is asked to stop,
    # srun ends the trainer at once, and up to a minute of work may be lost.
    assert project.runs_of(*cells[2]) == 2, project.store_logs()


def test_a_dead_node_whose_job_still_writes(project: Project, slurm: Slurm, local_results: Results) -> None:
    """The controller loses a node and starts the job on another one, while the first trainer is alive and writing.

    The second trainer waits for the first, and finds its result.
    """
    project.edit_profile("slurm", {"gpu": 0})  # the nodes without GPUs are two
    cell = ("100", "non")
    run = project.start(project.cell(*cell), profile="slurm")
    project.wait_for_training(cell)
    first = job_of(slurm, *cell)
    assert first["NodeList"] in CPU_NODES
    with held_up(project.trainers()):
        slurm.kill_node(first["NodeList"])
        wait_until(lambda: "waiting up to" in project.cell_log(*cell), "the second trainer's wait", 150)
    assert "this very cell is being trained by process" in project.cell_log(*cell)
    second = job_of(slurm, *cell)
    assert (second["JobId"], second["JobState"], second["Restarts"]) == (first["JobId"], "RUNNING", "1")
    assert second["NodeList"] != first["NodeList"]
    run.wait()

    same_bytes(project, local_results, cell)
    assert project.runs_of(*cell) == 1, "one process trained; the other waited"
    assert "found in the store" in project.cell_log(*cell)
    assert [job["JobState"] for job in slurm.jobs().values()] == ["COMPLETED"]


@pytest.mark.long
@pytest.mark.parametrize("warning", [0, 20])
def test_a_time_limit_ends_an_attempt_and_the_next_one_has_more(
    warning: int, project: Project, slurm: Slurm, local_results: Results
) -> None:
    """Slurm counts in minutes, so the trainer is held up until its minute is over. With a warning it saves."""
    extra = f"'--signal=TERM@{warning}'" if warning else "''"
    project.edit_profile("slurm", {"runtime": "1 if attempt == 1 else 10", "slurm_extra": extra})
    cell = ("100", "label-mix")
    run = project.start(project.cell(*cell), profile="slurm")
    project.wait_for_training(cell)
    first = job_of(slurm, *cell)["JobId"]
    trainers = project.trainers()
    with held_up(trainers):
        wait_until(lambda: all(map(was_asked_to_stop, trainers)), "the signal to stop", 200)
    wait_until(lambda: slurm.jobs()[first]["JobState"] not in ("RUNNING", "COMPLETING"), "the end of the attempt")
    assert slurm.jobs()[first]["JobState"] == ("FAILED" if warning else "TIMEOUT")
    run.wait()
    same_bytes(project, local_results, cell)
    assert job_of(slurm, *cell)["TimeLimit"] == "00:10:00"
    if warning:
        assert project.runs_of(*cell) == 2, project.store_logs()


@pytest.mark.long
def test_a_signal_that_snakemake_dies_of_costs_no_more_than_the_last_checkpoint(
    project: Project, slurm: Slurm, local_results: Results
) -> None:
    """SIGUSR1 ends the Snakemake inside the job; Slurm then kills the trainer, often before it has saved."""
    cell = ("100", "label-mix")
    run = project.start(project.cell(*cell), profile="slurm")
    project.wait_for_training(cell)
    slurm.run("scancel", "--signal=USR1", job_of(slurm, *cell)["JobId"])
    run.wait()
    same_bytes(project, local_results, cell)
    assert len(slurm.jobs()) == 2


@pytest.mark.long
def test_a_job_of_higher_priority_takes_the_node_and_the_cell_continues_afterwards(
    project: Project, slurm: Slurm, local_results: Results
) -> None:
    """Preemption as sites configure it: SIGTERM and some seconds of grace.

    A trainer that leaves within the grace ends its job, which Snakemake then submits again; else Slurm starts it again.
    """
    cell = ("100", "data-mix")
    run = project.start(project.cell(*cell), profile="slurm")
    project.wait_for_training(cell)
    slurm.run("sbatch", "--partition=urgent", "--nodelist=g1", "--exclusive", "--output=/dev/null", "--wrap=sleep 3")
    run.wait()
    same_bytes(project, local_results, cell)
    assert project.runs_of(*cell) == 2, project.store_logs()
    assert job_of(slurm, *cell)["JobState"] == "COMPLETED"
