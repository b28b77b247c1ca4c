"""What the modules of commands share: what a command is, options that are declared once, and configuration files."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from smallmix.study.layout import Layout

WAIT_IN_BATCH_JOB = 600.0  # seconds: a node that lost touch ends its jobs, or is restarted, sooner than that


class Command(NamedTuple):
    """A command: a line for the help, what declares its options, and what runs it and returns the exit code."""

    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    passes_on: bool = False  # takes all that is typed behind it as `words`, options included


def _folder(text: str) -> Path:
    """Return the path of a folder that is there: a mistyped one would be made, with results that nobody finds."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder. Name one that is there.")
    return path


def add_root(parser: argparse.ArgumentParser) -> None:
    """Add `--root`, the project's folder."""
    parser.add_argument(
        "--root", type=_folder, default=Path(), metavar="FOLDER", help="the project's folder (default: the current one)"
    )


def add_study(parser: argparse.ArgumentParser) -> None:
    """Add `--study`, which is required: the resolved study; and `--root`, below which its files lie."""
    parser.add_argument("--study", type=Path, required=True, help="the resolved study, results/<study>/study.json")
    parser.add_argument("--root", type=Path, help="the project's folder (default: the one above results/ of --study)")
    add_own_code(parser)


def add_own_code(parser: argparse.ArgumentParser) -> None:
    """Add `--own-code`, the user's files where the job has them."""
    parser.add_argument(
        "--own-code", nargs="*", default=[], metavar="FILE", help="your files with methods, networks and metrics"
    )


def load_layout(arguments: argparse.Namespace) -> Layout:
    """Return the paths of the study that `--study` names, below `--root` or else below the root of that file.

    A storage plugin of Snakemake brings a job's files to a folder of its own, each at its place in the project. So the
    root of a results/<study>/study.json is what stands before `results`. Of a file elsewhere it is the current folder.
    Raises SmallmixError where the file is no study.json.
    """
    from smallmix.study.layout import Layout

    layout = Layout.load(arguments.study, arguments.root or Path())
    layout = dataclasses.replace(layout, study=layout.study.with_files(arguments.own_code))
    below, parts = Layout(layout.study).study_file.parts, arguments.study.parts
    if arguments.root is not None or parts[-len(below) :] != below:
        return layout
    return Layout(layout.study, Path(*parts[: -len(below)]))


def add_study_names(parser: argparse.ArgumentParser) -> None:
    """Add STUDY, as `smallmix.study.study_names` reads it; and `--root`, where its config.yaml lies."""
    parser.add_argument(
        "studies",
        nargs="*",
        metavar="STUDY",
        help="a name, such as demo, or a file; several are merged in order (default: config.yaml alone, the article)",
    )
    # As Snakemake is told of them, so that its call and this one can be typed alike.
    parser.add_argument("--configfile", nargs="+", default=[], help=argparse.SUPPRESS)
    add_root(parser)


def add_configuration(parser: argparse.ArgumentParser) -> None:
    """Add `--configuration`, by which the workflow hands over what it has resolved already."""
    parser.add_argument(
        "--configuration", metavar="JSON", help="the resolved configuration as JSON (or @FILE), instead of files"
    )


def add_tables(parser: argparse.ArgumentParser) -> None:
    """Add `--tables`, the folder of a study's tables."""
    parser.add_argument("--tables", type=Path, help="the folder of the study's tables (default: beside study.json)")
    add_published(parser)


def add_published(parser: argparse.ArgumentParser) -> None:
    """Add `--published`, the file of published numbers. Rules of a study that names none give it without a value."""
    parser.add_argument(
        "--published", type=Path, nargs="?", help="the published numbers (default: what the study names)"
    )


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add `--dry-run` of a command that removes files."""
    parser.add_argument("--dry-run", action="store_true", help="list what would be removed, remove nothing")


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add where trainings run and what they leave behind, which decides no result."""
    from smallmix.study.layout import Folders

    folders = Folders.of_this_process()
    parser.add_argument("--store", type=Path, default=folders.store, help="store of trained cells")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--gpus", type=int, default=1, help="0 trains on the CPU, whatever GPUs there are")
    parser.add_argument(
        "--slots", type=Path, default=folders.slots, help="folder whose locked files stand for GPUs in use"
    )
    parser.add_argument(
        "--wait-for-lock",
        type=float,
        metavar="SECONDS",
        help="how long to wait while another process trains this very cell "
        f"(default and at most: {WAIT_IN_BATCH_JOB:.0f} in a job of Slurm, PBS, LSF or Grid Engine, which may be "
        "started again while its first process still writes; elsewhere the default is 0: say so and leave)",
    )
    parser.add_argument("--checkpoint-seconds", type=float, default=60.0, help="time between two checkpoints")


def lock_patience(given: float | None, in_batch_job: bool) -> float:
    """Return the seconds that `--wait-for-lock` stands for.

    A job that waits holds its GPU: in a batch system never for longer than it takes a lost node to be noticed.
    """
    if in_batch_job:
        return min(WAIT_IN_BATCH_JOB if given is None else given, WAIT_IN_BATCH_JOB)
    return given or 0.0


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Import large libraries in this block: their objects stay, so no search for garbage among them pays.

    It is a seventh of the time that PyTorch's import takes, and more of the process's end.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def report_line(line: str) -> None:
    """Write a line to standard error. A full disk under the log, or a reader that left, must not end a training."""
    with contextlib.suppress(OSError):
        os.write(sys.stderr.fileno(), (line + "\n").encode("utf-8", "replace"))
