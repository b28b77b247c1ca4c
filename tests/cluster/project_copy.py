"""A copy of the project in a temporary folder, and Snakemake runs in it: what the cluster tests work with."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.slurm_in_a_folder import wait_until

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
STUDY = "cluster"
QUICK = ("50",)
SLOW = ("100",)
METHODS = ("non", "data-mix", "label-mix")
RUN_LIMIT = 300  # seconds: no Snakemake of a test outlives this
Results = dict[str, dict[str, Any]]


@dataclass
class Project:
    """A copied project. `environment` is what its programs are started with."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def copy(cls, folder: Path) -> Project:
        """Copy what a clone of the repository holds of the workflow, except that it never finds a usable GPU.

        Made-up GPUs must not become real ones on machines that have some: bytes are compared with the CPU's.
        """
        for name in ("workflow", "profiles", "envs"):
            shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("Snakefile", "config.yaml"):
            shutil.copy2(PROJECT / name, folder / name)
        shutil.copy2(HERE / "study.yaml", folder / "study.yaml")
        devices = folder / "workflow" / "smallmix" / "training" / "hardware.py"
        code = devices.read_text(encoding="utf-8")
        assert "torch.cuda.is_available()" in code
        devices.write_text(code.replace("torch.cuda.is_available()", "False"), encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SNAKEMAKE"))}
        for name in ("CUDA_VISIBLE_DEVICES", "SMALLMIX_CARDS", "PYTHONPATH"):
            environment.pop(name, None)
        environment.update(OMP_NUM_THREADS="1", XDG_CACHE_HOME=str(folder / ".cache"))
        return cls(folder, environment)

    def duplicate(self, folder: Path, environment: dict[str, str] | None = None) -> Project:
        """Return an independent project in the same state, with more environment."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder, {**self.environment, **(environment or {}), "XDG_CACHE_HOME": str(folder / ".cache")})

    def edit_profile(self, name: str, train_cell: dict[str, Any] | None = None, **keys: Any) -> None:
        """Edit a profile as its reader would: site settings of the training rule, and keys. `None` removes one."""
        path = self.folder / "profiles" / name / "config.yaml"
        profile = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key, value in keys.items():
            profile[key.replace("_", "-")] = value
        for key, value in (train_cell or {}).items():
            profile["set-resources"]["train_cell"][key] = value
        path.write_text(yaml.safe_dump(profile), encoding="utf-8")

    def cell(self, size: str, method: str) -> str:
        """Return the target that stands for a cell."""
        return f"results/{STUDY}/cells/n{size}/{method}/seed0/metrics.json"

    def start(self, *arguments: str, profile: str | None = None) -> Run:
        """Start Snakemake in a process group of its own."""
        log = self.folder / f"run-{len(list(self.folder.glob('run-*.log')))}.log"
        options = ["--workflow-profile", f"profiles/{profile}"] if profile else []
        command = [sys.executable, str(HERE / "quick_snakemake.py"), *arguments, "--configfile", "study.yaml", *options]
        with open(log, "wb") as stream:
            process = subprocess.Popen(
                ["timeout", "--signal=KILL", str(RUN_LIMIT), *command],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Run(process, log)

    def snakemake(self, *arguments: str, profile: str | None = None, exit_code: int | None = 0) -> str:
        """Run Snakemake to its end; return its output."""
        return self.start(*arguments, profile=profile).wait(exit_code)

    def results(self) -> Results:
        """Return what the cells hold, without what may differ between equal runs: machine, times."""
        found: Results = {}
        for metrics in sorted((self.folder / "results" / STUDY / "cells").glob("*/*/*/metrics.json")):
            content = json.loads(metrics.read_text(encoding="utf-8"))
            for key in ("environment", "earlier_environments", "timing"):
                content.pop(key, None)
            found[str(metrics.parent.relative_to(self.folder))] = {
                "metrics": content,
                "history.csv": (metrics.parent / "history.csv").read_bytes(),
                "predictions.npz": (metrics.parent / "predictions.npz").read_bytes(),
            }
        return found

    def runs_of(self, size: str, method: str) -> int:
        """Return how many processes worked on a cell's training, one after the other: 1 and its continuations."""
        content = json.loads((self.folder / self.cell(size, method)).read_text(encoding="utf-8"))
        return int(content["timing"]["runs"])

    def cell_log(self, size: str, method: str) -> str:
        """Return the log of a cell's latest job."""
        path = self.folder / "logs" / STUDY / "cells" / f"n{size}" / method / "seed0.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def store_logs(self) -> list[str]:
        """Return the lasting logs of all trainings."""
        return [path.read_text(encoding="utf-8") for path in (self.folder / "results" / "store").glob("*/log.txt")]

    def trainers(self, size: str = "", method: str = "") -> list[int]:
        """Return the processes that train this project's cells (or one of them), whoever started them."""
        place = f"/n{size}/{method}/seed0" if size else ""
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if folder.name.isdigit() and (folder / "cwd").resolve() == self.folder.resolve():
                    command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                    if (
                        "train-cell" in command
                        and str(self.folder / "workflow") in command
                        and place in "".join(command)
                    ):
                        found.append(int(folder.name))
        return found

    def wait_for_training(self, *cells: tuple[str, str]) -> None:
        """Wait until all of some cells are in training; who comes first is kept waiting for the others."""
        end = time.monotonic() + 180
        with contextlib.ExitStack() as waiting:
            first: set[tuple[str, str]] = set()
            while len(first) < len(cells):
                assert time.monotonic() < end, f"not all in training: {cells}"
                for cell in set(cells) - first:
                    if self.is_training(*cell):
                        first.add(cell)
                        waiting.enter_context(held_up(self.trainers(*cell)))
                time.sleep(0.05)

    def is_training(self, size: str, method: str) -> bool:
        """Return whether a cell's latest job has begun to train (and has evaluated on the test images once)."""
        return "| train loss" in self.cell_log(size, method)


@contextlib.contextmanager
def held_up(processes: list[int]) -> Iterator[None]:
    """Let processes stand still while the block runs. Signals reach them afterwards."""
    try:
        for process in processes:
            _send(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            _send(process, signal.SIGCONT)


def was_asked_to_stop(process: int) -> bool:
    """Return whether a process that stands still has a SIGTERM to answer, or is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return True
    pending = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))]
    return "State:\tZ" in status or any(mask & 1 << (signal.SIGTERM - 1) for mask in pending)


def _send(process: int, name: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, name)


@dataclass
class Run:
    """A running Snakemake."""

    process: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        """Return what it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self, exit_code: int | None = 0) -> str:
        """Wait for its end; the exit code must be the given one (None: any)."""
        try:
            code = self.process.wait(timeout=RUN_LIMIT + 30)
        finally:
            self.kill()
        output = self.output()
        assert exit_code is None or code == exit_code, f"exit code {code}:\n{output[-6000:]}"
        return output

    def signal(self, name: signal.Signals) -> None:
        """Send a signal to Snakemake alone, as `kill` would."""
        os.kill(self._snakemake(), name)

    def kill(self) -> None:
        """Kill what is left of it, its local jobs included."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def is_running(self) -> bool:
        """Return whether it has not ended yet."""
        return self.process.poll() is None

    def _snakemake(self) -> int:
        # `timeout` is the parent; Snakemake is its only child.
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        wait_until(lambda: children.read_text().split(), "Snakemake's process")
        return int(children.read_text().split()[0])
