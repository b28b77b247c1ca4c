"""A resolved configuration handed from Snakemake to the commands that it starts: by a file, not on the command line.

Linux takes no argument above 128 kB, which a study of some ten thousand seeds is.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from smallmix import atomic_files
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.fingerprints import fingerprint_value
from smallmix.study.study import Study

HANDED_OVER = Path(".snakemake/smallmix-studies")
FILE_MARK = "@"


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
            "Name the files with --configfile instead."
        ) from error
    return study
