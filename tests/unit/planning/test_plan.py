"""Protects the plan: it counts what a run may use as the run does, and never contradicts the line that opens a run."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from smallmix.commands.main import main
from smallmix.planning import capacity as capacity_module
from smallmix.planning import cost as cost_module
from smallmix.planning import plan as plan_module
from smallmix.planning import probe as probe_module
from smallmix.planning.capacity import Capacity
from smallmix.planning.cost import NOTES, ImagesInNumbers, known_pace, note_pace
from smallmix.planning.plan import StudyPlan, brief_plan, full_plan, plain_duration
from smallmix.planning.probe import Probe
from smallmix.study.configuration import load_study
from smallmix.study.study import Study
from smallmix.training import gpu_slots
from smallmix.training.gpu_slots import lease_gpu, list_gpus

from tests.tiny_cell import tiny_cell

PROJECT = Path(__file__).resolve().parents[3]
IMAGES = ImagesInNumbers(side=8, channels=1, classes=10, train_count=100, test_count=50)


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(PROJECT)
    return load_study([Path("config.yaml"), Path("workflow/studies/demo.yaml")])


def set_environment(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "SMALLMIX_CARDS", *gpu_slots.BATCH_JOB_VARIABLES, "SGE_ROOT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("environment", "gpus"),
    [
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, 0),
        ({"CUDA_VISIBLE_DEVICES": "0,-1,1"}, 1),
        ({"CUDA_VISIBLE_DEVICES": "0,0"}, 1),
        ({"CUDA_VISIBLE_DEVICES": "GPU-1f2e, MIG-77/1/0"}, 2),
        ({"CUDA_VISIBLE_DEVICES": "", "SMALLMIX_CARDS": "0,1"}, 0),
        ({"SMALLMIX_CARDS": "0,1,2"}, 3),
        ({"SMALLMIX_CARDS": ""}, 0),
        ({"SMALLMIX_CARDS": "all"}, 3),
        ({"SMALLMIX_CARDS": "0,0"}, 1),
        ({"SLURM_JOB_ID": "7"}, 0),
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "2"}, 1),
        ({}, 3),
    ],
)
def test_the_plan_counts_the_gpus_that_a_training_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: dict[str, str], gpus: int
) -> None:
    set_environment(monkeypatch, environment)
    monkeypatch.setattr("glob.glob", lambda pattern: ["/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia7"])
    assert Capacity.here(4).on_gpus == gpus
    assert Capacity.here(4, gpu_limit=5).on_gpus == (5 if gpus else 0)
    assert Capacity.here(4, gpu_limit=0).on_gpus == 0
    with lease_gpu(tmp_path):
        assert bool(os.environ.get("CUDA_VISIBLE_DEVICES")) == bool(gpus)
    assert len(list_gpus()) == gpus


@pytest.mark.parametrize(
    ("capacity", "threads", "at_once"),
    [
        (Capacity(1), 1, 1),
        (Capacity(1), 4, 1),
        (Capacity(7), 2, 3),
        (Capacity(8, on_gpus=2), 1, 2),
        (Capacity(1, on_gpus=4), 1, 1),
        (Capacity(4, on_gpus=4), 2, 2),
        (Capacity(1, executor="slurm", jobs=100), 8, 100),
    ],
)
def test_as_many_cells_at_once_as_cores_and_cards_allow(capacity: Capacity, threads: int, at_once: int) -> None:
    assert capacity.at_once(threads) == at_once


def test_the_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 9})
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert Capacity.here().cores == 3


def test_the_first_line_names_what_it_counted(demo: Study, tmp_path: Path) -> None:
    count = len(demo.cells)
    assert f"{count} of {count} cells to train on CPU (1 at once)" in brief_plan(demo, tmp_path, Capacity(1))
    assert f"{count} of {count} cells to train on 2 GPUs; roughly" in brief_plan(demo, tmp_path, Capacity(8, 2))
    assert "on 4 GPUs (2 at once)" in brief_plan(demo, tmp_path, Capacity(2, 4))
    jobs = brief_plan(demo, tmp_path, Capacity(4, executor="slurm", jobs=7))
    assert "as jobs of slurm (up to 7 at once); how long they take depends on the nodes" in jobs
    assert "roughly" not in jobs


def test_the_first_line_counts_the_cells_that_the_run_asks_for(demo: Study, tmp_path: Path) -> None:
    count = len(demo.cells)
    one = brief_plan(demo, tmp_path, Capacity(2), {demo.cells[4].id})
    assert f"1 of the {count} cells that are not trained yet, {count} in all, to train on CPU (1 at once)" in one
    none = brief_plan(demo, tmp_path, Capacity(2), set())
    assert "a full run takes roughly" in none


def seconds_of(study: Study, root: Path, capacity: Capacity) -> float:
    plan = StudyPlan.of(study, root)
    pace = known_pace(plan.to_train[0].value, plan.images, root, on_gpu=bool(capacity.on_gpus))
    return plan.seconds(pace, plan.to_train, capacity.at_once(1))


def test_the_estimate_counts_starts_steps_and_readings(demo: Study, tmp_path: Path) -> None:
    """The demonstration takes one and a half minutes on two free cores; the arithmetic alone would be 22 seconds."""
    plan = StudyPlan.of(demo, tmp_path)
    cell = demo.cells[0].value
    pace = known_pace(cell, plan.images, tmp_path, on_gpu=False)
    parts = pace.start_seconds, pace.training_seconds(cell, plan.images), pace.evaluation_seconds(cell, plan.images)
    assert pace.cell_seconds(cell, plan.images) == pytest.approx(sum(parts))
    assert min(parts) > 0
    assert 45 < seconds_of(demo, tmp_path, Capacity(2)) < 270
    assert seconds_of(demo, tmp_path, Capacity(1)) == pytest.approx(2 * seconds_of(demo, tmp_path, Capacity(2)))


@pytest.mark.parametrize("seconds_a_step", [0.004, 0.9])
@pytest.mark.parametrize("cards", ["", "0,1"])
def test_plan_and_first_line_say_the_same_once_it_was_measured(
    monkeypatch: pytest.MonkeyPatch, demo: Study, tmp_path: Path, seconds_a_step: float, cards: str
) -> None:
    set_environment(monkeypatch, {"SMALLMIX_CARDS": cards})
    measured = Probe("cpu", seconds_a_step=seconds_a_step, flops_a_second=1e9)
    monkeypatch.setattr(probe_module, "probe", lambda cell, images: measured)
    for module in (plan_module, capacity_module):
        monkeypatch.setattr(module, "usable_cores", lambda: 2)
    capacity = Capacity.here(1)
    assert "by assumed speeds" in brief_plan(demo, tmp_path, capacity)
    table = full_plan(demo, tmp_path, capacity, ())
    estimate = re.search(r"^Estimated time: (.+) with 1 cell at once", table, re.MULTILINE)
    assert estimate is not None
    line = brief_plan(demo, tmp_path, capacity)
    assert f"roughly {estimate[1]}, as `plan` measured it" in line
    faster = plain_duration(seconds_of(demo, tmp_path, Capacity.here(2)))
    assert f"With --cores all: {faster} with 2 cells at once." in table
    assert ("cannot be used" in table) == bool(cards)


def test_a_measurement_holds_for_its_network_and_device_alone(tmp_path: Path) -> None:
    cell = tiny_cell()
    noted = note_pace(cell, IMAGES, tmp_path, 2.0, on_gpu=False)
    assert noted.step_seconds(cell, IMAGES) == pytest.approx(2.0)
    assert known_pace(cell, IMAGES, tmp_path, on_gpu=False) == noted
    assert known_pace(tiny_cell("images", size=40), IMAGES, tmp_path, on_gpu=False) == noted
    assert not known_pace(cell, IMAGES, tmp_path, on_gpu=True).measured
    assert not known_pace(tiny_cell(precision="bf16"), IMAGES, tmp_path, on_gpu=False).measured
    assert not known_pace(tiny_cell(batch_size=4), IMAGES, tmp_path, on_gpu=False).measured


@pytest.mark.parametrize("text", ["", "[]", "{", '{"KEY": "soon"}', '{"KEY": 0}', '{"KEY": -1}', '{"KEY": NaN}'])
def test_damaged_notes_are_passed_over(tmp_path: Path, text: str) -> None:
    cell = tiny_cell()
    key = cost_module._note_name(cell, IMAGES, False).replace('"', '\\"')
    (tmp_path / NOTES).parent.mkdir()
    (tmp_path / NOTES).write_text(text.replace("KEY", key))
    assert not known_pace(cell, IMAGES, tmp_path, on_gpu=False).measured


def test_the_command_plans_the_configuration_of_the_named_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(PROJECT)
    text = (PROJECT / "config.yaml").read_text(encoding="utf-8")
    (tmp_path / "config.yaml").write_text(text.replace("study: article", "study: elsewhere"), encoding="utf-8")
    assert main(["plan", "--brief", "--root", str(tmp_path)]) == 0
    assert "study elsewhere:" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["plan", "report", "resolve-study"])
@pytest.mark.parametrize("configuration", ["", "{}", "[]", "no JSON"])
def test_what_is_no_resolved_configuration_is_refused_in_words(
    command: str, configuration: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--configuration", configuration]) == 2
    assert "does not hold a resolved configuration" in capsys.readouterr().err
