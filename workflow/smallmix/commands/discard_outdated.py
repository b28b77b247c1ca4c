"""`discard-outdated`: remove a study's results that belong to another configuration, other data or other code."""

from __future__ import annotations

import argparse
from pathlib import Path

from smallmix.commands.options import add_configfile, files_to_merge

SUMMARY = "remove results that do not belong to the configuration, data and code; the next run makes them again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which study, and whether to remove or only to list."""
    add_configfile(parser)
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument("--dry-run", action="store_true", help="list them, remove nothing")


def run(arguments: argparse.Namespace) -> int:
    """List and remove; trained cells in results/store are kept."""
    from smallmix.planning.cell_states import known_data
    from smallmix.planning.outdated import find_contradicted
    from smallmix.study.configuration import load_study
    from smallmix.study.layout import Layout

    layout = Layout(load_study(files_to_merge(arguments.configfile, arguments.root)), arguments.root)
    outdated = find_contradicted(layout)
    for path, reason in outdated.items():
        print(f"{'outdated' if arguments.dry_run else 'removed'}: {path}: {reason}")
        if not arguments.dry_run:
            path.unlink(missing_ok=True)
    unjudged = [
        cell.place
        for cell in layout.study.cells
        if (layout.cell(cell) / "metrics.json").exists() and known_data(layout.subset(cell), layout.dataset) is None
    ]
    if unjudged:
        print(
            f"not judged, because their training images are not here: {len(unjudged)} cells (first: {unjudged[0]}). "
            "Bring them with `snakemake subsets --cores 1`, then run this command again."
        )
    elif not outdated:
        print("every result on the disk belongs to this configuration, data and code")
    return 0
