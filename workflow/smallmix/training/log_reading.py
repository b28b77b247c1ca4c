"""What the lasting log of a training says: how far it is or was, and how it ended.

The lines are those that `train_cell` and `messages.progress_line` write. Foreign, damaged and unfinished lines are
passed over, so a log that is being written may be read at any moment.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

READ_FROM_THE_END = 64 * 1024  # bytes; an evaluation's line has some 150
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (.*)")
BEGUN = re.compile(r"training ([\d,]+) iterations on ")
CONTINUED = re.compile(r"continued from the checkpoint at iteration ([\d,]+) of ([\d,]+)")
EVALUATED = re.compile(r"iteration ([\d,]+)/([\d,]+) \| .*test accuracy ([\d.]+) % \| .*\| (.+) left")
SAVED = re.compile(r"stopped: .*saved at iteration ([\d,]+) of ([\d,]+)\.")
# With these a log ends whose training left a finished record, wherever that is now.
ENDS = ("finished: ", "adopted from ", "taken over from ", "the finished record in the store is not used")
UNITS = {"s": 1, "min": 60, "h": 3600, "days": 86_400}


@dataclass(frozen=True)
class Course:
    """The last attempt of a training by its log; None for what the log does not say.

    `accuracy` is the test accuracy (a fraction) of the last evaluation at `iteration`. `saved` is the iteration of the
    checkpoint that the attempt started from or was stopped at. `ended` says how it ended, if it said so.
    """

    iteration: int | None = None
    iterations: int | None = None
    accuracy: float | None = None
    seconds_left: float | None = None
    saved: int | None = None
    ended: Literal["finished", "stopped", "failed"] | None = None
    last_message: str = ""


def read_course(path: Path) -> Course:
    """Return what a log says of its last attempt; nothing where it cannot be read."""
    course = Course()
    for line in _last_lines(path):
        found = LINE.fullmatch(line)
        if found is not None:
            course = _follow(course, found[1])
    return course


def _follow(course: Course, message: str) -> Course:
    if match := BEGUN.match(message):
        return Course(iteration=0, iterations=_count(match[1]), last_message=message)
    if match := CONTINUED.match(message):
        at = _count(match[1])
        return Course(iteration=at, iterations=_count(match[2]), saved=at, last_message=message)
    course = replace(course, last_message=message)
    if match := EVALUATED.match(message):
        return replace(
            course,
            iteration=_count(match[1]),
            iterations=_count(match[2]),
            accuracy=float(match[3]) / 100,
            seconds_left=_seconds(match[4]),
            ended=None,
        )
    if match := SAVED.match(message):
        at = _count(match[1])
        return replace(course, iteration=at, iterations=_count(match[2]), saved=at, ended="stopped")
    if message.startswith("stopped: "):
        return replace(course, ended="stopped")
    if message.startswith("failed: "):
        return replace(course, ended="failed")
    return replace(course, ended="finished") if message.startswith(ENDS) else course


def _last_lines(path: Path) -> list[str]:
    """Return the last whole lines; the one that is being written, and the first of what was read, may be cut off."""
    try:
        with open(path, "rb") as stream:
            start = max(0, stream.seek(0, os.SEEK_END) - READ_FROM_THE_END)
            stream.seek(start)
            content = stream.read()
    except OSError:
        return []
    lines = content.decode("utf-8", "replace").split("\n")[:-1]
    return lines[1:] if start else lines


def _count(text: str) -> int:
    return int(text.replace(",", ""))


def _seconds(text: str) -> float | None:
    """Return the seconds of a duration such as 2 h 10 min; None for another text."""
    numbers = re.findall(r"(\d+) (s|min|h|days)", text)
    return float(sum(int(number) * UNITS[unit] for number, unit in numbers)) if numbers else None
