"""Several cells in one process, in turns of a step each.

On a GPU each has a CUDA stream, so that one's kernels can fill the gaps of another's. Each cell is trained as
`train_cell` trains it, with its own place in the store, lock, log, checkpoints and outputs, and gets the same bytes.
What ends one cell leaves the others alone, save for a signal, a kill, and an error that breaks the process's CUDA.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch

from smallmix.errors import CellBusyError, Interrupted, SmallmixError
from smallmix.training.cell_data import refuse_other_data
from smallmix.training.signals import StopRequest
from smallmix.training.train_cell import TrainingJob, train_cell_in_turns
from smallmix.training.training_loop import Turns

DONE, UNEXPECTED = 0, 1
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Outcome:
    """How a cell's job ended: the exit code that `train-cell` would have, and why it is not 0."""

    exit_code: int = DONE
    reason: str = ""

    @property
    def is_busy(self) -> bool:
        """Whether another process trains the cell."""
        return self.exit_code == CellBusyError.exit_code


@dataclass
class Lane:
    """A place for one cell at a time. On a GPU it is a CUDA stream, whose memory the lane's next cell takes over."""

    report: Callable[[str], None]
    name: str = ""
    threads: int = 1
    turns: Turns[None] | None = None
    stream: torch.cuda.Stream | None = None

    def begin(self, name: str, job: TrainingJob, stop: StopRequest) -> None:
        """Take a cell; its first turn brings it to its first step, or to its end where it is in the store."""
        if self.stream is None and job.device != "cpu" and torch.cuda.is_available():
            self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.name, self.threads = name, job.cell.recipe.cpu_threads
        self.turns = _all_turns(job, stop, lambda line: self.report(f"{name}: {line}"))

    def take_turn(self) -> Outcome | None:
        """Take the cell's next step; return its outcome where that ended it."""
        assert self.turns is not None
        # The number of threads decides the order of sums, and other cells may ask for another.
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        try:
            with contextlib.nullcontext() if self.stream is None else torch.cuda.stream(self.stream):
                next(self.turns)
            return None
        except StopIteration:
            outcome = Outcome()
        except SmallmixError as error:
            outcome = Outcome(error.exit_code, str(error))
        except Exception as error:
            self.report(f"{self.name}: {traceback.format_exc()}")
            outcome = Outcome(UNEXPECTED, f"unexpected {type(error).__name__}: {error}")
        # Only words are kept of an error: its traceback would keep the training's memory.
        self.turns = None
        return outcome


def train_cells(
    jobs: Mapping[str, TrainingJob],
    at_once: int,
    stop: StopRequest,
    report: Callable[[str], None],
    wait_seconds: float = 0.0,
) -> dict[str, Outcome]:
    """Train the cells of `jobs` (name in messages -> job), `at_once` at a time in turns; return how each ended.

    A cell that another process trains is left out and tried again once the others have ended, then every second for
    `wait_seconds`. After a signal, the cells under way save what they have and no other is begun.
    """
    lanes = [Lane(report) for _ in range(min(at_once, len(jobs)))]
    outcomes: dict[str, Outcome] = {}
    names: list[str] = list(jobs)
    deadline: float | None = None
    while True:
        ended = _train_once({name: jobs[name] for name in names}, lanes, stop)
        outcomes |= ended
        names = [name for name, outcome in ended.items() if outcome.is_busy]
        if not names or stop:
            return outcomes
        if len(names) == len(ended):  # nothing ended here in the meantime: wait for the other processes
            if deadline is None:
                deadline = time.monotonic() + wait_seconds
                if wait_seconds > 0:
                    report(f"waiting up to {wait_seconds:.0f} s for other processes to train {', '.join(names)}")
            if time.monotonic() >= deadline:
                return outcomes
            time.sleep(POLL_SECONDS)


def _train_once(jobs: Mapping[str, TrainingJob], lanes: list[Lane], stop: StopRequest) -> dict[str, Outcome]:
    """Give the lanes turns until all cells have ended or, after a signal, until those under way have."""
    waiting = deque(jobs.items())
    outcomes: dict[str, Outcome] = {}
    while True:
        for lane in lanes:
            if lane.turns is None and waiting and not stop:
                lane.begin(*waiting.popleft(), stop)
        under_way = [lane for lane in lanes if lane.turns is not None]
        if not under_way:
            break
        for lane in under_way:
            outcome = lane.take_turn()
            if outcome is not None:
                outcomes[lane.name] = outcome
    for name, _ in waiting:
        outcomes[name] = Outcome(Interrupted.exit_code, f"{stop.signal_name} received before it was begun")
    return {name: outcomes[name] for name in jobs}


def _all_turns(job: TrainingJob, stop: StopRequest, report: Callable[[str], None]) -> Turns[None]:
    refuse_other_data(job.cell, job.dataset, job.subset, job.output, job.validation)
    yield from train_cell_in_turns(job, stop, report)


def exit_code_of(outcomes: Iterable[Outcome]) -> int:
    """Return one exit code for all: of an interruption, else of the first failure, else of a busy cell, else 0."""
    codes = [outcome.exit_code for outcome in outcomes if outcome.exit_code != DONE]
    if Interrupted.exit_code in codes:
        return Interrupted.exit_code
    return next((code for code in codes if code != CellBusyError.exit_code), codes[0] if codes else DONE)


def describe_outcomes(outcomes: Mapping[str, Outcome]) -> str:
    """Name each cell that is not done, with the reason, and say what to do."""
    missing = {name: outcome for name, outcome in outcomes.items() if outcome.exit_code != DONE}
    done = f"{len(outcomes) - len(missing)} of {len(outcomes)} cells are done."
    if not missing:
        return done
    reasons = "".join(
        f"\n  {name} (exit code {outcome.exit_code}): {outcome.reason}" for name, outcome in missing.items()
    )
    return f"{done} Not done:{reasons}\nRun the same command again: cells that were begun go on from their checkpoints."
