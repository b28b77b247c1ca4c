"""Snakemake itself is killed, interrupted, or started twice: the same command again, and nothing else, mends it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.outcomes import Outcomes
from tests.chaos.trainer import PATIENCE_SECONDS

PROJECT = Path(__file__).resolve().parents[2]
STUDY = """\
study: chaos
title: A study to be broken
dataset: {name: digits}
subsets: {sizes: [20]}
seeds: [0]
model: {width: 4}
recipe: {augmentation: {crop_padding: 1, flip: false}}
evaluation: {iteration_budgets: {every: 50}, clean_train_limit: 20}
budgets: {default: {iterations: 300}, 500: ~, 250: ~, 100: ~}
published: ~
"""
METHODS = ("non", "data-mix", "label-mix")


@dataclass(frozen=True)
class Project:
    """A copy of the project with one small study."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> Project:
        folder.mkdir(parents=True)
        for part in ("Snakefile", "config.yaml", "workflow", "envs", "profiles"):
            source = PROJECT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / part)
        (folder / "chaos.yaml").write_text(STUDY, encoding="utf-8")
        return cls(folder)

    def start(self, name: str, cores: int = 2) -> subprocess.Popen[bytes]:
        """Start the user's command in a session of its own; what it prints goes to <name>.log."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        command = [sys.executable, "-m", "snakemake", "cells", "--cores", str(cores), "--configfile", "chaos.yaml"]
        with open(self.folder / f"{name}.log", "wb") as stream:
            return subprocess.Popen(
                [*command, "--set-resources", "train_cell:gpu=0"],
                cwd=self.folder,
                env={**environment, "OMP_NUM_THREADS": "1"},
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def output(self, name: str) -> str:
        """Return what a command printed."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def run(self, name: str, cores: int = 2) -> None:
        """Run to the end and insist on success."""
        assert self.start(name, cores).wait(PATIENCE_SECONDS) == 0, self.output(name)

    def wait_until_training(self, process: subprocess.Popen[bytes], name: str) -> None:
        """Wait until two cells take steps."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._cells_under_way() < 2:
            assert process.poll() is None, self.output(name)
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _cells_under_way(self) -> int:
        # On a busy machine one cell may have ended before the next takes its first step.
        logs = [log.read_text() for log in self.folder.glob("results/store/*/log.txt")]
        return sum("| train loss" in text and "finished:" not in text for text in logs)

    def trainers(self) -> list[int]:
        """Return the trainers of this project that are alive."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                here = os.readlink(entry / "cwd") == str(self.folder)
                if here and b"train-cell" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def result(self) -> dict[str, Any]:
        """Return what must be equal: every cell's history and predictions as bytes, and its numbers."""
        found: dict[str, Any] = {}
        for method in METHODS:
            folder = self.folder / "results" / "chaos" / "cells" / "n20" / method / "seed0"
            metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
            for key in ("timing", "environment", "earlier_environments"):
                del metrics[key]
            files = [(folder / name).read_bytes() for name in ("history.csv", "predictions.npz")]
            found[method] = [metrics, *files]
        return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Train the study's cells one at a time and undisturbed; the others run two at a time."""
    project = Project.create(tmp_path_factory.mktemp("undisturbed") / "a project elsewhere")
    project.run("undisturbed", cores=1)
    return project.result()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project")


def test_sigkill_of_snakemake_and_the_same_command_again(
    project: Project, undisturbed: dict[str, Any], outcomes: Outcomes
) -> None:
    """Its trainers live on as orphans: the next run waits for them and takes their results."""
    problem = "SIGKILL of Snakemake alone"
    first = project.start("first")
    project.wait_until_training(first, "first")
    first.kill()
    first.wait()
    assert project.trainers(), "nothing was orphaned: the test came too late"
    assert (project.folder / ".snakemake" / "locks").exists()
    outcomes.inject(problem)
    project.run("again")
    outcomes.compare(problem, project.result(), undisturbed)


@pytest.mark.long
def test_sigkill_of_snakemake_and_all_its_jobs(
    project: Project, undisturbed: dict[str, Any], outcomes: Outcomes
) -> None:
    problem = "SIGKILL of Snakemake and its trainers"
    for number in range(3):
        process = project.start(f"run-{number}")
        project.wait_until_training(process, f"run-{number}")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        outcomes.inject(problem)
        for log in project.folder.glob("results/store/*/log.txt"):
            log.unlink()
    project.run("again")
    outcomes.compare(problem, project.result(), undisturbed, 3)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM to the whole session"])
def test_everything_is_asked_to_stop(
    project: Project, undisturbed: dict[str, Any], outcomes: Outcomes, number: signal.Signals
) -> None:
    problem = f"{number.name} to Snakemake and its trainers"
    process = project.start("first")
    project.wait_until_training(process, "first")
    os.killpg(process.pid, number)
    outcomes.inject(problem)
    assert process.wait(PATIENCE_SECONDS) != 0
    assert project.trainers() == []
    stopped = [log.read_text() for log in project.folder.glob("results/store/*/log.txt")]
    assert sum(f"{number.name} received: saved at iteration" in text for text in stopped) == 2
    project.run("again")
    outcomes.compare(problem, project.result(), undisturbed)


def test_two_at_once(project: Project, undisturbed: dict[str, Any], outcomes: Outcomes) -> None:
    """One refuses clearly, whichever comes second, and the other is not disturbed."""
    problem = "two Snakemake runs of one study at once"
    names = ("left", "right")
    processes = [project.start(name) for name in names]
    codes = [process.wait(PATIENCE_SECONDS) for process in processes]
    outcomes.inject(problem)
    assert sorted(code == 0 for code in codes) == [False, True], [project.output(name) for name in names]
    refused = project.output(names[0] if codes[0] else names[1])
    assert "being run here already" in refused or "Directory cannot be locked" in refused
    assert "Traceback" not in refused
    outcomes.compare(problem, project.result(), undisturbed)


@pytest.mark.long
def test_a_second_run_names_the_process_at_work(
    project: Project, undisturbed: dict[str, Any], outcomes: Outcomes
) -> None:
    problem = "a second Snakemake while the first trains"
    first = project.start("first")
    project.wait_until_training(first, "first")
    second = project.start("second")
    outcomes.inject(problem)
    assert second.wait(PATIENCE_SECONDS) == 1
    assert f"being run here already, by Snakemake's process {first.pid} on " in project.output("second")
    assert first.wait(PATIENCE_SECONDS) == 0, project.output("first")
    outcomes.compare(problem, project.result(), undisturbed)
