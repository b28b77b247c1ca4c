"""`--configfile` of the commands means what it means to Snakemake: config.yaml comes first, overlays follow."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

BASE = "config.yaml"
OF_THE_PROJECT = Path(__file__).resolve().parents[3] / BASE


def add_configfile(parser: argparse.ArgumentParser | argparse._MutuallyExclusiveGroup) -> None:
    """The option, which names overlays as Snakemake's option of that name does."""
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="overlays, in the order of merging; config.yaml always comes first, as with snakemake",
    )


def files_to_merge(named: Sequence[Path], root: Path = Path()) -> list[Path]:
    """The files that Snakemake would merge in `root`: its config.yaml, or else the project's own, then those named."""
    base = root / BASE if (root / BASE).exists() else OF_THE_PROJECT
    return [base, *(path for path in named if path.resolve() != base.resolve())]
