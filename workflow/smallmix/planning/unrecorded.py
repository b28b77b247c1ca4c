"""Results that came without Snakemake's records: copied, cloned or unpacked. They must speak for themselves.

Snakemake notices a changed configuration or code by comparing with its own records. Of files that it has no record of
it believes that they are up to date; so what such files say of themselves is compared here, before anything runs.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path

from smallmix.planning.cell_states import find_outdated
from smallmix.study.layout import Layout

SHOWN = 10
RECORDS = Path(".snakemake/metadata")


def find_unrecorded(layout: Layout) -> list[str]:
    """The outdated files of a study that Snakemake has no record of having made; paths as Snakemake names them.

    What it has a record of is not opened: reading a thousand results would double the time of every start.
    """
    try:
        recorded = set(os.listdir(layout.root / RECORDS))
    except OSError:
        recorded = set()
    written = [layout.study_file, *(layout.cell(cell) / "metrics.json" for cell in layout.study.cells)]
    unrecorded = {str(path) for path in written if record_name(path) not in recorded and path.exists()}
    return [path for path in find_outdated(layout) if path in unrecorded] if unrecorded else []


def record_name(path: Path) -> str:
    """The name of Snakemake's record of a file that it made."""
    return urlsafe_b64encode(str(path).encode()).decode()


def explain_unrecorded(paths: Sequence[str], configuration_files: Sequence[Path]) -> str:
    """Which files are not current, and the command after which the same Snakemake call makes them again."""
    more, files = len(paths) - SHOWN, " ".join(map(str, configuration_files))
    lines = [
        f"{len(paths)} result{'s' if len(paths) > 1 else ''} on the disk belong to another configuration, other data "
        "or other code, and Snakemake has no record of having made them (were they copied?):",
        *(f"  {path}" for path in paths[:SHOWN]),
        *([f"  ... and {more} more"] if more > 0 else []),
        "They must not be shown as current. Discard them (the store of trained cells stays), then run the same command "
        "again; it makes them anew:",
        f"  PYTHONPATH=workflow python -m smallmix discard-outdated --configfile {files}",
    ]
    return "\n".join(lines)
