"""Protects the plan: it counts what a run may use as the run does, and never contradicts the line that opens a run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from smallmix.commands.main import main
from smallmix.planning import plan
from smallmix.planning.capacity import Capacity
from smallmix.planning.estimate import RunJobs
from smallmix.planning.plan import brief_plan, full_plan
from smallmix.study.configuration import load_study
from smallmix.study.study import Study
from smallmix.tables import collect
from smallmix.training import gpu_slots
from smallmix.training.gpu_slots import lease_gpu, list_gpus

from tests.synthetic_study import CODE_FINGERPRINT, SyntheticStudy, build_synthetic_study
from tests.tiny_study import TinyStudy

PROJECT = Path(__file__).resolve().parents[3]


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
    assert f"{count} of {count} cells to train on 2 GPUs; " in brief_plan(demo, tmp_path, Capacity(8, 2))
    assert "on 4 GPUs (2 at once)" in brief_plan(demo, tmp_path, Capacity(2, 4))
    jobs = brief_plan(demo, tmp_path, Capacity(4, executor="slurm", jobs=7))
    assert jobs.endswith("as jobs of slurm (up to 7 at once); how long they take depends on the nodes.")


def test_the_first_line_counts_the_cells_that_the_run_asks_for(demo: Study, tmp_path: Path) -> None:
    count = len(demo.cells)
    one = brief_plan(demo, tmp_path, Capacity(2), RunJobs(frozenset({demo.cells[4].id}), {"extract_subset": 1}))
    assert f"1 of the {count} cells that are not trained yet, {count} in all, to train on CPU (1 at once)" in one
    none = brief_plan(demo, tmp_path, Capacity(2), RunJobs(frozenset(), {"resolve_study": 1, "extract_subset": 12}))
    # Snakemake 2.0 s, its plan (36 + 13) x 0.002 s, 0.15 s, 12 x 0.20 s and its end 0.7 s: 5.3 s
    assert none == (
        "smallmix: study demo: 36 of 36 cells to train on CPU (2 at once), none of them in this run; "
        "about 5 s for 13 other steps."
    )


def test_what_the_store_may_have_is_said_until_the_subsets_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store's keys cover the drawn images: before the draw, nobody knows which cells it has."""
    monkeypatch.chdir(tmp_path)
    made = TinyStudy.write(tmp_path)
    study, subset = made.layout.study, made.layout.subset(made.layout.study.cells[0])
    count, words = len(study.cells), "some may be found in the store once the subsets are drawn"
    drawn = subset.read_bytes()
    subset.unlink()
    assert words not in brief_plan(study, tmp_path, Capacity(1))  # there is no store
    subset.write_bytes(drawn)
    made.train("n20/non/seed0")
    shutil.rmtree(made.layout.cell(made.cell("n20/non/seed0")))
    assert f"{count - 1} of {count} cells to train on CPU" in brief_plan(study, tmp_path, Capacity(1))
    subset.unlink()
    assert f"{count} of {count} cells to train ({words}) on CPU" in brief_plan(study, tmp_path, Capacity(1))
    assert f"To train: {count} of {count} cells ({words}), " in full_plan(study, tmp_path, Capacity(1), [])


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SyntheticStudy:
    """Return a study whose cells are all trained, by the code as it is."""
    monkeypatch.setattr(collect, "training_code", lambda cell: CODE_FINGERPRINT)
    return build_synthetic_study(tmp_path, sizes=(100, 50), seeds=(0,))


def test_cells_of_images_that_are_read_again_are_not_said_to_be_trained(finished: SyntheticStudy) -> None:
    cells = frozenset(cell.id for cell in finished.study.cells)

    def line(jobs: RunJobs) -> str:
        return brief_plan(finished.study, finished.root, Capacity(1), jobs)

    assert "all 6 cells are trained" in line(RunJobs(frozenset(), {"plot_figures": 1}))
    again = line(RunJobs(cells, {"fetch_dataset": 1, "plot_figures": 1}))
    assert "the images are read again; if they changed, 6 of 6 cells to train on CPU (1 at once); " in again
    assert "are trained" not in again
    alone = line(RunJobs(frozenset(), {"fetch_dataset": 1}))
    assert alone.endswith("the images are read again, and none of its 6 cells is trained in this run.")


def test_a_plan_by_the_disk_knows_that_images_changed(
    finished: SyntheticStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "the images changed since: 1 file (first: 'cat/new.png')"
    monkeypatch.setattr(plan, "find_changes", lambda settings, folder: None)
    assert "all 6 cells are trained" in brief_plan(finished.study, finished.root, Capacity(1))
    monkeypatch.setattr(plan, "find_changes", lambda settings, folder: reason)
    assert "6 of 6 cells to train on CPU (1 at once)" in brief_plan(finished.study, finished.root, Capacity(1))
    state, changed = plan._state_by_images(finished.study, finished.root)
    assert changed == reason
    assert (
        plan._dataset_in_words(state, changed)
        == f"to be made again ({reason}); what was trained on it counts as outdated"
    )
    assert {status.status for status in state.statuses.values()} == {"stale"}
    assert state.jobs().others["fetch_dataset"] == 1


def test_nothing_that_goes_wrong_in_an_estimate_ends_a_run(
    demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr("smallmix.planning.estimate.study_pace", fail)
    assert brief_plan(demo, tmp_path, Capacity(1)).endswith("36 of 36 cells to train on CPU (1 at once).")
    monkeypatch.setattr("smallmix.planning.estimate.find_statuses", fail)
    line = brief_plan(demo, tmp_path, Capacity(1))
    assert line == "smallmix: study demo: 36 cells; no estimate can be made (no such thing)."


@pytest.mark.parametrize(
    ("precision", "instructions", "gpus", "is_told"),
    [("bf16", "avx2", 0, True), ("bf16", "amx", 0, False), ("fp32", "avx2", 0, False), ("bf16", "avx2", 1, False)],
)
def test_the_start_of_a_run_says_where_bf16_is_emulated(
    demo: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    instructions: str,
    gpus: int,
    is_told: bool,
) -> None:
    monkeypatch.setattr(plan, "bf16_instructions", lambda: instructions)
    configuration = {**demo.configuration, "recipe": {**demo.configuration["recipe"], "precision": precision}}
    line = brief_plan(Study.from_configuration(configuration), tmp_path, Capacity(1, gpus))
    told = (
        "This processor emulates bf16 and takes 10 to 15 times as long as for fp32, which trains other cells: add "
        "--config study=my-study recipe='{precision: fp32}'."
    )
    assert (told in line) == is_told


def test_a_target_that_there_is_not_is_refused(demo: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--brief", "demo", "--target", "subset"]) == 2
    error = capsys.readouterr().err
    assert "--target subset: there is no such target" in error
    assert demo.cells[0].id in error


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
