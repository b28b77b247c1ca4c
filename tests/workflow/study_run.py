"""Runs Snakemake on a tiny study in a copy of the project, and reads from a dry run which rules would run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smallmix.code_fingerprint import fingerprint_training
from smallmix.datasets.data_fingerprint import fingerprint_data
from smallmix.study.layout import STORE, Layout
from smallmix.study.study import Study
from smallmix.training.store import store_key

PROJECT = Path(__file__).resolve().parents[2]
PARTS_OF_THE_PROJECT = ("Snakefile", "config.yaml", "workflow", "envs", "profiles")

TINY_STUDY = """\
study: tiny
title: A tiny study
dataset: {name: digits}
subsets: {sizes: [20, 40]}
seeds: [0]
model: {width: 4}
recipe: {augmentation: {crop_padding: 1, flip: false}}
evaluation: {iteration_budgets: {every: 2}, clean_train_limit: 20}
budgets: {default: {iterations: 4}, 500: ~, 250: ~, 100: ~}
published: ~
"""


@dataclass(frozen=True)
class StudyRun:
    """A copy of the project with a tiny study in it."""

    folder: Path
    environment: tuple[tuple[str, str], ...] = ()

    @classmethod
    def create(cls, folder: Path) -> StudyRun:
        """Copy the project's working parts (not its results) and write the tiny study."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS_OF_THE_PROJECT:
            source = PROJECT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            else:
                shutil.copy2(source, folder / part)
        (folder / "tiny.yaml").write_text(TINY_STUDY, encoding="utf-8")
        return cls(folder)

    def copy_to(self, folder: Path) -> StudyRun:
        """Return a copy with everything, Snakemake's own records and file times included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return StudyRun(folder)

    def snakemake(
        self, *arguments: str, timeout: float = 300, laid_over: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake in the copy; targets stand first, as on every command line with --configfile."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments, "--configfile", "tiny.yaml", *laid_over],
            cwd=self.folder,
            env={**environment, "OMP_NUM_THREADS": "1", **dict(self.environment)},
            text=True,
            capture_output=True,
            timeout=timeout,
            check=False,
        )

    def run(self, *arguments: str) -> None:
        """Run and insist on success."""
        result = self.snakemake(*arguments, "--cores", "2")
        assert result.returncode == 0, result.stdout + result.stderr

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return the rules that a run would run, with their numbers of jobs; gathering targets are left out."""
        result = self.snakemake(*arguments, "-n", "--cores", "2")
        output = result.stdout + result.stderr
        assert result.returncode == 0, output
        if "Nothing to be done" in output:
            return {}
        counts = dict(re.findall(r"^(\w+) +(\d+)$", output, flags=re.MULTILINE))
        assert "total" in counts, output
        targets = {"all", "total", "cells", "subsets", "figures", "report"}
        return {rule: int(count) for rule, count in counts.items() if rule not in targets}

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that stands exactly once in a file."""
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    def cell(self, place: str) -> Path:
        """Return a cell's folder."""
        return self.folder / "results" / "tiny" / "cells" / place

    def block_in_store(self, size: int) -> list[Path]:
        """Put a file where the store of the size's cells wants a folder, so that their trainings fail."""
        self.run("subsets")
        study = Study.load(self.folder / "results/tiny/study.json")
        layout = Layout(study, self.folder)
        blocked = []
        for cell in (cell for cell in study.cells if cell.size == size):
            data = fingerprint_data(layout.subset(cell), layout.dataset)
            key = store_key(cell.value, data, fingerprint_training(cell.value))
            blocked.append(self.folder / STORE / key)
            blocked[-1].parent.mkdir(parents=True, exist_ok=True)
            blocked[-1].write_text("in the way", encoding="utf-8")
        return blocked
