"""Which Python, and which smallmix, the shell commands of the rules find as `python -m smallmix`."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def lead_commands_here() -> None:
    """Put this interpreter first in PATH and this package first in PYTHONPATH, for the commands that rules start.

    So Snakemake works without an activated environment, and on cluster nodes, where a nested Snakemake reads the
    Snakefile again. A rule's own conda environment is put before both and wins.
    """
    _put_first("PATH", str(Path(sys.executable).parent))
    _put_first("PYTHONPATH", str(Path(__file__).resolve().parent.parent))


def _put_first(variable: str, entry: str) -> None:
    entries = [entry, *(known for known in os.environ.get(variable, "").split(os.pathsep) if known not in ("", entry))]
    os.environ[variable] = os.pathsep.join(entries)
