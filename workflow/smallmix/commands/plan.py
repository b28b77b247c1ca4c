"""`plan`: say what a run would do here, before it is started."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from smallmix.commands.configuration_files import add_configfile, files_to_merge

SUMMARY = "say what a full run would do here: cells, iterations, time, disk"
# Small enough for a machine without a GPU, with what each is good for.
SMALLER_STUDIES = (
    "snakemake --cores all --configfile workflow/studies/demo.yaml     (minutes, no download)",
    "snakemake --cores all --configfile workflow/studies/laptop.yaml   (half an hour, CIFAR-10)",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which study, and how much to say."""
    add_configfile(parser)
    parser.add_argument("--configuration", help="the resolved configuration as JSON, instead of files")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument("--cores", type=int, help="cores that the run may use (default: all that this process may)")
    parser.add_argument("--gpu", type=int, metavar="N", help="cells that train on cards at once (default: one a card)")
    parser.add_argument("--brief", action="store_true", help="one line, nothing measured")
    parser.add_argument(
        "--check-cards", action="store_true", help="only say why cards that are counted here cannot be used, if so"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    from smallmix.planning.plan import Room, brief_plan, full_plan
    from smallmix.study.handed_over import take_over
    from smallmix.study.study import Study

    if arguments.check_cards:
        return _check_cards()
    room = Room.here(arguments.cores, arguments.gpu)
    if arguments.configuration:
        study = Study.from_json(take_over(arguments.configuration))
    else:
        from smallmix.study.configuration import load_study

        study = load_study(files_to_merge(arguments.configfile))
    if arguments.brief:
        print(brief_plan(study, arguments.root, room))
    else:
        if not room.on_cards:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # as a training does, which the probe is to be like
        # Must be set before CUDA starts: deterministic matrix products need it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        print(full_plan(study, arguments.root, room, SMALLER_STUDIES))
    return 0


def _check_cards() -> int:
    from smallmix.training.gpu_slots import gpus_of_this_process
    from smallmix.training.messages import explain_unusable_gpus

    unusable = explain_unusable_gpus(gpus_of_this_process())
    if unusable is not None:
        print(f"smallmix: warning: {unusable}")
    return 0
