"""`check-own-code`: try the user's own methods and networks before anything is trained with them."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallmix.commands.options import Command, add_configuration, add_study_names, quick_imports
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.study.study_names import study_files

if TYPE_CHECKING:
    from smallmix.study.own_trials import Trial
    from smallmix.study.study import Study

KEPT = 1000  # the last ones; an entry is 64 characters


def _declare(parser: argparse.ArgumentParser) -> None:
    add_study_names(parser)
    add_configuration(parser)
    parser.add_argument(
        "--dataset", type=Path, help="folder of the data set's arrays (default: resources/<dataset>, if it is there)"
    )
    parser.add_argument("--file", help="try only what lies in this file (default: all that the study names)")
    parser.add_argument("--copy", type=Path, metavar="PATH", help="where to copy that file if no fault is found")
    parser.add_argument("--record", type=Path, metavar="PATH", help="where to write what of it was tried, as JSON")


def _check(arguments: argparse.Namespace) -> int:
    """Try what was not tried yet, and say what was found. What is sound is remembered, by content."""
    from smallmix.atomic_files import write_bytes, write_text
    from smallmix.code_fingerprint import fingerprint_code
    from smallmix.datasets.description import find_description
    from smallmix.fingerprints import fingerprint_value
    from smallmix.planning.cost import ImagesInNumbers
    from smallmix.study.command_lines import choose_study
    from smallmix.study.layout import Layout
    from smallmix.study.own_trials import trials_of

    study = choose_study(arguments.configuration, study_files(arguments.studies, arguments.root))
    files = [file for file in study.own_code if arguments.file in (None, file, Path(file).name)]
    trials = [trial for trial in trials_of(study) if {trial.cell.method.file, trial.cell.model.file} & set(files)]
    if not trials:
        named = f" in {arguments.file}" if arguments.file else ""
        print(f"study {study.name} names no method and no network of your own{named}: nothing to try")
        return 0
    description = find_description(arguments.dataset or Layout(study, arguments.root).dataset)
    images = ImagesInNumbers.of(study, description)
    shape = description.image_shape if description is not None else (images.side, images.side, images.channels)
    code = fingerprint_code("smallmix.training.own_code_trial")
    memory = Memory(arguments.root)
    keys = {trial: fingerprint_value([trial.fingerprint, code, shape, images.classes]) for trial in trials}
    left = [trial for trial in trials if keys[trial] not in memory.sound]
    faults = _try(left, shape, images.classes) if left else {}
    memory.add([keys[trial] for trial in left if not faults[trial]])
    found = list(dict.fromkeys(fault for of_trial in faults.values() for fault in of_trial))
    if found:
        raise ConfigurationError(_message(found, study))
    if arguments.copy is not None and arguments.record is not None:
        write_bytes(arguments.copy, Path(files[0]).read_bytes())
        write_text(arguments.record, _describe(trials, arguments.copy, shape, images.classes))
    print(f"{', '.join(files)}: no fault found{'' if left else ' (tried before)'}")
    return 0


def _try(trials: Sequence[Trial], shape: tuple[int, int, int], classes: int) -> dict[Trial, list[str]]:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a dry step and small real ones; no GPU is taken from a training
    with quick_imports():
        from smallmix.science.arithmetic import fix_arithmetic
        from smallmix.training.own_code_faults import ImageKind
        from smallmix.training.own_code_trial import find_faults

    fix_arithmetic(max(trial.cell.recipe.cpu_threads for trial in trials))
    kind = ImageKind(shape, classes)
    return {trial: find_faults(trial, kind) for trial in trials}


def _message(faults: Sequence[str], study: Study) -> str:
    count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
    return "\n".join(
        [
            f"study {study.name}: {count} in your own code, found before any cell was trained with it:",
            *(f"  - {fault}" for fault in faults),
            "docs/extending.md describes what a method and a network must do. Correct the file, then run the same "
            "command again.",
        ]
    )


def _describe(trials: Sequence[Trial], copy: Path, shape: tuple[int, int, int], classes: int) -> str:
    """Return the record of what was tried of a file."""
    from smallmix.fingerprints import fingerprint_file

    record: dict[str, Any] = {
        "format": 1,
        "sha256": fingerprint_file(copy),
        "image_shape": list(shape),
        "classes": classes,
        "tried": [
            {
                "methods": list(trial.methods),
                "method": trial.cell.to_dict()["method"],
                "model": trial.cell.to_dict()["model"],
                "batch_sizes": list(trial.batch_sizes),
            }
            for trial in trials
        ],
    }
    return json.dumps(record, indent=1) + "\n"


class Memory:
    """What was tried here and found sound, by content, so that it is tried once. It may be lost at any time."""

    def __init__(self, root: Path) -> None:
        from smallmix.snakemake_files.records import FOLDER

        self._path = root / FOLDER / "smallmix-own-code.json"
        self.sound: list[str] = []
        with contextlib.suppress(OSError, ValueError):
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            self.sound = [str(key) for key in kept] if isinstance(kept, list) else []

    def add(self, keys: Sequence[str]) -> None:
        """Remember that these are sound."""
        from smallmix.atomic_files import write_text

        if keys:
            with contextlib.suppress(SmallmixError, OSError):
                write_text(self._path, json.dumps([*self.sound, *keys][-KEPT:]) + "\n")


COMMANDS = {
    "check-own-code": Command(
        "try the methods and networks of your own that a study names, before anything is trained with them",
        _declare,
        _check,
    )
}
