"""Options that several commands share, each declared once, and the configuration files that they name."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

BASE = "config.yaml"
OF_THE_PROJECT = Path(__file__).resolve().parents[3] / BASE


def add_root(parser: argparse.ArgumentParser) -> None:
    """Add `--root`, the project's folder."""
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")


def add_study(parser: argparse.ArgumentParser) -> None:
    """Add `--study`, which is required: the resolved study."""
    parser.add_argument("--study", type=Path, required=True, help="the resolved study, results/<study>/study.json")


def add_configfile(parser: argparse.ArgumentParser | argparse._MutuallyExclusiveGroup) -> None:
    """Add `--configfile`, which means what it means to Snakemake: config.yaml comes first, overlays follow."""
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="overlays, in the order of merging; config.yaml always comes first, as with snakemake",
    )


def add_configuration(parser: argparse.ArgumentParser | argparse._MutuallyExclusiveGroup) -> None:
    """Add `--configuration`, by which the workflow hands over what it has resolved already."""
    parser.add_argument("--configuration", help="the resolved configuration as JSON (or @FILE), instead of files")


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add `--dry-run` of a command that removes files."""
    parser.add_argument("--dry-run", action="store_true", help="list what would be removed, remove nothing")


def files_to_merge(named: Sequence[Path], root: Path = Path()) -> list[Path]:
    """Return the files that Snakemake would merge in `root`: its config.yaml or the project's, then those named."""
    base = root / BASE if (root / BASE).exists() else OF_THE_PROJECT
    return [base, *(path for path in named if path.resolve() != base.resolve())]
