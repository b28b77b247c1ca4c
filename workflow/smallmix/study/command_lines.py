"""A study on command lines: handed from Snakemake to the commands that it starts, and the call that runs it again.

It is handed over by a file: Linux takes no argument above 128 kB, which a study of some ten thousand seeds is.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smallmix import atomic_files
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.fingerprints import fingerprint_value
from smallmix.project_files import BASE_NAME, PROJECT, WORKFLOW
from smallmix.study.study import Study

HANDED_OVER = Path(".snakemake/smallmix-studies")
FILE_MARK = "@"
CALL = "SMALLMIX_CALL"  # the variable of the environment by which `smallmix run` tells what was typed


def hand_over(study: Study, folder: Path = HANDED_OVER) -> str:
    """Write the resolved configuration into `folder`; return the argument that names the file.

    The name holds a fingerprint of the content, so two runs with different configurations do not disturb each other. A
    folder that cannot be written is reported by the command that wants the file.
    """
    text = study.to_json()
    path = folder / f"{study.name}-{fingerprint_value(text)[:16]}.json"
    with contextlib.suppress(SmallmixError, OSError):
        if not path.exists():
            atomic_files.write_text(path, text + "\n")
    return f"{FILE_MARK}{path}"


def take_over(argument: str) -> str:
    """Return the resolved configuration's text of an argument: the text itself, or @ and the file that holds it.

    Raises ConfigurationError where the file cannot be read.
    """
    if not argument.startswith(FILE_MARK):
        return argument
    path = Path(argument.removeprefix(FILE_MARK))
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"--configuration: cannot read {path} ({error}). Make its folder writable, and start the run again."
        ) from error


def take_over_study(argument: str) -> Study:
    """Return the study of an argument. It was resolved before it was handed over, and is not checked again.

    Raises ConfigurationError where the argument holds no resolved configuration.
    """
    text = take_over(argument)
    try:
        study = Study.from_json(text)
        if not study.cells or "published" not in study.configuration:
            raise ValueError("it has no cells or is not resolved")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ConfigurationError(
            f"--configuration does not hold a resolved configuration ({error!r}). "
            "Name the study instead, as in `smallmix resolve-study demo`."
        ) from error
    return study


def run_command(files: Sequence[Path], settings: Mapping[str, Any] | None = None, more: Sequence[str] = ()) -> str:
    """Return the Snakemake call that runs a study again, as somebody would type it.

    Given are the configuration files in merging order, `--config` settings, and further options as typed.
    """
    # The Snakefile names the first file itself.
    overlays = [str(path) for path in map(_seen_from_here, files) if path != Path(BASE_NAME)]
    parts = ["snakemake", "--cores", "all", *more]
    if overlays:
        parts += ["--configfile", *overlays]
    if settings:
        parts += ["--config", *(f"{key}={_as_typed(value)}" for key, value in settings.items())]
    return shlex.join(parts)


def note_call(words: Sequence[str]) -> None:
    """Tell the process that this one becomes what was typed. Its own children are other processes, and are not told."""
    os.environ[CALL] = f"{os.getpid()} {shlex.join(words)}"


def noted_call() -> str | None:
    """Return what was typed where `smallmix run` became this process; None where it did not."""
    process, _, call = os.environ.get(CALL, "").partition(" ")
    return call if call and process == str(os.getpid()) else None


def smallmix_command() -> str:
    """Return how to start this very smallmix in a shell, from the working folder.

    It is `smallmix` where that is found and is this one. Else it names the interpreter and the folder of the workflow,
    which works without an installation.
    """
    beside = Path(sys.executable).with_name("smallmix")
    if beside.is_file() and _is_installed():
        found = shutil.which("smallmix")
        return "smallmix" if found and os.path.samefile(found, beside) else shlex.quote(str(_seen_from_here(beside)))
    return shlex.join([str(_seen_from_here(Path(os.path.abspath(sys.executable)))), str(_seen_from_here(WORKFLOW))])


def _is_installed() -> bool:
    """Tell whether the installed smallmix is the one that runs: a checkout beside it may be another one."""
    from importlib import metadata
    from urllib.parse import unquote, urlparse

    try:
        installed = metadata.distribution("smallmix")
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return False
    if origin.get("dir_info", {}).get("editable"):
        return Path(unquote(urlparse(origin["url"]).path)).resolve() == PROJECT
    return Path(str(installed.locate_file("smallmix"))).resolve() == Path(__file__).resolve().parents[1]


def command_typed(arguments: Sequence[str]) -> str:
    """Return the call of this process as somebody would type it again; `arguments` are those of `sys.argv`."""
    noted = noted_call()
    if noted:
        return noted
    program = Path(arguments[0]).name if arguments else ""
    if program == "__main__.py":
        program = f"python -m {Path(arguments[0]).parent.name}"
    return f"{program or 'snakemake'} {shlex.join(arguments[1:])}".strip()


def choose_study(handed_over: str | None, files: Sequence[Path]) -> Study:
    """Return the study that was handed over or, where none was, that of the configuration files in merging order.

    Raises ConfigurationError, whose one message lists all problems.
    """
    if handed_over is not None:
        return take_over_study(handed_over)
    from smallmix.study.configuration import load_study  # loads the models, which jobs do without

    return load_study(files)


def _seen_from_here(path: Path) -> Path:
    """Return a path without the working folder, which Snakemake puts before all paths."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path


def _as_typed(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
