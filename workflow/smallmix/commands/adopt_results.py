"""`adopt-results`: keep results of older code whose first steps this version repeats bit for bit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from smallmix.commands.options import add_configfile, files_to_merge
from smallmix.version import VERSION

if TYPE_CHECKING:
    from smallmix.study.layout import Layout

SUMMARY = "replay the first steps of results of older code, and adopt those that agree bit for bit"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_configfile(parser)
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument(
        "--all", action="store_true", help="replay every result (default: one for each method, network and precision)"
    )
    parser.add_argument("--dry-run", action="store_true", help="replay and compare, adopt nothing")


def run(arguments: argparse.Namespace) -> int:
    """Replay and adopt. Raises ReplayDiffers, after adopting what agrees, where some results differ."""
    from smallmix.study.configuration import load_study
    from smallmix.study.layout import Layout
    from smallmix.training.gpu_slots import lease_gpu

    root: Path = arguments.root
    layout = Layout(load_study(files_to_merge(arguments.configfile, root)), root)
    with lease_gpu(root / "results" / "slots", report=print):
        # Only now: importing torch may start CUDA, which reads CUDA_VISIBLE_DEVICES once.
        return adopt_layout(layout, arguments.all, arguments.dry_run)


def adopt_layout(layout: Layout, every_record: bool, dry_run: bool) -> int:
    """Replay and adopt the results of one study; return the exit code. Raises ReplayDiffers as `run`."""
    from smallmix.errors import ReplayDiffers
    from smallmix.training.adoption import adopt, find_candidates, judge
    from smallmix.training.messages import describe_candidates, describe_verdict

    found = find_candidates(layout)
    print(describe_candidates(found))
    differing = adopted = 0
    for verdict in judge(layout, found.older, every_record):
        print(describe_verdict(verdict), flush=True)
        if verdict.difference:
            differing += len(verdict.records)
        elif not dry_run:
            adopted += adopt(verdict, VERSION, print)
    if found.older and not dry_run:
        print(f"adopted: {adopted} of {len(found.older)}; the next run takes them from the store")
    if differing:
        raise ReplayDiffers(
            f"{differing} of {len(found.older)} results were made by code that computes otherwise, or on another "
            "machine or with other versions. They are kept as they were and not adopted: the next run trains these "
            "cells. Run this command where they were trained to try again."
        )
    return 0
