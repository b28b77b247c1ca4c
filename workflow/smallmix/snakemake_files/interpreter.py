"""How the shell commands of the rules start: by this Python and this package, whatever the environment names.

Between Snakemake and a command stands bash, which reads BASH_ENV first: a module system or conda may change PATH and
PYTHONPATH there, or define a function called python. A folder's name may hold a colon, at which PATH and PYTHONPATH are
split. So commands name the interpreter and the package by their full paths.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from smallmix.project_files import WORKFLOW


def rule_command(own_environments: bool = False, variables: Mapping[str, str] | None = None) -> str:
    """Return the start of a rule's shell command, to which a command of smallmix and its arguments are added.

    It starts Snakemake's own interpreter. With `own_environments` (conda, containers, environment modules) it starts
    the `python` that the rule's environment puts first in PATH. Text is UTF-8 whatever the locale says, so that labels
    of any language can be printed. `variables` are set in its environment.
    """
    interpreter = "python" if own_environments else shlex.quote(_absolute(sys.executable))
    # As a program, `env` can be started by bash's `exec`, too.
    settings = "".join(f" {name}={shlex.quote(value)}" for name, value in (variables or {}).items())
    return f"{f'env{settings} ' if settings else ''}{interpreter} -X utf8 -P {shlex.quote(str(WORKFLOW))}"


def shield_commands(own_environments: bool = False) -> None:
    """Keep the caller's environment and working folder out of what is started from here, nested Snakemakes included."""
    # Snakemake puts the Snakefile's folder first, `python -m snakemake` the working folder: a user's random.py there
    # would take the library's place. The rules' own folders hold no modules.
    project = str(WORKFLOW.parent)
    sys.path[:] = [entry for entry in sys.path if entry not in ("", project, os.getcwd())]
    os.environ["PYTHONSAFEPATH"] = "1"
    if not own_environments:
        os.environ.pop("BASH_ENV", None)


def explain_encoding(names: str) -> str | None:
    """Explain why `names` (a text with the study's paths) cannot be encoded as file names; None if they can.

    Snakemake reads its files as UTF-8, but file names go by the locale.
    """
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "") == "utf8" or names.isascii():
        return None
    shown = next(character for character in names if not character.isascii())
    return (
        f"this Python encodes file names as {encoding} (by the locale or PYTHONUTF8), and the configuration or the "
        f"project's path holds {shown!a}. Set PYTHONUTF8=1, or a UTF-8 locale such as LC_ALL=C.UTF-8, and run the "
        "same command again."
    )


def explain_project_folder(folder: Path = WORKFLOW) -> str | None:
    """Explain why the project cannot lie where it does; None if it can. Snakemake fills in braces in rules' paths."""
    if not set("{}") & set(str(folder)):
        return None
    return (
        f"the project's folder, {folder.parent}, has braces in its path, which Snakemake takes for names to fill in. "
        "Rename or move it, or go there by a link without braces, and run the same command again."
    )


def _absolute(path: str) -> str:
    """Return an absolute path; links are kept, since a virtual environment's interpreter is one."""
    return os.path.abspath(path)
