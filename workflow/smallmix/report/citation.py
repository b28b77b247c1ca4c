"""Who wrote this program and under which licence, from CITATION.cff; and when a study was computed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from smallmix.errors import SmallmixError
from smallmix.project_files import PROJECT

LICENCE = "MIT"


@dataclass(frozen=True)
class Citation:
    """Names of the authors, of persons as given name and family name; the licence by its SPDX identifier."""

    authors: tuple[str, ...] = ()
    persons: frozenset[str] = frozenset()
    licence: str = LICENCE

    @property
    def licence_address(self) -> str:
        """Return the address of the licence's text."""
        return f"https://spdx.org/licenses/{self.licence}.html"


def read_citation(folder: Path = PROJECT) -> Citation:
    """Return what CITATION.cff says; no author where there is no such file. Raises SmallmixError for a damaged one."""
    import yaml

    path = folder / "CITATION.cff"
    if not path.exists():
        return Citation()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        authors = [_author(one) for one in content.get("authors", [])]
        licence = str(content.get("license", LICENCE))
    except (OSError, ValueError, AttributeError, KeyError, yaml.YAMLError) as error:
        raise SmallmixError(f"cannot read {path}: {error}. Mend or remove the file.") from error
    return Citation(tuple(name for name, _ in authors), frozenset(name for name, person in authors if person), licence)


def _author(one: dict[str, Any]) -> tuple[str, bool]:
    if "name" in one:
        return str(one["name"]), False
    return f"{one.get('given-names', '')} {one['family-names']}".strip(), True


@dataclass(frozen=True)
class RunTimes:
    """When the trainings of a study ran, in UTC as ISO 8601. `ended` is None where an interruption hides it."""

    started: str
    ended: str | None


def run_times(provenance: dict[str, Any]) -> RunTimes | None:
    """Return the first start and the last end on record; None where nothing is on record.

    Records of older versions lack the end. It then follows from start and computing time, if a cell ran in one go.
    """
    timings = [
        timing for group in provenance.get("environments", []) for timing in dict(group.get("timing", {})).values()
    ]
    starts = sorted(str(timing["started"]) for timing in timings if timing.get("started"))
    if not starts:
        return None
    ends = [_end(timing) for timing in timings]
    known = [end for end in ends if end is not None]
    return RunTimes(starts[0], max(known).strftime("%Y-%m-%dT%H:%M:%SZ") if len(known) == len(ends) else None)


def _end(timing: dict[str, Any]) -> datetime | None:
    if timing.get("finished"):
        return _moment(str(timing["finished"]))
    if timing.get("runs", 1) != 1 or not timing.get("started"):
        return None
    return _moment(str(timing["started"])) + timedelta(seconds=float(timing["total_seconds"]))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
