"""The store of trained cells as people and programs read it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from smallmix.planning.plan import describe_bytes
from smallmix.tables.store_contents import Origin, StoredTraining
from smallmix.wording import count_of, duration

KEY_SHOWN = 8  # characters: enough to tell trainings apart
PLACES_NAMED = 2
HEADS = ("training", "state", "size", "age", "cell", "needed by")


def table_lines(trainings: Sequence[StoredTraining], now: float) -> list[str]:
    """Return a table, one line a training; `now` is in seconds since 1970."""
    rows = [HEADS, *(_row(one, now) for one in trainings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def summary_line(trainings: Sequence[StoredTraining]) -> str:
    """Return how many trainings there are, how large they are, and what no study needs of them."""
    idle = [one for one in trainings if not one.is_needed]
    everything, unneeded = (describe_bytes(sum(one.size for one in some)) for some in (trainings, idle))
    return (
        f"{count_of(len(trainings), 'training')}, {everything}; no study that is known here needs {len(idle):,} of "
        f"them, {unneeded}."
    )


def as_json(one: StoredTraining, now: float) -> dict[str, Any]:
    """Return a training as JSON types. Sizes are in bytes, ages in days, moments in UTC as ISO 8601."""
    return {
        "training": one.key,
        "state": one.state,
        "bytes": one.size,
        "weights": one.has_weights,
        "written": None if one.written is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.written)),
        "age_days": None if one.written is None else round(max(0.0, now - one.written) / 86_400, 3),
        "cell": None if one.origin is None else dict(one.origin.value),
        "needed_by": {study: list(places) for study, places in one.uses.items()},
        "may_be_needed": one.may_be_needed or None,
        "trained_by": None if one.trainer is None else one.trainer.holder or "another process",
        "is_needed": one.is_needed,
    }


def _row(one: StoredTraining, now: float) -> tuple[str, ...]:
    age = "" if one.written is None else duration(max(0.0, now - one.written), " ")
    state = f"{one.state}, network kept" if one.has_weights else one.state
    return (one.key[:KEY_SHOWN], state, describe_bytes(one.size), age, _cell(one.origin), _needed_by(one))


def _cell(origin: Origin | None) -> str:
    cell = None if origin is None else origin.cell
    if cell is None:
        return "not on record" if origin is None else "of another version"
    return f"{cell.dataset.name}, {cell.size:,} images, {cell.method.mix}, seed {cell.seed}, {cell.model.name}"


def _needed_by(one: StoredTraining) -> str:
    if one.trainer is not None:
        return f"in training: {one.trainer.holder or 'another process'}"
    places = [f"{study} {place}" for study, found in one.uses.items() for place in found]
    if not places:
        return f"perhaps: {one.may_be_needed}" if one.may_be_needed else "none"
    more = f" and {len(places) - PLACES_NAMED:,} more" if len(places) > PLACES_NAMED else ""
    return ", ".join(places[:PLACES_NAMED]) + more
