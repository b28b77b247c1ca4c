"""`discard-outdated`: remove a study's results that belong to another configuration, other data or other code."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "remove results that do not belong to the configuration, data and code; the next run makes them again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which study, and whether to remove or only to list."""
    parser.add_argument("--configfile", type=Path, nargs="+", default=[Path("config.yaml")])
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument("--dry-run", action="store_true", help="list them, remove nothing")


def run(arguments: argparse.Namespace) -> int:
    """List and remove; trained cells in results/store are kept."""
    from smallmix.planning.cell_states import find_outdated
    from smallmix.study.configuration import load_study
    from smallmix.study.layout import Layout

    outdated = find_outdated(Layout(load_study(arguments.configfile), arguments.root))
    for path in outdated:
        print(f"{'outdated' if arguments.dry_run else 'removed'}: {path}")
        if not arguments.dry_run:
            Path(path).unlink(missing_ok=True)
    if not outdated:
        print("every result on the disk belongs to this configuration, data and code")
    return 0
