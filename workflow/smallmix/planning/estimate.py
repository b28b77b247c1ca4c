"""How long a run takes: one model for the opening line and for `plan`. `status` goes by the same costs of cells.

The jobs that will run are put one after the other on the slots that the run has, small sizes first, each as soon as a
slot is free. Before the first cell and behind the last one come Snakemake's own time and the other steps. An estimate
decides nothing: what goes wrong in it is no reason for a run to fail.
"""

from __future__ import annotations

import heapq
import math
import re
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from smallmix.datasets.description import DatasetDescription, load_description
from smallmix.errors import SmallmixError
from smallmix.planning.capacity import Capacity, busy_elsewhere, usable_cores
from smallmix.planning.cost import CellWork, ImagesInNumbers
from smallmix.planning.pace import Basis, FinishedCell, StudyPace, contention, known_pace, slowness_of_python
from smallmix.study.known_datasets import KNOWN_DATASETS, is_downloaded
from smallmix.study.layout import STUDY_TABLES, Layout
from smallmix.study.own_images import OWN_IMAGES
from smallmix.study.study import Study, StudyCell, cell_id
from smallmix.study.targets import MAKING_FILES
from smallmix.tables.cell_status import CellStatus, UnusableFile, read_metrics
from smallmix.tables.collect import find_statuses, find_wanted
from smallmix.training.store import StoreEntry, store_key
from smallmix.wording import DAY

# Seconds of the steps besides the trainings, measured on two free cores. Where the start of a training was measured to
# take longer than there, so do they: both are Python that loads libraries.
STEP_SECONDS = {
    "resolve_study": 0.1,
    "check_own_code": 0.4,  # what is new was tried as the run started
    "check_own_metrics": 0.4,
    "extract_subset": 0.15,
    "draw_validation": 0.15,
    "tabulate_subsets": 0.1,
    "collect_metrics": 0.2,
    "summarize_cells": 0.45,
    "compare_methods": 0.45,
    "tabulate_classes": 0.5,
    "compute_metrics": 0.5,
    "judge_claims": 0.45,
    "plot_figures": 4.3,
    "render_report": 1.5,
}
SECONDS_A_CELL = {
    "collect_metrics": 8e-3,
    "compare_methods": 1e-3,
    "tabulate_classes": 2e-3,
    "compute_metrics": 2e-3,
    "plot_figures": 4e-3,
    "render_report": 1e-3,
}
SECONDS_A_FETCH = {
    "digits": 1.3,
    "cifar10": 8.0,
    "cifar100": 8.0,
    "svhn": 6.0,
    "fashion-mnist": 2.0,
    "mnist": 2.0,
    "stl10": 15.0,  # by the speed of its checksum and of its size; nobody fetched it yet
    "image-list": 1.5,
    "image-folder": 1.5,
}
SECONDS_AN_IMAGE_FILE = 0.25e-3  # decoding a small file and comparing it with the others
BYTES_A_SECOND = 5e6  # the network's speed is anybody's guess
SNAKEMAKE_START, SNAKEMAKE_END, SNAKEMAKE_JOB, SNAKEMAKE_PLANNED_JOB = 2.0, 0.7, 0.05, 2.0e-3
COPYING_SECONDS = 1.5  # of a cell that the store has: the job starts as a training does, and copies
BEFORE_CELLS = ("resolve_study", "fetch_dataset", "draw_validation")
# What the figures need of the cells.
TABLE_STEPS = ("collect_metrics", "summarize_cells", "compare_methods", "tabulate_classes")
FINISHED_OF_A_SIZE = 20  # more of them say little more, and each is a file to read
LONG = 600.0  # seconds from which the end's time is said
# An assumed pace may be off by this much either way: seen between an old and a new processor.
ASSUMED_SPREAD = 1.6
REACHED = re.compile(r"(?:saved at iteration|continued from the checkpoint at iteration|iteration) ([\d,]+)(?: of |/)")
CELL_PATH = re.compile(r"cells/(n\d+/[^/]+/seed\d+)(?:/|$)")


@dataclass(frozen=True)
class RunJobs:
    """What a run does: the ids of the cells that have a job, and the other rules with their numbers of jobs."""

    cells: frozenset[str]
    others: Mapping[str, int]

    @classmethod
    def of(cls, jobs: Iterable[Any]) -> RunJobs:
        """Return those of Snakemake's jobs."""
        cells, others = set(), Counter[str]()
        for job in jobs:
            if job.rule.name == "train_cell":
                cells.add(cell_id(job.wildcards.size, job.wildcards.method, job.wildcards.seed))
            else:
                others[job.rule.name] += 1
        return cls(frozenset(cells), others)


@dataclass(frozen=True)
class StudyState:
    """A study's cells with their states, and what is known of the images: what is on the disk, read once."""

    layout: Layout
    statuses: Mapping[str, CellStatus]
    images: ImagesInNumbers
    fetched: bool

    @classmethod
    def of(cls, study: Study, root: Path) -> StudyState:
        """Return the state by what is on the disk below `root`."""
        layout = Layout(study, root)
        description: DatasetDescription | None
        try:
            description = load_description(layout.dataset)
        except SmallmixError:
            description = None
        images = ImagesInNumbers.of(study, description)
        return cls(layout, find_statuses(layout), images, description is not None)

    @property
    def study(self) -> Study:
        """Return the study."""
        return self.layout.study

    @property
    def to_train(self) -> list[StudyCell]:
        """Return the cells that a full run would train or continue, small sizes first."""
        return small_first(cell for cell in self.study.cells if self.statuses[cell.id].needs_training)

    def may_be_stored(self, cells: Iterable[StudyCell]) -> bool:
        """Return whether the store may hold results of some cells to train without anybody knowing yet.

        Its keys cover the drawn images, so a cell cannot be looked up before its subset is drawn.
        """
        needed = {self.layout.subset(cell) for cell in cells}
        if needed and self.layout.validation is not None:
            needed.add(self.layout.validation)
        return not all(path.exists() for path in needed) and any(self.layout.store.glob("*"))

    def with_other_images(self, reason: str) -> StudyState:
        """Return the state as it will be when other images have taken the place of those on the disk."""
        statuses = {
            place: replace(status, status="missing" if status.status == "missing" else "stale", reason=reason)
            for place, status in self.statuses.items()
        }
        return replace(self, statuses=statuses, fetched=False)

    def at_once(self, capacity: Capacity, cells: Collection[object]) -> int:
        """Return how many of the cells train side by side."""
        threads = int(self.study.configuration["recipe"]["cpu_threads"])
        return max(1, min(capacity.at_once(threads), len(cells)))

    def jobs(self, targets: Sequence[str] = ()) -> RunJobs:
        """Return about the jobs that a run of these targets has: names of rules, or paths of files. None means all.

        Raises ValueError for what is neither.
        """
        cells: set[str] = set()
        stages: set[str] = set()
        for target in targets or ("all",):
            path = CELL_PATH.search(target)
            if path is not None and path[1] in self.statuses:
                cells.add(path[1])
                stages.add("one cell")
            elif target in MAKING_FILES:
                stages.add(target)
            else:
                raise ValueError(target)
        missing = {cell.id for cell in self.study.cells if self.statuses[cell.id].status != "current"}
        cells = missing if stages & {"all", "cells", "figures", "report"} else cells & missing
        others = Counter[str]()
        in_need = [cell for cell in self.study.cells if cell.id in cells]
        subsets = {self.layout.subset(cell) for cell in (self.study.cells if stages - {"one cell"} else in_need)}
        others["extract_subset"] = sum(not path.exists() for path in subsets)
        table = self.layout.validation
        if table is not None and (in_need or stages & {"all", "subsets"}):
            others["draw_validation"] = int(not table.exists())
        if not self.fetched and (cells or others["extract_subset"]):
            others["fetch_dataset"] = 1
        tables = self.layout.results
        files = {Path(file).name for cell in in_need for file in cell.own_code}
        others["check_own_code"] = sum(not (tables / "own_code" / name).exists() for name in files)
        if stages - {"one cell", "cells"}:
            others["resolve_study"] = int(not self.layout.study_file.exists())
        if stages & {"all", "subsets", "report"}:
            others["tabulate_subsets"] = int(not (tables / "subset_table.csv").exists())
        if stages & {"all", "figures", "report"}:
            anew = bool(cells) or not all((tables / name).exists() for name in STUDY_TABLES)
            others.update(dict.fromkeys(TABLE_STEPS, int(anew)))
            if stages & {"all", "report"}:
                others.update(dict.fromkeys(("judge_claims", "compute_metrics"), int(anew)))
                untried = self.study.metric_files and not (tables / "own_code" / "metrics.json").exists()
                others["check_own_metrics"] = int(bool(untried))
            others["plot_figures"] = int(anew or not (self.layout.report / "figures").exists())
        if stages & {"all", "report"}:
            page = self.layout.report / "report.html"
            others["render_report"] = int(bool(others["plot_figures"]) or not page.exists())
        return RunJobs(frozenset(cells), +others)


@dataclass(frozen=True)
class Estimate:
    """Seconds from the command to its end, and what they rest on."""

    seconds: float
    basis: Basis
    finished: int = 0  # cells that it rests on
    others_running: int = 0  # processes of others that keep cores busy now

    @property
    def spread(self) -> float:
        """Return the factor by which the truth may differ where it is more than rounding; else 1."""
        return ASSUMED_SPREAD if self.basis == "assumed" else 1.0

    def duration(self) -> str:
        """Return about 90 s, or 1 to 3 min where speeds are assumed."""
        return about(self.seconds, self.spread)

    def sentence(self, now: float | None = None) -> str:
        """Return the duration, for a long one when it ends (local time; `now` is in seconds), and what it rests on."""
        ends = ""
        if self.seconds >= LONG and self.spread == 1:
            now = time.time() if now is None else now
            kind = "%H:%M" if self.seconds < DAY / 2 else "%a %d %b" if self.seconds > 2 * DAY else "%a %H:%M"
            ends = f", until about {time.strftime(kind, time.localtime(now + self.seconds))}"
        return f"{self.duration()}{ends} ({self.source()})"

    def source(self) -> str:
        """Return what the estimate rests on, in words."""
        source = {
            "assumed": "by assumed speeds",
            "measured": "by a measurement on this machine",
            "finished": f"by {self.finished} finished cell{'s' if self.finished != 1 else ''}",
        }[self.basis]
        if self.others_running:
            count = f"{self.others_running} other process{'es' if self.others_running > 1 else ''}"
            source += f"; longer while {count} also compute{'s' if self.others_running == 1 else ''} here"
        return source


def estimate_run(
    state: StudyState, jobs: RunJobs, capacity: Capacity, pace: StudyPace | None = None
) -> Estimate | None:
    """Return the estimate of a run of these jobs; None where none can be made, which is no error of the run.

    `pace` is known already, or found by finished cells, by what was measured on this machine, or assumed. Where a
    cluster runs the cells, only finished cells of this study say how long one takes.
    """
    try:
        cells = small_first(cell for cell in state.study.cells if cell.id in jobs.cells)
        pace = pace or study_pace(state, cells, capacity)
        if capacity.executor is not None and cells and not pace.finished:
            return None
        seconds = _run_seconds(state, cells, jobs, capacity, pace)
        busy = busy_elsewhere() if cells and capacity.executor is None else 0
        return Estimate(seconds, pace.basis if cells else "measured", len(pace.finished), busy)
    except Exception:  # whatever is on the disk: nothing depends on an estimate
        return None


def study_pace(state: StudyState, cells: Sequence[StudyCell], capacity: Capacity) -> StudyPace:
    """Return the pace of the study's cells here, `cells` being those to train."""
    sample = (cells or list(state.study.cells))[0].value
    pace = known_pace(sample, state.images, on_gpu=bool(capacity.on_gpus))
    device = None if capacity.executor is not None else "gpu" if capacity.on_gpus else "cpu"
    slowdown = 1.0
    if device == "cpu":
        threads = sample.recipe.cpu_threads
        slowdown = contention(state.at_once(capacity, cells), threads, max(capacity.cores, usable_cores()))
    finished: list[FinishedCell] = []
    read = Counter[int]()
    for cell in state.study.cells if cells else ():
        if state.statuses[cell.id].status != "current" or read[cell.size] == FINISHED_OF_A_SIZE:
            continue
        read[cell.size] += 1
        try:
            metrics = read_metrics(state.layout.cell(cell) / "metrics.json")
        except UnusableFile:
            continue
        one = FinishedCell.of(cell.value, state.images, metrics, device)
        if one is not None:
            finished.append(one)
    return StudyPace(pace, tuple(finished), slowdown, slowness_of_python())


def makespan(durations: Iterable[float], slots: int) -> float:
    """Return the seconds until all jobs are done that are started in this order, each as soon as a slot is free."""
    free = [0.0] * max(1, slots)
    for duration in durations:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def small_first(cells: Iterable[StudyCell]) -> list[StudyCell]:
    """Return the cells in the order in which a run starts them: small sizes first."""
    return sorted(cells, key=lambda cell: cell.size)


def reached_iteration(state: StudyState, cell: StudyCell) -> int:
    """Return the iteration at which the cell's training would continue, as far as its log tells; 0 for a new one."""
    if not state.statuses[cell.id].has_checkpoint:
        return 0
    wanted = find_wanted([cell], state.layout)[cell.id]
    if wanted.data is None:
        return 0
    entry = StoreEntry(state.layout.store / store_key(cell.value, wanted.data, wanted.code))
    found = [int(match[1].replace(",", "")) for line in entry.log_tail() if (match := REACHED.search(line))]
    return min(found[-1], cell.value.iterations) if found else 0


def about(seconds: float, spread: float = 1.0) -> str:
    """Return about 90 s, about 4 min, or, with a spread above 1, a range: 1 to 3 min. ASCII, for every terminal."""
    if not math.isfinite(seconds):
        return "a time that cannot be estimated"
    least, largest = _rounded(seconds / spread), _rounded(seconds * spread)
    if spread == 1 or least == largest:
        return f"about {_rounded(seconds)}"
    amount, _, unit = least.partition(" ")
    return f"{amount if unit == largest.partition(' ')[2] else least} to {largest}"


def _rounded(seconds: float) -> str:
    """Return a duration with one or two digits that can be believed: 5 s, 90 s, 4 min, 35 min, 3.5 h, 12 days."""
    if seconds < 97.5:
        step = 1 if seconds < 9.5 else 5 if seconds < 57.5 else 10
        return f"{max(1, round(seconds / step) * step)} s"
    minutes = seconds / 60
    if minutes < 88:
        step = 1 if minutes < 17.5 else 5
        return f"{round(minutes / step) * step} min"
    hours = seconds / 3600
    if hours < 47:
        return f"{round(2 * hours) / 2:g} h" if hours < 9.75 else f"{round(hours)} h"
    days = seconds / DAY
    return f"{round(days):,} days" if days < 99.5 else f"{float(f'{days:.2g}'):,.0f} days"


def _run_seconds(
    state: StudyState, cells: Sequence[StudyCell], jobs: RunJobs, capacity: Capacity, pace: StudyPace
) -> float:
    durations = []
    for cell in cells:
        status = state.statuses[cell.id].status
        if status == "stored":
            seconds = COPYING_SECONDS * pace.slowness_of_python
        else:
            work = CellWork.of(cell.value, state.images, reached_iteration(state, cell))
            seconds = pace.cell_seconds(cell.size, work)
        durations.append(seconds + SNAKEMAKE_JOB)
    planned = (len(state.study.cells) + sum(jobs.others.values())) * SNAKEMAKE_PLANNED_JOB
    head = (SNAKEMAKE_START + planned) * pace.slowness_of_python + _other_seconds(state, jobs, pace, behind=False)
    return head + makespan(durations, state.at_once(capacity, cells)) + _other_seconds(state, jobs, pace, behind=True)


def _other_seconds(state: StudyState, jobs: RunJobs, pace: StudyPace, *, behind: bool) -> float:
    """Return the seconds of the steps before the first cell, or `behind` the last one and Snakemake's end."""
    early = (*BEFORE_CELLS, "check_own_code", "check_own_metrics", "extract_subset")
    total = SNAKEMAKE_END if behind else 0.0
    for rule, count in jobs.others.items():
        if (rule in early) == behind or rule not in (*STEP_SECONDS, "fetch_dataset"):
            continue
        once = STEP_SECONDS.get(rule, 0.0) + SECONDS_A_CELL.get(rule, 0.0) * len(state.study.cells) + SNAKEMAKE_JOB
        total += count * (once + (_fetch_seconds(state) if rule == "fetch_dataset" else 0.0))
    return total * pace.slowness_of_python


def _fetch_seconds(state: StudyState) -> float:
    settings = state.study.configuration["dataset"]
    name = settings["name"]
    seconds = SECONDS_A_FETCH.get(name, 0.0)
    if is_downloaded(settings):
        seconds += KNOWN_DATASETS[name].download_bytes / BYTES_A_SECOND
    if name in OWN_IMAGES:
        seconds += (state.images.train_count + state.images.test_count) * SECONDS_AN_IMAGE_FILE
    return seconds
