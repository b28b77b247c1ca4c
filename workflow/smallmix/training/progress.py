"""How far a running training is: a small file beside its checkpoints, for those who watch.

It is written at most every two seconds, and after each checkpoint. `planning.status` reads it. It decides nothing.
Where it cannot be written, the training goes on without it, and the lasting log still has a line for each evaluation.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallmix.atomic_files import TEMPORARY_PREFIX

SECONDS_BETWEEN = 2.0
LONGEST_FILE = 10_000  # bytes


@dataclass(frozen=True)
class Progress:
    """Where a training was when it last said so.

    `rate` is in iterations a second and `seconds_left` in seconds, both by this run of the training, evaluations
    included; None before the first step. `accuracy` is the test accuracy (a fraction) of the last evaluation. `saved`
    is the iteration of the newest checkpoint; None where there is none.
    """

    iteration: int
    iterations: int
    accuracy: float | None = None
    rate: float | None = None
    seconds_left: float | None = None
    saved: int | None = None


class ProgressFile:
    """Writes the progress of one run of a training from `iteration` on. No method raises."""

    def __init__(self, path: Path, iterations: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._iterations, self._clock = path, iterations, clock
        self._began, self._first = clock(), 0
        self._saved: int | None = None
        self._last: float | None = None

    def begin(self, iteration: int, accuracy: float | None = None) -> None:
        """Say that training begins, or goes on from a checkpoint at `iteration`."""
        self._began, self._first = self._clock(), iteration
        self._saved = iteration or None
        self._write(iteration, accuracy)

    def note(self, iteration: int, accuracy: Callable[[], float | None]) -> None:
        """Say where the training is, unless it was said just now. `accuracy` is called where it is written."""
        now = self._clock()
        if self._last is None or now - self._last >= SECONDS_BETWEEN or now < self._last:
            self._write(iteration, accuracy())

    def note_saved(self, iteration: int) -> None:
        """Note that a checkpoint of `iteration` was written; the next `note` says it, however soon."""
        self._saved, self._last = iteration, None

    def _write(self, iteration: int, accuracy: float | None) -> None:
        self._last = self._clock()
        done, seconds = iteration - self._first, self._last - self._began
        rate = done / seconds if done > 0 and seconds > 0 else None
        content = {
            "iteration": iteration,
            "iterations": self._iterations,
            "accuracy": accuracy,
            "rate": rate,
            "seconds_left": None if rate is None else (self._iterations - iteration) / rate,
            "saved": self._saved,
        }
        temporary = self._path.with_name(f"{TEMPORARY_PREFIX}{self._path.name}")
        # Not flushed to the disk: after a power cut nobody watches this training. The entry's lock keeps others away.
        try:
            temporary.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="ascii")
            os.replace(temporary, self._path)
        except (OSError, ValueError):
            with contextlib.suppress(OSError):
                temporary.unlink()  # on a full disk, part of it may be there


def read_progress(path: Path) -> Progress | None:
    """Return what a progress file says; None where it is missing, damaged, or says what cannot be."""
    try:
        with open(path, "rb") as stream:
            content = json.loads(stream.read(LONGEST_FILE))
        iteration, iterations = content["iteration"], content["iterations"]
        if not (_is_count(iteration) and _is_count(iterations) and iteration <= iterations):
            return None
        accuracy, saved = _number(content.get("accuracy")), content.get("saved")
        return Progress(
            iteration=iteration,
            iterations=iterations,
            accuracy=accuracy if accuracy is not None and accuracy <= 1 else None,
            rate=_number(content.get("rate")) or None,
            seconds_left=_number(content.get("seconds_left")),
            saved=saved if _is_count(saved) and saved <= iterations else None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _number(value: Any) -> float | None:
    """Return a number that is not negative; None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return float(value) if is_number else None
