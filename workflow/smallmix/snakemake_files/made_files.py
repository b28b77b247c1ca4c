"""The files that runs made, known by name and folder, so that cleaning up never removes a file of the user's.

Needs the standard library alone: `make clean` works without an environment. Links are removed, never followed.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from smallmix.datasets.originals import RECORD_FILE, is_own_folder
from smallmix.study.layout import DATASET_FILES, STUDY_TABLES

FOLDERS = ("results", "resources", "logs", "reports", ".snakemake")
KEPT_REPORTS = ("reference", "bench")
NAME = r"[a-z0-9][a-z0-9-]*"
TEMPORARY = r"(\.partial-[^/]+)"
TABLES = rf"(study\.json|subset_table\.csv|{'|'.join(map(re.escape, STUDY_TABLES))})"
CELL = r"(history\.csv|metrics\.json|predictions\.npz|model\.safetensors|failure\.json)"
MADE = {
    "results": re.compile(
        rf"store/[0-9a-f]+/.+|slots/.+|{NAME}/(so-far/)?{TABLES}|{NAME}/subsets/n\d+(-seed\d+)?\.csv"
        rf"|{NAME}/cells/n\d+/{NAME}/seed\d+/{CELL}|.*/?{TEMPORARY}"
    ),
    "logs": re.compile(rf"{NAME}/.+\.log|{NAME}/cells/n\d+/{NAME}/seed\d+\.tsv"),
    "reports": re.compile(
        rf"index\.html|{NAME}/(so-far/)?(report\.html|figures/[a-z0-9_]+\.(svg|png|json))|{NAME}/.*/?{TEMPORARY}"
    ),
    ".snakemake": re.compile(r".+"),
}
# What no run can make again once images were added: which of the user's images are tested.
SPLIT_TABLE = re.compile(r"split-seed\d+-share[0-9.e-]+\.csv")
ARRAYS = re.compile(rf"({'|'.join(map(re.escape, (*DATASET_FILES, RECORD_FILE)))}|{TEMPORARY})")


def find_made_files(root: Path) -> list[Path]:
    """Return the files below the project's folder `root` that runs made, sorted, without downloaded data sets.

    Of resources/ only the arrays in folders that smallmix marked as its own, of reports/ only those of studies.
    """
    made: list[Path] = []
    for folder in FOLDERS:
        for path in _files_below(root / folder):
            parts = path.relative_to(root / folder).parts
            if folder == "resources":
                fits = len(parts) == 2 and bool(ARRAYS.fullmatch(parts[1])) and is_own_folder(path.parent)
            elif folder == "reports" and parts[0] in KEPT_REPORTS:
                fits = False
            else:
                fits = bool(MADE[folder].fullmatch("/".join(parts)))
            if fits:
                made.append(path)
    return sorted(made)


def remove_made_files(made: Sequence[Path], root: Path) -> list[Path]:
    """Remove the files and the folders that they leave empty; return what lies in the cleaned folders all the same.

    Kept reports, downloads, and the tables of divided images are not listed.
    """
    for path in made:
        with contextlib.suppress(OSError):  # another user's file: it is among those left
            path.unlink()
    emptied = {parent for path in made for parent in path.parents if parent not in (root, *root.parents)}
    emptied |= {Path(place) for place, _, _ in os.walk(root / ".snakemake")}
    for place in sorted(emptied, key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):  # not empty
            place.rmdir()
    kept = {root / "reports" / name for name in (*KEPT_REPORTS, "README.md")} | {root / "resources" / "downloads"}
    left = [path for folder in FOLDERS for path in _files_below(root / folder)]
    tables = root / "resources"
    return sorted(
        path
        for path in left
        if not any(path == one or one in path.parents for one in kept)
        and not (path.parent.parent == tables and SPLIT_TABLE.fullmatch(path.name))
    )


def _files_below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        yield from (Path(place, name) for name in [*files, *links])
