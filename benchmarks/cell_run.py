"""Train the cells of prepared studies until time is up: each by `train-cell`, in a process of its own, some at once.

What is finished is not trained again, nor begun. What is not is saved and continued by the next run. Equal cells of
several studies are trained once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smallmix.code_fingerprint import fingerprint_training
from smallmix.errors import Interrupted
from smallmix.study.cell import Cell
from smallmix.study.layout import STORE, Layout
from smallmix.study.study import StudyCell

from benchmarks.logged_process import PROJECT, end_session, project_environment
from benchmarks.time_limit import TimeLimit

SECONDS_TO_SAVE = 25.0
LOOK_EVERY = 0.2
# After so many failures in a row the next cells would fail as well.
FAILURES_IN_A_ROW = 3


@dataclass(frozen=True)
class Trainer:
    """How a cell is trained: the device, how many at once, and what the processes need in their environment."""

    device: str
    at_once: int
    variables: Mapping[str, str]


@dataclass(frozen=True)
class _Wanted:
    layout: Layout
    cell: StudyCell

    @property
    def name(self) -> str:
        return f"{self.layout.study.name} {self.cell.id}"


@dataclass
class _Running:
    wanted: _Wanted
    process: subprocess.Popen[bytes]
    began: float


def in_order(cells: Sequence[StudyCell], sizes: Sequence[int]) -> list[StudyCell]:
    """Return the cells by size in the order of `sizes`; those of other sizes follow as they stand in the study."""
    places = {size: place for place, size in enumerate(sizes)}
    return sorted(cells, key=lambda cell: places.get(cell.size, len(places)))


def train_cells(
    layouts: Sequence[Layout], sizes: Sequence[int], trainer: Trainer, limit: TimeLimit, say: Callable[[str], None]
) -> int:
    """Train until all cells of the studies are finished or time is up; return how many failed.

    Studies come in their order. Says how each cell ended, as it ends. A training gets its signal to save before the
    limit, early enough for a large checkpoint.
    """
    different: dict[Cell, _Wanted] = {}
    for layout in layouts:
        for cell in in_order(layout.study.cells, sizes):
            different.setdefault(cell.value, _Wanted(layout, cell))
    waiting = [one for one in different.values() if not _is_finished(one)]
    running: list[_Running] = []
    failed = in_a_row = 0
    whole = len(different)
    finished = whole - len(waiting)
    if finished:
        say(f"{finished} of {whole} cells were finished before")
    try:
        while running or (waiting and in_a_row < FAILURES_IN_A_ROW and limit.left > SECONDS_TO_SAVE):
            while waiting and len(running) < trainer.at_once and in_a_row < FAILURES_IN_A_ROW:
                running.append(_start(waiting.pop(0), trainer))
            if limit.left <= SECONDS_TO_SAVE:
                break
            time.sleep(LOOK_EVERY)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                succeeded = one.process.returncode == 0
                finished += succeeded
                failed += not succeeded
                in_a_row = 0 if succeeded else in_a_row + 1
                say(f"{one.wanted.name}: {_outcome(one)}")
    finally:
        for one in running:
            one.process.terminate()
        until = TimeLimit.after(SECONDS_TO_SAVE)
        for one in running:
            end_session(one.process, until.left)
            finished += one.process.returncode == 0
            failed += one.process.returncode not in (0, Interrupted.exit_code)
            say(f"{one.wanted.name}: {_outcome(one)}")
    if in_a_row >= FAILURES_IN_A_ROW:
        say(f"{in_a_row} cells in a row failed, so no other is begun")
    say(f"{finished} of {whole} cells are finished")
    return failed


def _is_finished(wanted: _Wanted) -> bool:
    """Return whether an earlier run left the results of this very cell in its place."""
    try:
        metrics = json.loads((wanted.layout.cell(wanted.cell) / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (metrics.get("cell_fingerprint"), metrics.get("code_fingerprint")) == (
        wanted.cell.value.fingerprint,
        fingerprint_training(wanted.cell.value),
    )


def _start(wanted: _Wanted, trainer: Trainer) -> _Running:
    layout, cell = wanted.layout, wanted.cell
    log = _log(wanted)
    log.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, object] = {
        "--cell": cell.id,
        "--study": layout.study_file.resolve(),
        "--dataset": layout.dataset.resolve(),
        "--subset": layout.subset(cell).resolve(),
        "--store": (layout.root / STORE).resolve(),
        "--output": layout.cell(cell).resolve(),
        "--slots": (layout.root / "results" / "slots").resolve(),
        "--device": trainer.device,
        "--gpus": int(trainer.device != "cpu"),
        "--cells-per-card": trainer.at_once,
    }
    if layout.validation is not None:
        options["--validation"] = layout.validation.resolve()
    words = [str(word) for option in options.items() for word in option]
    with open(log, "ab") as file:
        process = subprocess.Popen(
            [sys.executable, str(PROJECT / "workflow"), "train-cell", *words],
            env=project_environment(trainer.variables),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return _Running(wanted, process, time.monotonic())


def _log(wanted: _Wanted) -> Path:
    layout = wanted.layout
    return layout.root / "logs" / layout.study.name / f"{wanted.cell.id}.log"


def _outcome(one: _Running) -> str:
    code, seconds = one.process.returncode, time.monotonic() - one.began
    if code == 0:
        metrics = json.loads((one.wanted.layout.cell(one.wanted.cell) / "metrics.json").read_text(encoding="utf-8"))
        timing = metrics["timing"]
        return (
            f"finished after {seconds:.0f} s, {timing['training_seconds']:.0f} s of steps and "
            f"{timing['evaluation_seconds']:.0f} s of evaluations in all: test accuracy "
            f"{100 * metrics['final_test_accuracy']:.2f} %, best {100 * metrics['best_test_accuracy']:.2f} %"
        )
    lines = _log(one.wanted).read_text(encoding="utf-8", errors="replace").splitlines()
    last = next((line for line in reversed(lines) if line.strip()), "no word in its log")
    how = "stopped" if code == Interrupted.exit_code else f"failed with exit code {code}"
    return f"{how} after {seconds:.0f} s: {last}"
