"""`adopt`, `discard`: what becomes of results of older code, other data or another configuration."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from smallmix.commands.options import Command, add_dry_run, add_study_names
from smallmix.study.study_names import study_files
from smallmix.version import VERSION

if TYPE_CHECKING:
    from smallmix.study.layout import Layout


def _declare_adopt(parser: argparse.ArgumentParser) -> None:
    add_study_names(parser)
    parser.add_argument(
        "--all", action="store_true", help="replay every result (default: one for each method, network and precision)"
    )
    parser.add_argument("--dry-run", action="store_true", help="replay and compare, adopt nothing")


def _adopt(arguments: argparse.Namespace) -> int:
    """Replay and adopt. Raises ReplayDiffers, after adopting what agrees, where some results differ."""
    from smallmix.study.configuration import load_study
    from smallmix.study.layout import Layout
    from smallmix.training.gpu_slots import lease_gpu

    layout = Layout(load_study(study_files(arguments.studies, arguments.root)), arguments.root)
    with lease_gpu(layout.root / layout.folders.slots, report=print):
        # Only now: importing torch may start CUDA, which reads CUDA_VISIBLE_DEVICES once.
        return adopt_layout(layout, arguments.all, arguments.dry_run)


def adopt_layout(layout: Layout, every_record: bool, dry_run: bool) -> int:
    """Replay and adopt the results of one study; return the exit code. Raises ReplayDiffers as `_adopt`."""
    from smallmix.errors import ReplayDiffers, SmallmixError
    from smallmix.training.adoption import adopt, find_candidates, judge
    from smallmix.training.messages import describe_candidates, describe_verdict

    if not layout.dataset.exists():
        raise SmallmixError(
            f"the images of study {layout.study.name} are not in {layout.dataset}, and results are replayed on them. "
            "Bring them with `snakemake subsets --cores 1` and the study's --configfile, then run this command again."
        )
    found = find_candidates(layout)
    print(describe_candidates(found))
    differing = adopted = 0
    for verdict in judge(layout, found.older, every_record):
        print(describe_verdict(verdict), flush=True)
        if verdict.difference:
            differing += len(verdict.records)
        elif not dry_run:
            adopted += adopt(verdict, VERSION, print)
    if adopted:
        print(f"adopted: {adopted} of {len(found.older)}; the next run takes them from the store")
    if differing:
        raise ReplayDiffers(
            f"{differing} of {len(found.older)} results were made by code that computes otherwise, or on another "
            "machine or with other versions. They are kept as they were and not adopted: the next run trains these "
            "cells. Run this command where they were trained to try again."
        )
    return 0


def _declare_discard(parser: argparse.ArgumentParser) -> None:
    add_study_names(parser)
    add_dry_run(parser)


def _discard(arguments: argparse.Namespace) -> int:
    """List and remove; trained cells in results/store are kept."""
    from smallmix.study.configuration import load_study
    from smallmix.study.layout import Layout

    study = load_study(study_files(arguments.studies, arguments.root))
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


COMMANDS = {
    "adopt": Command(
        "replay the first steps of results of older code, and adopt those that agree bit for bit",
        _declare_adopt,
        _adopt,
    ),
    "discard": Command(
        "remove results that do not belong to the configuration, data and code; the next run makes them again",
        _declare_discard,
        _discard,
    ),
}
