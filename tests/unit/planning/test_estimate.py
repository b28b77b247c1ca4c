"""Protects estimates: the schedule, what is left of a cell, what a target takes, and the words, by hand."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest
from smallmix.planning import capacity as capacity_module
from smallmix.planning import estimate as estimate_module
from smallmix.planning.capacity import Capacity, busy_elsewhere
from smallmix.planning.cost import CellWork, ImagesInNumbers
from smallmix.planning.estimate import (
    Estimate,
    RunJobs,
    StudyState,
    about,
    estimate_run,
    makespan,
    reached_iteration,
)
from smallmix.planning.pace import Pace, StudyPace, keep_pace
from smallmix.planning.plan import brief_plan, is_worth_measuring
from smallmix.study.known_datasets import KNOWN_DATASETS, LOCAL_FILES
from smallmix.study.study import Study, StudyCell
from smallmix.tables.cell_status import WantedFingerprints
from smallmix.training.processor import describe_processor
from smallmix.training.store import StoreEntry, store_key

from tests.synthetic_configuration import build_configuration
from tests.tiny_cell import tiny_cell


class StepsAlone(Pace):
    """A step of ten layers takes a second, all else nothing."""

    def evaluation_seconds(self, work: CellWork) -> float:
        return 0.0


PLAIN = StudyPace(StepsAlone(0.0, 0.1, 1e18, 1e18, "measured"))
# Snakemake alone, on a study of four cells: 2 s, 4 x 0.002 s, 0.7 s, and 0.05 s a job.
AROUND = 2.708


@pytest.fixture
def state(tmp_path: Path) -> StudyState:
    """Two sizes, two methods, one seed: 100 steps of 256 images, 300 of 100; ten layers; a tenth of a second each."""
    configuration = build_configuration(
        dataset="digits",
        sizes=(256, 100),
        methods={"non": {"mix": "none", "beta": None}, "label-mix": {"mix": "images-and-labels", "beta": [1.0, 1.0]}},
        seeds=(0,),
        width=4,
        budgets={"default": {"iterations": 100}, "100": {"iterations": 300}},
    )
    configuration["model"]["blocks"] = [1, 1, 1, 1]
    configuration["evaluation"] |= {"iteration_budgets": {"every": 1000}}
    return StudyState.of(Study.from_configuration(configuration), tmp_path)


def with_status(state: StudyState, cell: StudyCell, **changes: object) -> StudyState:
    status = dataclasses.replace(state.statuses[cell.id], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(state, statuses={**state.statuses, cell.id: status})


def finish(state: StudyState, cell: StudyCell, training: float, evaluation: float) -> StudyState:
    """Return the state with this cell finished on this machine."""
    metrics = {
        "timing": {"training_seconds": training, "evaluation_seconds": evaluation},
        "environment": {"device": "cpu", "processor": describe_processor()},
    }
    path = state.layout.cell(cell) / "metrics.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(metrics), encoding="utf-8")
    return with_status(state, cell, status="current")


@pytest.mark.parametrize(
    ("durations", "slots", "seconds"),
    [
        ([], 2, 0.0),
        ([3.0, 1.0, 4.0], 1, 8.0),
        ([1.0, 1.0, 10.0], 2, 11.0),  # the long one starts last
        ([10.0, 1.0, 1.0], 2, 10.0),
        ([2.0, 3.0, 4.0, 5.0, 6.0], 2, 12.0),  # 2 + 4 + 6 beside 3 + 5
        ([2.0, 3.0], 8, 3.0),
        ([2.0, 3.0], 0, 5.0),
    ],
)
def test_jobs_start_in_order_as_soon_as_a_slot_is_free(durations: list[float], slots: int, seconds: float) -> None:
    assert makespan(durations, slots) == pytest.approx(seconds)


def test_a_cell_that_continues_has_the_rest_of_its_work() -> None:
    """Six iterations, evaluated after 2, 4 and 6; 14 images an epoch of three batches: 8, 8 and 4."""
    images = ImagesInNumbers(side=8, channels=1, classes=10, train_count=100, test_count=50)
    cell = tiny_cell()
    whole, rest = CellWork.of(cell, images), CellWork.of(cell, images, 4)
    assert whole.layer_steps == 10 * 6
    assert whole.layer_evaluations == 10 * 3 * 2
    assert (rest.layer_steps, rest.layer_evaluations) == (10 * 2, 10 * 1 * 2)
    assert rest.training_flops == pytest.approx(whole.training_flops / 3)
    assert rest.evaluation_flops == pytest.approx(whole.evaluation_flops / 3)
    assert CellWork.of(cell, images, 6) == CellWork.of(cell, images, 99) == CellWork(0, 0.0, 0, 0.0)
    assert CellWork.of(cell, images, -3) == whole


def test_the_draw_of_validation_images_is_a_job_where_there_are_any(state: StudyState, tmp_path: Path) -> None:
    assert "draw_validation" not in state.jobs().others
    configuration = state.study.configuration
    evaluation = {**configuration["evaluation"], "validation_images": 30}
    validated = StudyState.of(Study.from_configuration({**configuration, "evaluation": evaluation}), tmp_path)
    assert validated.jobs().others["draw_validation"] == 1
    assert validated.jobs(["results/synthetic/cells/n100/non/seed0/metrics.json"]).others["draw_validation"] == 1
    table = validated.layout.validation
    assert table is not None
    table.parent.mkdir(parents=True)
    table.touch()
    assert "draw_validation" not in validated.jobs().others


def test_small_sizes_start_first_and_the_long_ones_share_the_slots(state: StudyState) -> None:
    """Two cells of 300 s, which have fewer images, before two of 100 s. A third slot takes both of these."""
    jobs = RunJobs(frozenset(state.statuses), {})
    for cores, seconds in ((1, 800.2), (2, 400.1), (3, 300.05), (8, 300.05)):
        estimate = estimate_run(state, jobs, Capacity(cores), PLAIN)
        assert estimate is not None
        assert estimate.seconds == pytest.approx(AROUND + seconds)


@pytest.mark.parametrize(("cores", "gpus", "seconds"), [(8, 1, 800.2), (8, 2, 400.1), (1, 4, 800.2)])
def test_gpus_are_slots_where_cores_allow(state: StudyState, cores: int, gpus: int, seconds: float) -> None:
    estimate = estimate_run(state, RunJobs(frozenset(state.statuses), {}), Capacity(cores, gpus), PLAIN)
    assert estimate is not None
    assert estimate.seconds == pytest.approx(AROUND + seconds)


def test_cells_that_are_not_asked_for_or_stored_do_not_count(state: StudyState) -> None:
    """One cell of 100 s; and one that the store has: 1.5 s to copy it."""
    large = [cell for cell in state.study.cells if cell.size == 256]
    state = with_status(state, large[1], status="stored")
    estimate = estimate_run(state, RunJobs(frozenset(cell.id for cell in large), {}), Capacity(1), PLAIN)
    assert estimate is not None
    assert estimate.seconds == pytest.approx(AROUND + 100.05 + 1.55)


@pytest.mark.parametrize(
    ("lines", "reached"),
    [
        ([], 0),
        (["2026-11-26 09:00:00 training 100 iterations on cpu"], 0),
        (["2026-11-26 09:00:00 iteration 40/100 | train loss 0.5 | test loss 1.2"], 40),
        (
            [
                "2026-11-26 09:00:00 iteration 40/100 | train loss 0.5",
                "2026-11-26 09:00:09 stopped: SIGINT received: saved at iteration 57 of 100. Run the same",
            ],
            57,
        ),
        (["2026-11-26 09:00:00 continued from the checkpoint at iteration 60 of 100"], 60),
        (["2026-11-26 09:00:00 iteration 1,040/100 | damaged"], 100),
    ],
)
def test_a_cell_with_a_checkpoint_is_counted_from_there(
    state: StudyState, monkeypatch: pytest.MonkeyPatch, lines: list[str], reached: int
) -> None:
    cell = next(cell for cell in state.study.cells if cell.size == 256)
    monkeypatch.setattr(estimate_module, "find_wanted", lambda *_: {cell.id: WantedFingerprints("code", "data")})
    entry = StoreEntry(state.layout.root / "results/store" / store_key(cell.value, "data", "code"))
    entry.folder.mkdir(parents=True)
    for line in lines:
        entry.log(line)
    jobs = RunJobs(frozenset({cell.id}), {})
    assert reached_iteration(state, cell) == 0
    state = with_status(state, cell, status="resumable", has_checkpoint=True)
    assert reached_iteration(state, cell) == reached
    estimate = estimate_run(state, jobs, Capacity(1), PLAIN)
    assert estimate is not None
    assert estimate.seconds == pytest.approx(AROUND + 100 - reached + 0.05)


def test_finished_cells_of_the_study_are_believed_first(state: StudyState) -> None:
    """A cell of 256 images took 50 + 10 s, which is what its twin is to take, beside its start of 1.5 s."""
    done, twin = (cell for cell in state.study.cells if cell.size == 256)
    state = finish(state, done, 50.0, 10.0)
    estimate = estimate_run(state, RunJobs(frozenset({twin.id}), {}), Capacity(1))
    assert estimate is not None
    assert (estimate.basis, estimate.finished) == ("finished", 1)
    assert estimate.seconds == pytest.approx(AROUND + 1.55 + 60)
    assert estimate.sentence() == "about 60 s (by 1 finished cell)"


def test_on_a_cluster_only_finished_cells_say_how_long_it_takes(state: StudyState) -> None:
    done, twin = (cell for cell in state.study.cells if cell.size == 256)
    jobs, cluster = RunJobs(frozenset({twin.id}), {}), Capacity(1, executor="slurm", jobs=10)
    assert estimate_run(state, jobs, cluster) is None
    estimate = estimate_run(finish(state, done, 50.0, 10.0), jobs, cluster)
    assert estimate is not None
    assert estimate.basis == "finished"


@pytest.mark.parametrize("name", KNOWN_DATASETS)
def test_a_download_is_a_part_of_the_estimate_unless_the_files_are_there(state: StudyState, name: str) -> None:
    dataset = state.study.configuration["dataset"]
    dataset["name"] = name
    fetching, one = RunJobs(frozenset(), {"fetch_dataset": 1}), Capacity(1)

    def seconds() -> float:
        estimate = estimate_run(state, fetching, one, PLAIN)
        assert estimate is not None
        return estimate.seconds - AROUND - 0.052  # a job of Snakemake, planned and run

    reading = pytest.approx(estimate_module.SECONDS_A_FETCH[name])
    if name not in LOCAL_FILES:
        assert seconds() == reading
        return
    dataset[name] = {LOCAL_FILES[name]: None, "sources": ["https://example.org/"]}
    at_5_megabytes_a_second = KNOWN_DATASETS[name].download_bytes / 5e6
    assert seconds() - at_5_megabytes_a_second == reading
    dataset[name][LOCAL_FILES[name]] = "here"
    assert seconds() == reading


@pytest.mark.parametrize(
    ("targets", "cells", "rules"),
    [
        ((), 4, 12),
        (("all",), 4, 12),
        (("subsets",), 0, 4),
        (("cells",), 4, 2),
        (("figures",), 4, 8),
        (("report",), 4, 12),
        (("results/synthetic/cells/n100/non/seed0/metrics.json",), 1, 2),
        (("results/synthetic/cells/n100/non/seed0/metrics.json", "subsets"), 1, 4),
    ],
)
def test_a_target_has_its_own_jobs(state: StudyState, targets: tuple[str, ...], cells: int, rules: int) -> None:
    jobs = state.jobs(targets)
    assert len(jobs.cells) == cells
    assert set(jobs.others) <= {*estimate_module.STEP_SECONDS, "fetch_dataset"}
    assert len(jobs.others) == rules


@pytest.mark.parametrize("target", ["report.html", "cells/n7/non/seed0/metrics.json", "reports"])
def test_an_unknown_target_is_refused(state: StudyState, target: str) -> None:
    with pytest.raises(ValueError, match=target):
        state.jobs([target])


def test_whatever_goes_wrong_there_is_no_estimate(state: StudyState, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> StudyPace:
        raise ZeroDivisionError

    monkeypatch.setattr(estimate_module, "study_pace", fail)
    assert estimate_run(state, state.jobs(), Capacity(2)) is None
    assert not is_worth_measuring(state, RunJobs(frozenset(), {}), Capacity(2))


def test_a_long_run_is_worth_a_measurement_and_a_short_one_is_not(
    state: StudyState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By assumption it takes about 20 s: less than the minute from which a measurement is a tenth of the run."""
    jobs = state.jobs()
    assert not is_worth_measuring(state, jobs, Capacity(2))
    monkeypatch.setattr("smallmix.planning.plan.WORTH_MEASURING", 10.0)
    assert is_worth_measuring(state, jobs, Capacity(2))
    assert not is_worth_measuring(state, jobs, Capacity(2, executor="slurm"))
    assert not is_worth_measuring(state, RunJobs(frozenset(), {"plot_figures": 3}), Capacity(2))
    calls = []

    def measure_here() -> None:
        calls.append("measured")
        pace = Pace(1.0, 1e-3, 1e10, 1e10, "measured")
        keep_pace(state.study.cells[0].value, state.images, pace, on_gpu=False)

    line = brief_plan(state.study, state.layout.root, Capacity(2), None, measure_here)
    assert "by a measurement on this machine" in line
    assert brief_plan(state.study, state.layout.root, Capacity(2), None, measure_here) == line
    assert calls == ["measured"]
    monkeypatch.setattr(estimate_module, "busy_elsewhere", lambda: 1)
    assert not is_worth_measuring(state, jobs, Capacity(2))


@pytest.mark.parametrize(
    ("seconds", "spread", "words"),
    [
        (0.2, 1.0, "about 1 s"),
        (7.4, 1.0, "about 7 s"),
        (13.0, 1.0, "about 15 s"),
        (86.0, 1.0, "about 90 s"),
        (97.0, 1.0, "about 100 s"),
        (150.0, 1.0, "about 2 min"),
        (1930.0, 1.0, "about 30 min"),
        (5400.0, 1.0, "about 1.5 h"),
        (40 * 3600.0, 1.0, "about 40 h"),
        (45.2 * 86400, 1.0, "about 45 days"),
        (1234 * 86400.0, 1.0, "about 1,200 days"),
        (90.0, 1.6, "55 s to 2 min"),
        (600.0, 1.6, "6 to 16 min"),
        (0.5, 1.6, "about 1 s"),
        (float("inf"), 1.0, "a time that cannot be estimated"),
        (float("nan"), 1.6, "a time that cannot be estimated"),
    ],
)
def test_a_duration_has_no_more_digits_than_can_be_believed(seconds: float, spread: float, words: str) -> None:
    assert about(seconds, spread) == words


@pytest.mark.parametrize(
    ("estimate", "sentence"),
    [
        (Estimate(90, "measured"), "about 90 s (by a measurement on this machine)"),
        (Estimate(90, "assumed"), "55 s to 2 min (by assumed speeds)"),
        (Estimate(3600, "finished", 3), "about 60 min, until about 11:00 (by 3 finished cells)"),
        (Estimate(20 * 3600, "finished", 3), "about 20 h, until about Fri 06:00 (by 3 finished cells)"),
        (Estimate(9 * 86400, "measured"), "about 9 days, until about Sat 05 Dec (by a measurement on this machine)"),
        (
            Estimate(90, "measured", others_running=1),
            "about 90 s (by a measurement on this machine; longer while 1 other process also computes here)",
        ),
        (
            Estimate(90, "finished", 2, others_running=3),
            "about 90 s (by 2 finished cells; longer while 3 other processes also compute here)",
        ),
    ],
)
def test_an_estimate_says_when_it_ends_and_what_it_rests_on(
    estimate: Estimate, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        assert estimate.sentence(now=1_795_687_200.0) == sentence  # Thursday, 26 November 2026, 10:00
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("content", "others"),
    [
        ("cpu 1\nprocs_running 4\n", 3),
        ("procs_running 1\n", 0),
        ("procs_running 0\n", 0),
        ("procs_running", 0),
        ("", 0),
    ],
)
def test_processes_of_others_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, others: int
) -> None:
    (tmp_path / "stat").write_text(content, encoding="ascii")
    monkeypatch.setattr(capacity_module, "PROCESSES", tmp_path / "stat")
    monkeypatch.setattr(capacity_module, "usable_cores", lambda: 2)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert busy_elsewhere(seconds=0.0) == others
    monkeypatch.setattr("os.cpu_count", lambda: 64)  # a share of a large machine: the others are elsewhere on it
    assert busy_elsewhere(seconds=0.0) == 0
