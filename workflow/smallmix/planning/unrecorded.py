"""Results that came without Snakemake's records: copied, cloned or unpacked. They must speak for themselves.

Snakemake notices a changed configuration or code by comparing with its own records. Of files that it has no record of
it believes that they are up to date; so what such files say of themselves is compared here, before anything runs.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path

SHOWN = 10
RECORDS = Path(".snakemake/metadata")


def find_unrecorded(paths: Sequence[str], root: Path) -> list[str]:
    """Those of `paths` (relative to `root`, where Snakemake runs) that Snakemake has no record of having made."""
    return [path for path in paths if not (root / RECORDS / urlsafe_b64encode(path.encode()).decode()).exists()]


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
