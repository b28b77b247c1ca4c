"""Snakemake's own records in .snakemake: which files it knows to have made, and which it is to make again.

A file that is marked as incomplete is made again where a run needs it (`rerun-incomplete` of the default profile), in
dry runs as well, and whatever the rerun triggers are. The marks made here bear a sign, so that they can be taken back.
"""

from __future__ import annotations

import contextlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(".snakemake")
RECORDS = FOLDER / "metadata"
LONGEST_NAME = 254
SIGN = "smallmix"


def has_record(path: Path | str, root: Path = Path()) -> bool:
    """Tell whether Snakemake has a record of having made a file; `path` as Snakemake names it, below `root`."""
    return (root / RECORDS / record_name(path)).exists()


def record_name(path: Path | str) -> Path:
    """Return where Snakemake keeps its record of a file, below the folder of its kind; long names are split."""
    encoded = urlsafe_b64encode(str(path).encode()).decode()
    parts = [encoded[start : start + LONGEST_NAME] for start in range(0, len(encoded), LONGEST_NAME)]
    return Path(*(f"@{part}" for part in parts[:-1]), parts[-1])


def mark(wanted: Iterable[Path | str], known: Iterable[Path | str], root: Path = Path()) -> None:
    """Have Snakemake make the `wanted` files again; marks of an earlier start on other `known` files are taken back."""
    again = set(wanted)
    for path in again.union(known):
        marker = root / FOLDER / "incomplete" / record_name(path)
        with contextlib.suppress(OSError):
            if path not in again:
                if marker.exists() and SIGN in marker.read_text(encoding="utf-8"):
                    marker.unlink()
            elif not marker.exists():
                marker.parent.mkdir(parents=True, exist_ok=True)
                marker.write_text(json.dumps({"external_jobid": None, "marked_by": SIGN}), encoding="utf-8")
