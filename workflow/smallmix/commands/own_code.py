"""`check-own-code`: try the user's own methods, networks and metrics before anything is trained."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallmix.commands.options import Command, add_configuration, add_study_names, quick_imports
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.own_code import names_own_code, own_file
from smallmix.study.study_names import study_files

if TYPE_CHECKING:
    from smallmix.study.own_trials import Trial
    from smallmix.study.study import Study

KEPT = 1000  # the last ones; the key of an entry is 64 characters


def _declare(parser: argparse.ArgumentParser) -> None:
    add_study_names(parser)
    add_configuration(parser)
    parser.add_argument(
        "--dataset", type=Path, help="folder of the data set's arrays (default: resources/<dataset>, if it is there)"
    )
    parser.add_argument("--file", help="try only what lies in this file (default: all that the study names)")
    parser.add_argument(
        "--only",
        choices=("cells", "metrics"),
        help="try only the methods and networks, which cells are trained with, or only the metrics (default: both)",
    )
    parser.add_argument("--copy", type=Path, metavar="PATH", help="where to copy that file if no fault is found")
    parser.add_argument("--record", type=Path, metavar="PATH", help="where to write what was tried, as JSON")


@dataclass(frozen=True)
class _Images:
    """What is known of the images: (height, width, channels) in pixels, and how many classes and test images."""

    shape: tuple[int, int, int]
    classes: int
    test_count: int

    @classmethod
    def of(cls, study: Study, folder: Path) -> _Images:
        from smallmix.datasets.description import find_description

        description = find_description(folder)
        if description is not None:
            return cls(description.image_shape, len(description.classes), description.test_count)
        from smallmix.planning.cost import ImagesInNumbers

        known = ImagesInNumbers.of(study, None)
        return cls((known.side, known.side, known.channels), known.classes, known.test_count)


def _check(arguments: argparse.Namespace) -> int:
    """Try what was not tried yet, and say what was found. What is sound is remembered, by content."""
    from smallmix.atomic_files import write_bytes, write_text
    from smallmix.study.command_lines import choose_study
    from smallmix.study.layout import Layout
    from smallmix.study.own_trials import REMARK, trials_of

    study = choose_study(arguments.configuration, study_files(arguments.studies, arguments.root))
    named = [*(study.own_code if arguments.only != "metrics" else ())]
    metric_files = [*(study.metric_files if arguments.only != "cells" else ())]
    files = [file for file in dict.fromkeys([*named, *metric_files]) if _is_meant(file, arguments.file)]
    if not files:
        where = f" in {arguments.file}" if arguments.file else ""
        print(f"study {study.name} names no method, network or metric of your own{where}: nothing to try")
        return 0
    images = _Images.of(study, arguments.dataset or Layout(study, arguments.root).dataset)
    memory = Memory(arguments.root)
    trials = [
        trial
        for trial in (trials_of(study) if arguments.only != "metrics" else ())
        if {trial.cell.method.file, trial.cell.model.file} & set(files)
    ]
    metrics = [file for file in files if file in metric_files]
    tried = [_try_trials(trials, images, memory), _try_metrics(study, metrics, images, memory)]
    found = list(dict.fromkeys(fault for one in tried for fault in one.faults))
    if found:
        raise ConfigurationError(_message(found, study))
    if arguments.record is not None:
        if arguments.copy is not None:
            write_bytes(arguments.copy, Path(files[0]).read_bytes())
            write_text(arguments.record, _describe(trials, arguments.copy, images))
        else:
            write_text(arguments.record, _describe_metrics(study, metrics, images))
    print(f"{', '.join(files)}: no fault found{'' if any(one.anew for one in tried) else ' (tried before)'}")
    for remark in dict.fromkeys(remark for one in tried for remark in one.remarks):
        print(f"{REMARK}{remark}")
    return 0


@dataclass(frozen=True)
class _Found:
    """What trying has shown, and whether anything was tried anew."""

    faults: Sequence[str] = ()
    remarks: Sequence[str] = ()
    anew: bool = False


def _is_meant(file: str, wanted: str | None) -> bool:
    return wanted in (None, file, Path(file).name)


def _try_trials(trials: Sequence[Trial], images: _Images, memory: Memory) -> _Found:
    from smallmix.code_fingerprint import fingerprint_code
    from smallmix.fingerprints import fingerprint_value

    code = fingerprint_code("smallmix.training.own_code_remarks", "smallmix.training.own_code_trial")
    keys = {trial: fingerprint_value([trial.fingerprint, code, images.shape, images.classes]) for trial in trials}
    left = [trial for trial in trials if keys[trial] not in memory.sound]
    faults: dict[Trial, list[str]] = {}
    remarks: dict[str, Sequence[str]] = {}
    if left:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a dry step and small real ones; no GPU is taken from a training
        with quick_imports():
            from smallmix.science.arithmetic import fix_arithmetic
            from smallmix.training.own_code_faults import ImageKind
            from smallmix.training.own_code_remarks import find_remarks
            from smallmix.training.own_code_trial import find_faults

        fix_arithmetic(max(trial.cell.recipe.cpu_threads for trial in left))
        kind = ImageKind(images.shape, images.classes)
        faults = {trial: find_faults(trial, kind) for trial in left}
        remarks = {keys[trial]: find_remarks(trial, kind) for trial in left if not faults[trial]}
        memory.add(remarks)
    return _Found(
        [fault for of_trial in faults.values() for fault in of_trial],
        [remark for key in keys.values() for remark in memory.sound.get(key, ())],
        anew=bool(left),
    )


def _try_metrics(study: Study, files: Sequence[str], images: _Images, memory: Memory) -> _Found:
    if not files:
        return _Found()
    from smallmix.code_fingerprint import fingerprint_code, fingerprint_own
    from smallmix.fingerprints import fingerprint_value

    named = [name for name in study.metrics.values() if names_own_code(name) and own_file(name) in files]
    code = fingerprint_code("smallmix.statistics.own_metric_trial")
    key = fingerprint_value([fingerprint_own(named), code, images.test_count, images.classes])
    if key in memory.sound:
        return _Found()
    from smallmix.statistics.own_metric_trial import find_metric_faults

    faults = find_metric_faults(study, files, images.test_count, images.classes)
    if not faults:
        memory.add({key: ()})
    return _Found(faults, anew=True)


def _message(faults: Sequence[str], study: Study) -> str:
    count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
    return "\n".join(
        [
            f"study {study.name}: {count} in your own code, found before any cell was trained with it:",
            *("  - " + fault.replace("\n", "\n    ") for fault in faults),
            "docs/extending.md describes what a method, a network and a metric must do. Correct the file, then run the "
            "same command again.",
        ]
    )


def _describe(trials: Sequence[Trial], copy: Path, images: _Images) -> str:
    """Return the record of what was tried of a file."""
    from smallmix.fingerprints import fingerprint_file

    record: dict[str, Any] = {
        "format": 1,
        "sha256": fingerprint_file(copy),
        "image_shape": list(images.shape),
        "classes": images.classes,
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


def _describe_metrics(study: Study, files: Sequence[str], images: _Images) -> str:
    """Return the record of the metrics that were tried."""
    from smallmix.fingerprints import fingerprint_file

    record: dict[str, Any] = {
        "format": 1,
        "test_images": images.test_count,
        "classes": images.classes,
        "tried": [
            {"metric": name, "function": named, "sha256": fingerprint_file(Path(own_file(named)))}
            for name, named in study.metrics.items()
            if names_own_code(named) and own_file(named) in files
        ],
    }
    return json.dumps(record, indent=1) + "\n"


class Memory:
    """What was tried here and found sound, by content, so that it is tried once. It may be lost at any time.

    `sound` has the remarks on each.
    """

    def __init__(self, root: Path) -> None:
        from smallmix.snakemake_files.records import FOLDER

        self._path = root / FOLDER / "smallmix-own-code.json"
        self.sound: dict[str, Sequence[str]] = {}
        with contextlib.suppress(OSError, ValueError, TypeError):
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            if isinstance(kept, dict):
                self.sound = {key: [str(one) for one in remarks] for key, remarks in kept.items()}

    def add(self, sound: Mapping[str, Sequence[str]]) -> None:
        """Remember that these are sound, with the remarks on them."""
        from smallmix.atomic_files import write_text

        self.sound |= sound
        if sound:
            with contextlib.suppress(SmallmixError, OSError):
                write_text(self._path, json.dumps(dict([*self.sound.items()][-KEPT:])) + "\n")


COMMANDS = {
    "check-own-code": Command(
        "try the methods, networks and metrics of your own that a study names, before anything is trained",
        _declare,
        _check,
    )
}
