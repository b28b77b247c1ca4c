"""`plan`: print what a run would do here, before it is started."""

from __future__ import annotations

import argparse
import os

from smallmix.commands.options import add_configfile, add_configuration, add_root, files_to_merge

SUMMARY = "print what a full run would do here: cells, iterations, time, disk"
# Small enough for a machine without a GPU, with what each is good for.
SMALLER_STUDIES = (
    "snakemake --cores all --configfile workflow/studies/demo.yaml     (minutes, no download)",
    "snakemake --cores all --configfile workflow/studies/laptop.yaml   (half an hour, CIFAR-10)",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: which study, on what, and how much to print."""
    add_configfile(parser)
    add_configuration(parser)
    add_root(parser)
    parser.add_argument("--cores", type=int, help="cores that the run may use (default: all that this process may)")
    parser.add_argument("--gpu", type=int, metavar="N", help="cells that train on GPUs at once (default: one a GPU)")
    parser.add_argument("--brief", action="store_true", help="one line, nothing measured")
    parser.add_argument(
        "--check-gpus", action="store_true", help="only warn if GPUs that are counted here cannot be used"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    from smallmix.planning.capacity import Capacity
    from smallmix.planning.plan import brief_plan, full_plan
    from smallmix.study.command_lines import take_over
    from smallmix.study.study import Study

    if arguments.check_gpus:
        return _check_gpus()
    capacity = Capacity.here(arguments.cores, arguments.gpu)
    if arguments.configuration:
        study = Study.from_json(take_over(arguments.configuration))
    else:
        from smallmix.study.configuration import load_study

        study = load_study(files_to_merge(arguments.configfile))
    if arguments.brief:
        print(brief_plan(study, arguments.root, capacity))
    else:
        if not capacity.on_gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # as a training does, which the probe is to be like
        # Must be set before CUDA starts: deterministic matrix products need it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        print(full_plan(study, arguments.root, capacity, SMALLER_STUDIES))
    return 0


def _check_gpus() -> int:
    from smallmix.training.gpu_slots import list_gpus
    from smallmix.training.messages import explain_unusable_gpus

    unusable = explain_unusable_gpus(list_gpus())
    if unusable is not None:
        print(f"smallmix: warning: {unusable}")
    return 0
