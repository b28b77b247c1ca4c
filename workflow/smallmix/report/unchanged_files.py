"""Files of an earlier writing that are as they were written: what may be removed when they are not written again."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping
from pathlib import Path


def unchanged_files(folder: Path, checksums: Mapping[str, str]) -> list[str]:
    """Return the names, sorted, of the files in `folder` that still have the sha256 which a list gives them.

    Names that lead out of the folder are left out. Raises OSError where a file cannot be read.
    """
    inside = folder.resolve()
    return sorted(
        name
        for name, checksum in ((posixpath.normpath(listed), checksum) for listed, checksum in checksums.items())
        if (folder / name).resolve().is_relative_to(inside)
        and (folder / name).is_file()
        and hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum
    )
