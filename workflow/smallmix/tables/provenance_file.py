"""Read provenance.json: where and by what the cells of a study were trained.

`smallmix.tables.collected_tables` writes it. Readers go through the parts that are checked here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

LISTS_OF_OBJECTS = ("environments", "executions", "failures", "adopted")


def read_provenance(path: Path) -> dict[str, Any]:
    """Return the content of a provenance.json.

    Raises OSError where the file cannot be read, ValueError where it is no JSON, and where a part that is read later
    has another form than the one that is written.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    problem = _find_problem(value)
    if problem:
        raise ValueError(problem)
    return dict(value)


def _find_problem(value: Any) -> str | None:
    """Return what has another form than the written one; None where nothing has."""
    if not isinstance(value, Mapping):
        return "it is no JSON object"
    for key in ("code_fingerprints", "notes", *LISTS_OF_OBJECTS):
        if not isinstance(value.get(key, []), list):
            return f"{key} is no list"
    for key in LISTS_OF_OBJECTS:
        if not all(isinstance(one, Mapping) for one in value.get(key, [])):
            return f"{key} has an entry that is no JSON object"
    if not isinstance(value.get("collected_by", {}), Mapping):
        return "collected_by is no JSON object"
    return next((problem for group in value.get("environments", []) if (problem := _problem_of_group(group))), None)


def _problem_of_group(group: Mapping[str, Any]) -> str | None:
    where = "a group of environments"
    if not isinstance(group.get("cells", []), list):
        return f"cells of {where} is no list"
    for key in ("environment", "timing"):
        if not isinstance(group.get(key, {}), Mapping):
            return f"{key} of {where} is no JSON object"
    for cell, timing in group.get("timing", {}).items():
        if not isinstance(timing, Mapping) or not _is_number(timing.get("total_seconds", 0)):
            return f"timing of {cell} is no JSON object with a number of total_seconds"
        if not all(_is_moment(timing.get(key)) for key in ("started", "finished")):
            return f"timing of {cell} has a start or an end that is no time"
    numbers = {
        "total_seconds": group.get("total_seconds", 0),
        "peak_memory_bytes": group.get("peak_memory_bytes", 0),
        "environment.threads": group.get("environment", {}).get("threads", 1),
    }
    wrong = [key for key, number in numbers.items() if not _is_number(number)]
    return f"{wrong[0]} of {where} is no number" if wrong else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_moment(value: Any) -> bool:
    """Return whether a value is a time as the records have it, or nothing."""
    if not value:
        return True
    try:
        datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return False
    return True
