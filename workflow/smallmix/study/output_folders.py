"""Folders that people name to write into: not those that runs write and clean up themselves."""

from __future__ import annotations

from pathlib import Path

from smallmix.errors import ConfigurationError
from smallmix.study.layout import RESERVED_STUDIES, WRITTEN, Folders
from smallmix.study.named_study import KEPT


def require_free_folder(folder: Path, root: Path, *, kept: bool = False) -> None:
    """Raise ConfigurationError where `folder` is the project `root`, or lies where its runs write.

    Below reports/, the folders of studies that were run here are refused. reports/reference is the place of kept
    results, and free to who keeps some (`kept`).
    """
    folders = Folders.of_this_process()
    wanted, reports = folder.resolve(), (root / folders.reports).resolve()
    own = {(root / name).resolve() for name in (*WRITTEN, folders.results, folders.resources, folders.logs)}
    own -= {reports, (root / "reports").resolve()}
    if wanted == root.resolve():
        raise ConfigurationError(f"--output {folder} is the project itself. Name a folder of its own.")
    inside = next((one for one in sorted(own) if wanted.is_relative_to(one)), None)
    if inside is None and wanted.is_relative_to(reports):
        first = (*wanted.relative_to(reports).parts, "")[0]
        is_taken = first in RESERVED_STUDIES or (root / folders.results / first / "study.json").is_file()
        free = kept and first == KEPT.name and wanted != reports / first
        inside = reports / first if is_taken and not free else None
    if inside is not None:
        raise ConfigurationError(
            f"--output {folder} lies in {inside}, where runs write and replace files. Name a folder outside of it."
        )
