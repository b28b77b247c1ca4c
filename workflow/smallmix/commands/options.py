"""What the modules of commands share: what a command is, options that are declared once, and configuration files."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

BASE = "config.yaml"
OF_THE_PROJECT = Path(__file__).resolve().parents[3] / BASE


class Command(NamedTuple):
    """A command: a line for the help, what declares its options, and what runs it and returns the exit code."""

    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_root(parser: argparse.ArgumentParser) -> None:
    """Add `--root`, the project's folder."""
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")


def add_study(parser: argparse.ArgumentParser) -> None:
    """Add `--study`, which is required: the resolved study; and `--root`, below which its files lie."""
    parser.add_argument("--study", type=Path, required=True, help="the resolved study, results/<study>/study.json")
    add_root(parser)


def add_configfile(parser: argparse.ArgumentParser) -> None:
    """Add `--configfile`, which means what it means to Snakemake: config.yaml comes first, overlays follow.

    Add `--root` as well, where that config.yaml lies.
    """
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="overlays, in the order of merging; config.yaml always comes first, as with snakemake",
    )
    add_root(parser)


def add_configuration(parser: argparse.ArgumentParser) -> None:
    """Add `--configuration`, by which the workflow hands over what it has resolved already."""
    parser.add_argument(
        "--configuration", metavar="JSON", help="the resolved configuration as JSON (or @FILE), instead of files"
    )


def add_tables(parser: argparse.ArgumentParser) -> None:
    """Add `--tables`, the folder of a study's tables."""
    parser.add_argument("--tables", type=Path, help="the folder of the study's tables (default: beside study.json)")


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add `--dry-run` of a command that removes files."""
    parser.add_argument("--dry-run", action="store_true", help="list what would be removed, remove nothing")


def files_to_merge(named: Sequence[Path], root: Path = Path()) -> list[Path]:
    """Return the files that Snakemake would merge in `root`: its config.yaml or the project's, then those named."""
    base = root / BASE if (root / BASE).exists() else OF_THE_PROJECT
    return [base, *(path for path in named if path.resolve() != base.resolve())]
