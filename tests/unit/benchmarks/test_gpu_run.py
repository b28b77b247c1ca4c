"""Protects the one command for a GPU: its stages, their limits, and a study carried to a machine with PyTorch alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from smallmix.datasets.data_fingerprint import fingerprint_data
from smallmix.datasets.fetch import fetch_dataset
from smallmix.study.configuration import load_study
from smallmix.study.layout import STORE, Layout

from benchmarks import cell_run, gpu_run
from benchmarks.cell_run import Trainer, train_cells
from benchmarks.portable_study import prepare, unpack
from benchmarks.time_limit import TimeLimit
from tests.unit.benchmarks.bare_machine import PILLOW, PROJECT, PYTORCH, run_there

OVERLAY = """\
study: tiny
title: A tiny study
description: Two cells.
subsets: {sizes: [16]}
methods: {data-mix: ~}
model: {width: 8}
recipe: {precision: bf16}
evaluation: {iteration_budgets: {every: 5}, validation_images: 4}
budgets:
  default: {iterations: ITERATIONS}
published: ~
"""
CPU = Trainer("cpu", 1, {})


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images to train on and 10 to test on, with their lists."""
    folder = tmp_path_factory.mktemp("pictures") / "pictures"
    random = np.random.default_rng(0)
    for part, count in (("train", 24), ("test", 10)):
        (folder / part).mkdir(parents=True)
        lines = ["path,label"]
        for number in range(count):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / part / f"{number}.png")
            lines.append(f"{part}/{number}.png,{'ab'[number % 2]}")
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def prepared(images: Path, folder: Path, iterations: int) -> Path:
    folder.mkdir()
    overlay = folder / "tiny.yaml"
    overlay.write_text(OVERLAY.replace("ITERATIONS", str(iterations)), encoding="utf-8")
    command = ["--prepare", "--configfile", str(overlay), "--images", str(images), "--title", "Ours"]
    assert gpu_run.main([*command, "--output", str(folder / "carried")]) == 0
    return folder / "carried"


def test_a_carried_study_is_trained_with_pytorch_alone_and_found_at_home(images: Path, tmp_path: Path) -> None:
    carried = prepared(images, tmp_path / "home", iterations=10)
    out = tmp_path / "out"
    command = ["-m", "benchmarks.gpu_run", "--only", "cells", "--device", "cpu", "--study", str(carried)]
    first = run_there([*command, "--output", str(out)], tmp_path, [*PYTORCH, *PILLOW])
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2 of 2 cells are finished" in first.stdout
    assert first.stdout.count(" s of evaluations in all: test accuracy ") == 2
    assert first.stdout == (out / "journal.txt").read_text(encoding="utf-8")
    home = load_study([PROJECT / "config.yaml", carried.parent / "tiny.yaml", carried / "images.yaml"])
    assert (home.name, home.configuration["description"]) == ("tiny-pictures", "Two cells.")
    layout = Layout(home, out)
    arrays = tmp_path / "arrays"
    fetch_dataset(home.configuration["dataset"], arrays)
    for cell in home.cells:
        metrics = json.loads((layout.cell(cell) / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["cell_fingerprint"] == cell.value.fingerprint
        assert metrics["data_fingerprint"] == fingerprint_data(layout.subset(cell), arrays, layout.validation)
    again = run_there([*command, "--output", str(out)], tmp_path, [*PYTORCH, *PILLOW])
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 of 2 cells were finished before" in again.stdout
    assert " s of evaluations" not in again.stdout


def test_equal_cells_of_two_studies_are_trained_once_and_the_images_are_carried_once(
    images: Path, tmp_path: Path
) -> None:
    first = prepared(images, tmp_path / "first", iterations=10)
    home = tmp_path / "second"
    home.mkdir()
    text = OVERLAY.replace("ITERATIONS", "10").replace("study: tiny", "study: more").replace("label-mix: ~", "")
    (home / "more.yaml").write_text(text.replace("sizes: [16]", "sizes: [16, 8]"), encoding="utf-8")
    command = ["--prepare", "--configfile", str(home / "more.yaml"), "--images", str(images), "--without-images"]
    assert gpu_run.main([*command, "--output", str(home / "carried")]) == 0
    assert sorted(path.name for path in (home / "carried").iterdir()) == ["images.yaml", "study.json"]
    said: list[str] = []
    out = tmp_path / "out"
    layouts = [unpack(folder, out) for folder in (first, home / "carried")]
    assert train_cells(layouts, [], CPU, TimeLimit(), said.append) == 0
    trained = [line.partition(":")[0] for line in said if " s of evaluations" in line]
    assert sorted(trained) == [
        "more-pictures n8/label-mix/seed0",
        "more-pictures n8/non/seed0",
        "tiny-pictures n16/label-mix/seed0",
        "tiny-pictures n16/non/seed0",
    ]
    assert said[-1] == "4 of 4 cells are finished"


def test_trainings_stop_before_the_time_is_up_and_go_on_in_the_next_run(images: Path, tmp_path: Path) -> None:
    layout = unpack(prepared(images, tmp_path / "home", iterations=1_000_000), tmp_path / "out")
    cell = layout.study.cells[0]
    log = layout.root / "logs" / layout.study.name / f"{cell.id}.log"

    class OnceItTrains(TimeLimit):
        """Time is up when the log tells of the first evaluation of this run."""

        @property
        def left(self) -> float:
            """The first evaluation's line holds an accuracy."""
            return 0.0 if log.exists() and "accuracy" in log.read_text(encoding="utf-8") else 1000.0

    said: list[str] = []
    assert train_cells([layout], [], CPU, OnceItTrains(), said.append) == 0, said
    assert said[0].startswith(f"tiny-pictures {cell.id}: stopped after ")
    assert "saved at iteration" in said[0]
    assert said[1] == "0 of 2 cells are finished"
    assert list((layout.root / STORE).glob("*/checkpoint*.pt"))
    log.unlink()
    assert train_cells([layout], [], CPU, OnceItTrains(), said.append) == 0
    assert "continued from the checkpoint at iteration" in log.read_text(encoding="utf-8")


def test_cells_that_all_fail_are_not_all_tried(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = unpack(prepared(images, tmp_path / "home", iterations=10), tmp_path / "out")
    monkeypatch.setattr(cell_run, "FAILURES_IN_A_ROW", 1)

    def broken(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        return usual([sys.executable, "-c", "import sys; sys.exit('no memory left')"], **options)  # type: ignore[call-overload, no-any-return]

    usual = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", broken)
    said: list[str] = []
    assert train_cells([layout], [], CPU, TimeLimit(), said.append) == 1
    assert said[0].endswith("s: no memory left")
    assert said[1:] == ["1 cells in a row failed, so no other is begun", "0 of 2 cells are finished"]


def test_cells_come_in_the_order_of_sizes_that_was_asked_for() -> None:
    article = load_study([PROJECT / "config.yaml"])
    sizes = list(dict.fromkeys(cell.size for cell in cell_run.in_order(article.cells, gpu_run.SIZES)))
    assert sizes == [500, 100, 1_000, 5_000, 10_000, 20_000, 50_000, 250]
    assert [cell.size for cell in cell_run.in_order(article.cells, [100])][:4] == [100, 100, 100, 50_000]


def test_other_data_sets_are_carried_as_arrays(tmp_path: Path) -> None:
    carried = tmp_path / "carried"
    prepare([PROJECT / "workflow/studies/demo.yaml"], carried, None, None)
    assert sorted(path.name for path in carried.iterdir()) == ["images.tar.xz", "study.json"]
    layout = unpack(carried, tmp_path / "out")
    cell = layout.study.cells[0]
    fetch_dataset({"name": "digits"}, tmp_path / "arrays")
    assert fingerprint_data(layout.subset(cell), layout.dataset) == fingerprint_data(
        layout.subset(cell), tmp_path / "arrays"
    )


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand-ins for the stages; their names are noted as they run. The tests fail."""
    run: list[str] = []

    def stage(name: str, *_: object) -> Callable[[TimeLimit], int]:
        def work(limit: TimeLimit) -> int:
            run.append(name)
            return int(name == "tests")

        return work

    monkeypatch.setattr(gpu_run, "_stage", stage)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return run


def test_a_stage_that_fails_keeps_no_other_from_running_and_none_is_repeated(
    stages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["--output", str(tmp_path), "--study", str(tmp_path)]
    assert gpu_run.main(command) == 1
    assert stages == ["executors", "tests", "benchmark", "cells"]
    assert gpu_run.main(command) == 1, "the tests failed before, with this very code"
    assert stages[4:] == ["cells"]
    assert gpu_run.main([*command, "--again", "--only", "benchmark"]) == 0
    assert stages[5:] == ["benchmark"]
    monkeypatch.setattr(gpu_run, "fingerprint_sources", lambda: "changed code")
    gpu_run.main(command)
    assert stages[6:] == ["executors", "tests", "benchmark", "cells"]


def test_a_stage_for_which_time_is_up_is_left_to_the_next_call(stages: list[str], tmp_path: Path) -> None:
    assert gpu_run.main(["--output", str(tmp_path), "--minutes", "0.1"]) == 1
    assert stages == []
    gpu_run.main(["--output", str(tmp_path)])
    assert stages == ["executors", "tests", "benchmark"]


@pytest.mark.parametrize("counted", [["0"], []], ids=["a GPU", "none"])
@pytest.mark.parametrize("service", [{"CUDA_MPS_PIPE_DIRECTORY": "/pipes"}, None], ids=["service", "no service"])
def test_cells_on_a_gpu_share_it_by_the_service_and_find_it_where_it_is_not_counted(
    counted: list[str], service: dict[str, str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainers: list[Trainer] = []

    def note(layout: object, sizes: object, trainer: Trainer, *_: object) -> int:
        trainers.append(trainer)
        return 0

    monkeypatch.setattr("benchmarks.portable_study.unpack", lambda *_: None)
    monkeypatch.setattr("benchmarks.cell_run.train_cells", note)
    monkeypatch.setattr("smallmix.training.gpu_slots.list_gpus", lambda: counted)
    monkeypatch.setattr("benchmarks.multi_process_service.multi_process_service", lambda: nullcontext(service))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    command = ["--output", str(tmp_path), "--study", str(tmp_path), "--only", "cells"]
    assert gpu_run.main([*command, "--at-once", "3"]) == 0
    expected = {**(service or {}), **({} if counted else {"SMALLMIX_CARDS": "0"})}
    assert trainers == [Trainer("cuda", 3, expected)]
    words = "did not start: cells that train at once take turns" in (tmp_path / "journal.txt").read_text(
        encoding="utf-8"
    )
    assert words == (service is None)
