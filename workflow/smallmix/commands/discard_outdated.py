"""`discard-outdated`: remove a study's results that belong to another configuration, other data or other code."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from smallmix.commands.options import add_configfile, files_to_merge

if TYPE_CHECKING:
    from smallmix.study.layout import Layout

SUMMARY = "remove results that do not belong to the configuration, data and code; the next run makes them again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_configfile(parser)
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument("--dry-run", action="store_true", help="list them, remove nothing")


def run(arguments: argparse.Namespace) -> int:
    """List and remove; trained cells in results/store are kept."""
    from smallmix.study.configuration import load_study
    from smallmix.study.layout import Layout

    study = load_study(files_to_merge(arguments.configfile, arguments.root))
    discard(Layout(study, arguments.root), dry_run=arguments.dry_run)
    return 0


def discard(layout: Layout, *, dry_run: bool) -> None:
    """Print every result that does not belong to the study, with the reason, and remove it unless it is a dry run."""
    from smallmix.planning.start import find_contradicted
    from smallmix.tables.collect import find_wanted

    outdated = find_contradicted(layout)
    for path, reason in outdated.items():
        print(f"{'outdated' if dry_run else 'removed'}: {path}: {reason}")
        if not dry_run:
            path.unlink(missing_ok=True)
    wanted = find_wanted(layout.study.cells, layout)
    unjudged = [
        cell.id
        for cell in layout.study.cells
        if (layout.cell(cell) / "metrics.json").exists() and wanted[cell.id].data is None
    ]
    if unjudged:
        print(
            f"not judged, because their training images are not here: {len(unjudged)} cells (first: {unjudged[0]}). "
            "Bring them with `snakemake subsets --cores 1`, then run this command again."
        )
    elif not outdated:
        print("every result on the disk belongs to this configuration, data and code")
