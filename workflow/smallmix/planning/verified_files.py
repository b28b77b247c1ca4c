"""Files that an earlier start found in order, so that a start does not read everything again."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from smallmix.atomic_files import write_text
from smallmix.fingerprints import fingerprint_value
from smallmix.snakemake_files.records import FOLDER

VERIFIED = FOLDER / "smallmix-verified.json"


class Verified:
    """Files found in order at an earlier start, so that thorough checks are not repeated for what did not change.

    Kept are signatures: of the files' sizes and times, and of what they were compared with.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / VERIFIED
        self._known: dict[str, str] = {}
        self._changed = False
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(self._path.read_text(encoding="utf-8"))
            self._known = known if isinstance(known, dict) else {}

    def knows(self, files: Sequence[Path], *compared: str) -> bool:
        """Tell whether these very files were found in order, compared with the same. The first one names the check."""
        return self._known.get(str(files[0])) == _signature(files, compared)

    def note(self, files: Sequence[Path], *compared: str) -> None:
        """Remember that the files are in order."""
        self._known[str(files[0])] = _signature(files, compared)
        self._changed = True

    def keep(self) -> None:
        """Write what was noted. If that fails, the next start checks again."""
        if self._changed:
            with contextlib.suppress(Exception):
                write_text(self._path, json.dumps(self._known, separators=(",", ":")) + "\n")


def _signature(files: Sequence[Path], compared: Sequence[str]) -> str:
    stats = []
    for path in files:
        with contextlib.suppress(OSError):
            now = os.stat(path)
            stats.append([now.st_size, now.st_mtime_ns, now.st_ctime_ns])
    return fingerprint_value([stats, list(compared)])
