"""Folders that people name to write into: not those that runs write and clean up themselves."""

from __future__ import annotations

from pathlib import Path

from smallmix.errors import ConfigurationError
from smallmix.study.layout import RESERVED_STUDIES, WRITTEN, Folders
from smallmix.study.named_study import KEPT

WHERE_RUNS_WRITE = "runs write and replace files"


def require_free_folder(folder: Path, root: Path, *, kept: bool = False) -> None:
    """Raise ConfigurationError where `folder` is the project `root`, or lies where something else writes or belongs.

    Below reports/, the folders of studies that were run here are refused. reports/reference is the place of kept
    results, and free to who keeps some (`kept`).
    """
    folders = Folders.of_this_process()
    wanted, reports, reference = folder.resolve(), (root / folders.reports).resolve(), (root / KEPT).resolve()
    if wanted == root.resolve():
        raise ConfigurationError(f"--output {folder} is the project itself. Name a folder of its own.")
    places = {
        (root / name).resolve(): WHERE_RUNS_WRITE
        for name in (*WRITTEN, folders.results, folders.resources, folders.logs)
    }
    places[(root / "workflow").resolve()] = "the project's own files lie"
    for free in (reports, (root / "reports").resolve()):
        places.pop(free, None)
    if wanted.is_relative_to(reference):
        if not kept or wanted == reference:
            places[reference] = "`smallmix keep` puts finished studies, each into a folder of its own"
    elif wanted.is_relative_to(reports):
        first = (*wanted.relative_to(reports).parts, "")[0]
        if first in RESERVED_STUDIES or (root / folders.results / first / "study.json").is_file():
            places[reports / first] = WHERE_RUNS_WRITE
    for place in sorted(places):
        if wanted.is_relative_to(place):
            raise ConfigurationError(
                f"--output {folder} lies in {place}, where {places[place]}. Name a folder outside of it."
            )
