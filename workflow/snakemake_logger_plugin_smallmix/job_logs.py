"""What the log of a job says to people: its error message, or where its training was saved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# As `commands/main.py` prints an error, and `training/training_loop.py` a stop.
ERROR_LINE = re.compile(r"^smallmix [a-z-]+: (?P<text>.*)$")
SAVED = re.compile(r"received: saved at iteration (?P<at>[\d,]+) of (?P<of>[\d,]+)\.")
STOPPED = re.compile(r"SIG[A-Z0-9]+ received[: ]|^smallmix [a-z-]+: (interrupted|stopped \(SIG)", re.MULTILINE)
TAIL_BYTES = 20_000
KILLED_STATUS = 137


@dataclass(frozen=True)
class Saved:
    """A training that a signal stopped: its last saved iteration, and how many it has."""

    at: int
    of: int


def read_tail(paths: Iterable[str]) -> str:
    """Return the last lines of a job's logs; empty where there are none."""
    texts = []
    for path in paths:
        try:
            content = Path(path).read_bytes()[-TAIL_BYTES:]
        except OSError:
            continue
        texts.append(content.decode("utf-8", errors="replace"))
    return "\n".join(texts)


def find_saved(tail: str) -> Saved | None:
    """Return where a training was saved by a stop; None where the log tells of none."""
    found = list(SAVED.finditer(_last_error(tail) or ""))
    if not found:
        return None
    return Saved(*(int(found[-1][name].replace(",", "")) for name in ("at", "of")))


def was_stopped(tail: str) -> bool:
    """Return whether a signal ended the job, by its last message."""
    lines = tail.splitlines()
    return bool(STOPPED.search("\n".join(lines[-3:])))


def find_message(tail: str, status: int | None) -> str:
    """Return the error message of a failed job: its own or, without one, its last line and how it ended."""
    message = _last_error(tail)
    if message is not None:
        return message
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    ended = f"exit status {status}" if status is not None else "an error"
    if status is not None and (status == KILLED_STATUS or status < 0):
        killed = f"it was killed ({ended}), most often because memory ran out"
        return f"{killed}. Run fewer jobs at once (--cores), then start the same command again."
    if not lines:
        return f"it ended with {ended} and without a message."
    unexpected = " (unexpected: the log has the whole traceback)" if "Traceback (most recent" in tail else ""
    return f"it ended with {ended}: {lines[-1]}{unexpected}"


def _last_error(tail: str) -> str | None:
    lines = tail.rstrip().splitlines()
    for place in range(len(lines) - 1, -1, -1):
        found = ERROR_LINE.match(lines[place])
        if found:
            return "\n".join([found["text"], *lines[place + 1 :]]).strip()
    return None


def without_places(message: str) -> str:
    """Return a message without what differs between cells: keys of the store, places of cells, numbers."""
    text = re.sub(r"\b[0-9a-f]{12,}\b", "*", message)
    text = re.sub(r"\bn\d+/[^/\s]+/seed\d+", "*", text)
    return re.sub(r"\d[\d,.]*", "*", text)


def shorten_list(entries: Sequence[str], most: int = 6) -> str:
    """Return entries in a row, at most `most` of them."""
    more = f" and {len(entries) - most} more" if len(entries) > most else ""
    return ", ".join(entries[:most]) + more
