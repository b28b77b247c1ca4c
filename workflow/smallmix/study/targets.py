"""Targets of a Snakemake call that cannot be made, and what was probably meant.

Snakemake says of them no more than that no rule produces them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from smallmix.study.misspelt_names import close_match
from smallmix.study.named_study import KEPT
from smallmix.study.study import Study
from smallmix.study.study_names import STUDIES

CELL_ID = re.compile(r"n(?P<size>\d+)/(?P<method>[^/]+)/seed(?P<seed>\d+)")
CELL_FOLDER = r"results/(?P<study>[^/]+)/cells/n(?P<size>[^/]+)/(?P<method>[^/]+)/seed(?P<seed>[^/]+)"
CELL_FILE = re.compile(rf"{CELL_FOLDER}(?P<file>/[^/]*)?")
OF_A_STUDY = re.compile(r"(results|reports|logs)/(?P<study>[^/]+)/.+")
SHARED_FOLDERS = ("store", "slots")
# The rules that people ask for by name. `plan` prints, and the others make files.
TARGETS = ("all", "plan", "subsets", "cells", "figures", "report")
MAKING_FILES = tuple(name for name in TARGETS if name != "plan")
# The commands for people that are no target as well.
COMMANDS = (
    "run",
    "status",
    "index",
    "compare",
    "export",
    "keep",
    "predict",
    "store",
    "check-own-code",
    "adopt",
    "discard",
    "clean",
)


def explain_target(target: str, rules: Sequence[str], study: Study, folder: Path = Path()) -> str | None:
    """Return why a target cannot be made, with the remedy last; None where Snakemake may know it.

    `rules` are the names that Snakemake takes as targets, `folder` is where it runs.
    """
    cell = CELL_FILE.fullmatch(target)
    if target in rules or (cell is None and (folder / target).exists()):
        return None
    if named := CELL_ID.fullmatch(target):
        file = f"results/{study.name}/cells/{target}/metrics.json"
        return _explain_cell(target, named, study) or f"{target} is a cell, and a target is a file. Ask for {file}"
    found = OF_A_STUDY.fullmatch(target)
    if found is None:
        return None if "/" in target else _explain_word(target, rules, study, folder)
    other = found["study"]
    if other != study.name and other not in SHARED_FOLDERS:
        what = "cell" if cell else "file"
        said = f"{target}: that is a {what} of study {other}, and this run is of study {study.name}."
        return f"{said} {_choose(other, folder)}"
    if cell is None:
        return None
    wrong = _explain_cell(target, cell, study)
    if wrong is None and len(cell["file"] or "/") == 1:
        return f"{target} is a cell's folder, and a target is a file. Ask for {target.rstrip('/')}/metrics.json"
    return wrong


def explain_configfiles(arguments: Sequence[str], rules: Sequence[str], folder: Path | None = None) -> str | None:
    """Return what is wrong where targets stand behind --configfile, which takes them for files; None where none do.

    With a `folder`, from which the files are named, one that is not there is explained, too.
    """
    for word in typed_configfiles(arguments):
        found = OF_A_STUDY.fullmatch(word)
        if word in rules or (found is not None and found["study"] != KEPT.name):
            return (
                f"{word} stands behind --configfile and is taken for a configuration file. Put targets first: "
                f"snakemake {word} --cores all --configfile …"
            )
        if folder is not None and not (folder / word).exists():
            return f"--configfile: there is no file {word} in {folder.resolve()}. Correct its path."
    return None


def typed_configfiles(arguments: Sequence[str]) -> list[str]:
    """Return the words that stand behind --configfile on a command line of Snakemake."""
    found: list[str] = []
    for place, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if option in ("--configfile", "--configfiles"):
            behind = itertools.takewhile(lambda word: not word.startswith("-"), arguments[place + 1 :])
            found += [value] if equals else behind
    return found


def _explain_word(word: str, rules: Sequence[str], study: Study, folder: Path) -> str:
    targets = ", ".join(name for name in TARGETS if name in rules)
    said = f"{word} is no target."
    if (folder / STUDIES / f"{word}.yaml").exists():
        return f"{said} It is a study: use --configfile {STUDIES}/{word}.yaml"
    if word in COMMANDS:
        return f"{said} It is a command: smallmix {word}"
    near = close_match(word, [name for name in TARGETS if name in rules])
    meant = f" Did you mean {near}?" if near else ""
    return f"{said} Targets are {targets}, or any file of the study, such as results/{study.name}/summary.csv.{meant}"


def _choose(name: str, folder: Path) -> str:
    own = STUDIES / f"{name}.yaml"
    if (folder / own).exists():
        return f"Add --configfile {own}"
    beside = Path(f"{name}.yaml")
    return f"Add --configfile {beside if (folder / beside).exists() else 'FILE, the file of that study'}"


def _explain_cell(target: str, cell: re.Match[str], study: Study) -> str | None:
    for key, name, known in (
        ("subsets.sizes", "size", [str(size) for size in study.sizes]),
        ("methods", "method", list(study.methods)),
        ("seeds", "seed", [str(seed) for seed in study.seeds]),
    ):
        if cell[name] not in known:
            shown = ", ".join(known[:20]) + (" …" if len(known) > 20 else "")
            return f"{target}: study {study.name} has no {name} {cell[name]}. Choose one of {shown}, or add it to {key}"
    return None
