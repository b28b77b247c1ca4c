"""`resolve-study`, `plan`: check a configuration, and say what a run of it would cost, before anything is started."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from smallmix.commands.options import Command, add_configuration, add_study_names
from smallmix.errors import ConfigurationError
from smallmix.study.study_names import study_files
from smallmix.study.targets import MAKING_FILES

# Small enough for a machine without a GPU, with what each is good for.
SMALLER_STUDIES = (
    "smallmix run demo     (minutes, no download)",
    "smallmix run laptop   (half an hour, CIFAR-10)",
)


def _declare_resolve(parser: argparse.ArgumentParser) -> None:
    add_study_names(parser)
    add_configuration(parser)
    parser.add_argument(
        "--output", default="-", metavar="FILE", help="where to write study.json; - prints YAML for reading (default)"
    )


def _resolve(arguments: argparse.Namespace) -> int:
    """Resolve, check the file of published numbers too, and write or print.

    A configuration that a workflow hands over is resolved already, and taken as it is.
    """
    import yaml

    from smallmix.atomic_files import write_text
    from smallmix.study.command_lines import choose_study

    study = choose_study(arguments.configuration, study_files(arguments.studies, arguments.root))
    if study.configuration["published"] is not None:
        from smallmix.study.published import find_published, load_published

        load_published(find_published(study.configuration["published"], arguments.root))
    if arguments.output == "-":
        plain = json.loads(json.dumps(study.configuration))
        yaml.safe_dump(plain, sys.stdout, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    else:
        write_text(Path(arguments.output), study.to_json() + "\n")
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 on")
    return int(text)


def _declare_plan(parser: argparse.ArgumentParser) -> None:
    add_study_names(parser)
    add_configuration(parser)
    parser.add_argument(
        "--cores", type=_count, metavar="N", help="cores that the run may use (default: all that this process may)"
    )
    parser.add_argument("--gpu", type=int, metavar="N", help="cells that train on GPUs at once (default: one a GPU)")
    parser.add_argument(
        "--target",
        nargs="+",
        default=[],
        metavar="TARGET",
        dest="targets",
        help=f"plan a run of these targets only: {', '.join(MAKING_FILES)}, or a path of a cell",
    )
    parser.add_argument("--brief", action="store_true", help="one line, nothing measured")
    parser.add_argument("--measure", action="store_true", help="only measure this machine, for later estimates")
    parser.add_argument(
        "--check-gpus", action="store_true", help="only warn if GPUs that are counted here cannot be used"
    )


def _plan(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    from smallmix.planning.capacity import Capacity
    from smallmix.planning.estimate import StudyState
    from smallmix.planning.plan import brief_plan, full_plan, measure_and_keep
    from smallmix.study.command_lines import choose_study

    if arguments.check_gpus:
        return _check_gpus()
    capacity = Capacity.here(arguments.cores, arguments.gpu)
    study = choose_study(arguments.configuration, study_files(arguments.studies, arguments.root))
    try:
        jobs = StudyState.of(study, arguments.root).jobs(arguments.targets)
    except ValueError as error:
        raise ConfigurationError(
            f"--target {error}: there is no such target. Give {', '.join(MAKING_FILES)}, or the path of a "
            f"cell of this study, such as results/{study.name}/cells/{study.cells[0].id}/metrics.json."
        ) from None
    if arguments.brief:
        print(brief_plan(study, arguments.root, capacity, jobs))
        return 0
    if not capacity.on_gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # as a training does, which the probe is to be like
    # Must be set before CUDA starts: deterministic matrix products need it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if arguments.measure:
        print("smallmix: measuring this machine for the estimate, once, for five to thirty seconds", flush=True)
        measure_and_keep(study, arguments.root, capacity)
    else:
        print(full_plan(study, arguments.root, capacity, SMALLER_STUDIES, arguments.targets))
    return 0


def _check_gpus() -> int:
    from smallmix.training.gpu_slots import list_gpus
    from smallmix.training.messages import explain_unusable_gpus

    unusable = explain_unusable_gpus(list_gpus())
    if unusable is not None:
        print(f"smallmix: warning: {unusable}")
    return 0


COMMANDS = {
    "resolve-study": Command(
        "check a configuration and write it with every default filled in",
        _declare_resolve,
        _resolve,
    ),
    "plan": Command(
        "print what a full run would do here: cells, iterations, time, disk",
        _declare_plan,
        _plan,
    ),
}
