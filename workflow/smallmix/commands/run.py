"""`run`: the call of Snakemake that runs a study."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import itertools
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from smallmix.commands.options import Command
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.project_files import PROJECT, SNAKEFILE
from smallmix.study.command_lines import note_call
from smallmix.study.layout import Folders
from smallmix.study.misspelt_names import close_match
from smallmix.study.study_names import UnknownStudy, known_studies, study_files
from smallmix.study.targets import TARGETS, typed_configfiles

# Options by which a call says how much may run at once, or names a profile that does.
CORES = re.compile(r"--(cores|jobs|profile|workflow-profile|executor)(=.*)?|-[cj].*|-e")
TAKE_NAMES = {"--profile", "--workflow-profile", "--config"}
PROFILE = Path("profiles/default/config.yaml")


def _declare_run(parser: argparse.ArgumentParser) -> None:
    parser.usage = "smallmix run [STUDY …] [TARGET …] [any option of snakemake]"
    parser.description = (
        "Run a study with Snakemake, as `snakemake --cores all --configfile …` does. Studies and targets "
        f"({', '.join(TARGETS)}, or the path of a file) stand first. Every option goes to Snakemake as it is typed, "
        "such as -n for a dry run, or --cores 4."
    )


def _run(arguments: argparse.Namespace) -> NoReturn:
    """Become Snakemake, whose exit code is this command's. Raises SmallmixError where it is not installed."""
    if importlib.util.find_spec("snakemake") is None:
        raise SmallmixError(
            f"Snakemake is not installed for {sys.executable}. Install it: "
            f"{shlex.quote(sys.executable)} -m pip install 'smallmix[workflow]'"
        )
    command = snakemake_command(arguments.words)
    note_call(["smallmix", "run", *arguments.words])
    sys.stdout.flush()
    os.execv(command[0], command)


def snakemake_command(words: Sequence[str], folder: Path = Path()) -> list[str]:
    """Return the call of Snakemake for what stands behind `smallmix run`.

    `--cores all` is added where neither an option nor the profile of `folder` says how much may run at once. Raises
    ConfigurationError where a leading word names neither a study nor a target.
    """
    from smallmix.study.config_reading import explain_unreadable

    leading = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    studies, targets = _tell_apart(words[:leading], folder)
    typed = list(words[leading:])
    _refuse_late_study(studies, typed, folder)
    base, *files = study_files(studies, folder)
    unreadable = explain_unreadable([base, *files, *(folder / word for word in typed_configfiles(typed))])
    if unreadable is not None:  # Snakemake would name neither file nor line
        raise ConfigurationError(unreadable)
    command = [sys.executable, "-P", "-m", "snakemake", *targets, "--snakefile", str(SNAKEFILE)]
    if not any(CORES.fullmatch(word) for word in typed) and not _cores_by_profile(folder):
        command += ["--cores", "all"]
    if files:
        command += ["--configfile", *map(str, files)]
    return [*command, *typed]


def _tell_apart(words: Sequence[str], folder: Path) -> tuple[list[str], list[str]]:
    """Return the studies and the targets among the leading words. A study's file named as a target needs its ending."""
    studies: list[str] = []
    targets: list[str] = []
    for word in words:
        if word in TARGETS or _is_result(word):
            targets.append(word)
            continue
        try:
            study_files([word], folder)
            studies.append(word)
        except UnknownStudy as error:
            if "/" not in word or Path(word).suffix in (".yaml", ".yml"):
                raise ConfigurationError(_explain_neither(word, folder, str(error))) from None
            targets.append(word)  # the path of a result, which Snakemake knows
    return studies, targets


def _is_result(word: str) -> bool:
    """Tell whether a word is the path of a result, which may be there already and end in .json as a study's file may.

    A kept study's YAML file is none.
    """
    path = Path(word)
    written = map(str, dataclasses.astuple(Folders()))
    return len(path.parts) > 1 and path.parts[0] in written and path.suffix not in (".yaml", ".yml")


def _refuse_late_study(studies: Sequence[str], typed: Sequence[str], folder: Path) -> None:
    """Raise ConfigurationError where a study stands behind an option: Snakemake would take it for a target."""
    known = set() if studies else set(known_studies(folder))
    for before, word in itertools.pairwise(typed):
        if word in known and before.partition("=")[0] not in TAKE_NAMES:
            rest = [other for other in typed if other != word]
            raise ConfigurationError(
                f"{word}: stands behind an option. Studies stand first: {shlex.join(['smallmix', 'run', word, *rest])}"
            )


def _explain_neither(word: str, folder: Path, unknown: str) -> str:
    near = close_match(word, TARGETS)
    if near is None or close_match(word, known_studies(folder)):
        return f"{unknown} Targets: {', '.join(TARGETS)}, or a result's path."
    return f"{word}: is neither a study nor a target. Did you mean {near}? Targets: {', '.join(TARGETS)}."


def _cores_by_profile(folder: Path) -> bool:
    """Tell whether a profile that Snakemake takes without being asked says how much may run at once."""
    if os.environ.get("SNAKEMAKE_PROFILE"):
        return True
    profile = next((path for path in (folder / PROFILE, PROJECT / PROFILE) if path.is_file()), None)
    return profile is not None and bool(re.search(r"^(cores|jobs|executor):", profile.read_text("utf-8"), re.MULTILINE))


COMMANDS = {
    "run": Command(
        "train what is missing, and write tables, figures and report (calls Snakemake)",
        _declare_run,
        _run,
        passes_on=True,
    ),
}
