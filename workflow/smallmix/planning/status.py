"""How far a study is, by its files alone: store, checkpoints, logs, locks. Nothing is written and no lock is taken.

`read_status` looks once. A `StatusReader` looks again and again, and reads only what changed in between.
"""

from __future__ import annotations

import calendar
import contextlib
import math
import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from smallmix.file_locks import HeldLocks
from smallmix.planning.time_left import Measured, Unfinished, cells_seconds_left, side_by_side
from smallmix.study.layout import Layout
from smallmix.study.study import StudyCell
from smallmix.tables.cell_status import CellStatus, UnusableFile, WantedFingerprints, read_metrics
from smallmix.tables.collect import compare_origins, find_status, find_wanted
from smallmix.tables.columns import SELECTIONS
from smallmix.training.log_reading import Course, read_course
from smallmix.training.progress import read_progress
from smallmix.training.store import StoreEntry, Trainer, store_key

State = Literal["current", "stored", "running", "stopped", "waiting", "failed", "outdated"]
# current: its result is there. stored: the store has it, the next run only copies it. running: a process trains it now.
# stopped: nobody trains it, and it continues from a checkpoint. waiting: not begun. failed: its last training ended
# without a result. outdated: files are there, but they are another cell's, other data's or other code's.
STATES: tuple[State, ...] = ("current", "stored", "running", "stopped", "waiting", "failed", "outdated")
LATELY_SHOWN = 5


@dataclass(frozen=True)
class CellWatch:
    """What is known of one cell. Accuracies are fractions, times are in seconds (since 1970 where they are moments).

    `accuracy` is the test accuracy of a current cell by the study's `selection`, and the last one of any other.
    `iteration` is where a running training is, and where another one continues; None where nothing tells. `rate` is in
    iterations a second. `reason` says in words what is not clear from the state; of a failed cell it ends with what to
    do. `by_lock` is False for a running cell whose lock cannot be seen from here: then its files are `seconds_silent`
    old.
    """

    cell: StudyCell
    state: State
    reason: str = ""
    iterations: int = 0
    iteration: int | None = None
    accuracy: float | None = None
    rate: float | None = None
    seconds_left: float | None = None
    seconds: float | None = None
    ended: float | None = None
    has_checkpoint: bool = False
    holder: str = ""
    by_lock: bool = True
    seconds_silent: float | None = None
    log: Path | None = None
    selection: str = "best"

    @property
    def id(self) -> str:
        """Return the cell's place in the study, such as n500/label-mix/seed0."""
        return self.cell.id

    @property
    def share(self) -> float:
        """Return the share of its iterations that is done, from 0 to 1."""
        if self.state in ("current", "stored"):
            return 1.0
        return (self.iteration or 0) / max(1, self.iterations)

    @property
    def is_done(self) -> bool:
        """Return whether nothing is left to train."""
        return self.state in ("current", "stored")


@dataclass(frozen=True)
class StudyStatus:
    """A study at one moment: every cell, in the study's order.

    `seconds_left` is the time until the last cell ends if as many train side by side as now, by measured cells; None
    where nothing runs or nothing was measured. `seconds_of_work` is what is left of all cells, one after the other.
    `report` is the page, if it is there, and `report_is_new` says whether every cell ended before it was written.
    `answer` is the report's sentence and `gains` are the differences with their intervals, if they were asked for.
    """

    study: str
    title: str
    now: float
    cells: tuple[CellWatch, ...]
    sizes: tuple[int, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    at_once: int = 0
    seconds_left: float | None = None
    seconds_of_work: float | None = None
    report: Path | None = None
    report_place: Path = Path()
    answer: str | None = None
    gains: tuple[str, ...] = ()
    report_is_new: bool = False

    def of_state(self, *states: State) -> tuple[CellWatch, ...]:
        """Return the cells in these states, in the study's order."""
        return tuple(one for one in self.cells if one.state in states)

    @property
    def counts(self) -> dict[State, int]:
        """Return how many cells are in each state that occurs, in the order of STATES."""
        counts = Counter(one.state for one in self.cells)
        return {state: counts[state] for state in STATES if counts[state]}

    @property
    def is_complete(self) -> bool:
        """Return whether every cell's result is there."""
        return all(one.state == "current" for one in self.cells)

    @property
    def lately(self) -> tuple[CellWatch, ...]:
        """Return the cells that ended last, the newest first: finished, stopped and failed ones."""
        ended = [one for one in self.of_state("current", "stopped", "failed") if one.ended is not None]
        return tuple(sorted(ended, key=lambda one: one.ended or 0.0, reverse=True)[:LATELY_SHOWN])

    def at(self, size: int, method: str) -> tuple[CellWatch, ...]:
        """Return the cells of a size and method, by seed in the study's order."""
        return tuple(one for one in self.cells if (one.cell.size, one.cell.method) == (size, method))


def read_status(layout: Layout, now: float | None = None) -> StudyStatus:
    """Return how far the study is. `now` is in seconds since 1970 (default: now). Never raises for what files hold."""
    return StatusReader(layout).read(now)


class StatusReader:
    """Reads the status of one study again and again; finished cells are read once, as long as their files stay."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._data_seen: tuple[object, ...] = ()
        self._wanted: dict[str, WantedFingerprints] = {}
        self._current: dict[str, tuple[object, CellWatch, dict[str, Any]]] = {}

    def read(self, now: float | None = None) -> StudyStatus:
        """Return how far the study is now."""
        layout, study = self._layout, self._layout.study
        now = time.time() if now is None else now
        self._look_at_data()
        locks = HeldLocks()
        cells = tuple(self._watch(cell, locks, now) for cell in study.cells)
        page = layout.report / "report.html"
        written, ends = _written(page), [one.ended or 0.0 for one in cells]
        status = StudyStatus(
            study=study.name,
            title=study.title,
            now=now,
            cells=cells,
            sizes=study.sizes,
            methods=study.methods,
            seeds=study.seeds,
            report=None if written is None else page,
            report_place=page,
            report_is_new=written is not None
            and all(one.state == "current" for one in cells)
            and max(ends, default=0.0) <= written,
        )
        return _with_time_left(layout, status)

    def current_metrics(self) -> dict[str, dict[str, Any]]:
        """Return the content of metrics.json of every cell that was current at the last reading, by cell id."""
        order = [cell.id for cell in self._layout.study.cells]
        return {place: self._current[place][2] for place in order if place in self._current}

    def _look_at_data(self) -> None:
        """Fingerprint the cells' data, unless their files are as they were."""
        layout, cells = self._layout, self._layout.study.cells
        places = {layout.subset(cell) for cell in cells} | {layout.dataset / "dataset.json"}
        places |= {layout.validation} if layout.validation else set()
        seen = tuple((str(path), _signature([path])) for path in sorted(places))
        if seen != self._data_seen:
            self._data_seen, self._wanted = seen, find_wanted(cells, layout)
            self._current.clear()

    def _watch(self, cell: StudyCell, locks: HeldLocks, now: float) -> CellWatch:
        folder, wanted = self._layout.cell(cell), self._wanted[cell.id]
        signature = _signature([folder / name for name in self._layout.cell_files])
        known = self._current.get(cell.id)
        if known is not None and known[0] == signature:
            return known[1]
        self._current.pop(cell.id, None)
        entry = None
        if wanted.data is not None:
            entry = StoreEntry(self._layout.store / store_key(cell.value, wanted.data, wanted.code))
        try:
            status = find_status(self._layout, cell, wanted, compare_origins)
        except OSError as error:  # such as a folder that this user may not read
            reason = f"cannot be read ({error.strerror})"
            return CellWatch(cell, "waiting", reason, cell.value.iterations, log=self._log_of(cell, entry))
        if status.status == "current":
            with contextlib.suppress(UnusableFile):
                metrics = read_metrics(folder / "metrics.json")
                selection = self._layout.study.selection
                watch = _watch_current(cell, metrics, selection, self._log_of(cell, entry))
                self._current[cell.id] = signature, watch, metrics
                return watch
        return self._watch_other(status, entry, locks, now)

    def _watch_other(self, status: CellStatus, entry: StoreEntry | None, locks: HeldLocks, now: float) -> CellWatch:
        """Return what is known of a cell that is not current."""
        cell = status.cell
        log = self._log_of(cell, entry)
        watch = CellWatch(cell, "waiting", status.reason, cell.value.iterations, log=log)
        if status.status == "stored":
            return replace(watch, state="stored")
        if entry is None:
            state: State = {"failed": "failed", "stale": "outdated"}.get(status.status, "waiting")  # type: ignore[assignment]
            return replace(watch, state=state)
        course = read_course(entry.log_file)
        trainer = entry.find_trainer(locks, now)
        if trainer is not None and (trainer.by_lock or course.ended is None):
            return _watch_running(watch, entry, course, trainer)
        saved = _saved_iteration(entry, course) if status.has_checkpoint else None
        watch = replace(
            watch,
            iteration=saved,
            accuracy=course.accuracy if status.has_checkpoint else None,
            has_checkpoint=status.has_checkpoint,
            ended=entry.last_written(),
        )
        if status.status == "failed":
            failure = self._layout.cell(cell) / "failure.json"
            return replace(watch, state="failed", ended=_written(failure) or watch.ended)
        if status.status == "stale":
            return replace(watch, state="outdated")
        return replace(watch, state="stopped" if status.has_checkpoint else "waiting")

    def _log_of(self, cell: StudyCell, entry: StoreEntry | None) -> Path | None:
        """Return the log that people are led to: Snakemake's of the job, else the lasting one; None without any."""
        of_job = self._layout.root / "logs" / self._layout.study.name / "cells" / f"{cell.id}.log"
        lasting = [entry.log_file] if entry is not None else []
        # os.path.exists is False, and no error, for a path in a folder that may not be read
        return next((path for path in (of_job, *lasting) if os.path.exists(path)), None)


def _watch_current(cell: StudyCell, metrics: dict[str, Any], selection: str, log: Path | None) -> CellWatch:
    timing = metrics.get("timing")
    timing = timing if isinstance(timing, dict) else {}
    return CellWatch(
        cell,
        "current",
        iterations=cell.value.iterations,
        iteration=cell.value.iterations,
        accuracy=_number(metrics.get(SELECTIONS[selection])),
        selection=selection,
        seconds=_number(timing.get("total_seconds")),
        ended=_moment(timing.get("finished")),
        log=log,
    )


def _watch_running(watch: CellWatch, entry: StoreEntry, course: Course, trainer: Trainer) -> CellWatch:
    """Take what the progress file says, else what the log says of this attempt; the newer of both."""
    progress = read_progress(entry.progress_file)
    if progress is not None and progress.iterations != watch.iterations:
        progress = None
    watch = replace(
        watch,
        state="running",
        reason="" if trainer.by_lock else "its lock cannot be seen from here; its files say that it runs",
        has_checkpoint=entry.has_checkpoint,
        holder=trainer.holder,
        by_lock=trainer.by_lock,
        seconds_silent=trainer.seconds_silent,
    )
    if progress is not None and progress.iteration >= (course.iteration or 0):
        return replace(
            watch,
            iteration=progress.iteration,
            accuracy=progress.accuracy if progress.accuracy is not None else course.accuracy,
            rate=progress.rate,
            seconds_left=progress.seconds_left,
        )
    if course.ended is not None or course.iterations != watch.iterations:
        return watch  # of an earlier attempt: this one has just begun
    left, done = course.seconds_left, course.iteration or 0
    rate = (watch.iterations - done) / left if left else None
    return replace(watch, iteration=done, accuracy=course.accuracy, rate=rate, seconds_left=left)


def _saved_iteration(entry: StoreEntry, course: Course) -> int | None:
    """Return the iteration of the newest checkpoint, as far as progress or log tell."""
    progress = read_progress(entry.progress_file)
    told = [progress.saved if progress is not None else None, course.saved]
    return max((iteration for iteration in told if iteration is not None), default=None)


def _with_time_left(layout: Layout, status: StudyStatus) -> StudyStatus:
    running = status.of_state("running")
    measured = [Measured(one.cell, one.seconds) for one in status.of_state("current") if one.seconds]
    measured += [Measured(one.cell, one.iterations / one.rate) for one in running if one.rate]
    open_cells = [one for one in status.cells if not one.is_done]
    spans = [(one.ended - one.seconds, one.ended) for one in status.cells if one.ended and one.seconds]
    at_once = side_by_side(len(running), spans, status.now)
    if not open_cells:
        return replace(status, at_once=at_once, seconds_left=0.0, seconds_of_work=0.0)
    asked = [Unfinished(one.cell, one.share, one.seconds_left) for one in open_cells]
    left = None
    with contextlib.suppress(OSError):  # the data may lie where this user may not read
        left = cells_seconds_left(layout, measured, asked)
    if left is None:
        return replace(status, at_once=at_once)
    cells = tuple(replace(one, seconds_left=left[one.id]) if one.state == "running" else one for one in status.cells)
    work = math.fsum(left.values())
    whole = max(work / at_once, max(left.values())) if at_once else None
    return replace(status, cells=cells, at_once=at_once, seconds_left=whole, seconds_of_work=work)


def _signature(paths: Iterable[Path]) -> tuple[object, ...]:
    """Return what changes when one of the files does."""
    found: list[object] = []
    for path in paths:
        try:
            at = os.stat(path)
            found.append((at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns))
        except OSError:
            found.append(None)
    return tuple(found)


def _written(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None


def _moment(value: Any) -> float | None:
    """Return the seconds since 1970 of a time such as 2026-01-02T03:04:05Z; None for another text."""
    with contextlib.suppress(TypeError, ValueError):
        return float(calendar.timegm(time.strptime(value, "%Y-%m-%dT%H:%M:%SZ")))
    return None
