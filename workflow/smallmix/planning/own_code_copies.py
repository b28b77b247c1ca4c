"""The copies of the user's files by which cells are trained: are they what the files mean now?

Snakemake copies a file again by its own records, and these may be missing (copied results) or switched off. A copy of
older code would train cells that pass for those of the file as it is.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from smallmix.code_fingerprint import read_meaning
from smallmix.study.layout import Layout


def copies_of(layout: Layout) -> dict[Path, Path]:
    """Return the user's files with methods and networks, by the paths of their copies."""
    return {layout.results / "own_code" / Path(file).name: Path(file) for file in layout.study.own_code}


def outdated_copies(layout: Layout) -> list[Path]:
    """Return the copies that mean something else than the user's files. Comments and layout do not count."""
    return [copy for copy, file in copies_of(layout).items() if copy.is_file() and not _mean_the_same(copy, file)]


def _mean_the_same(copy: Path, file: Path) -> bool:
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        return read_meaning(copy.read_bytes()).sha256 == read_meaning(file.read_bytes()).sha256
    return False
