"""The Snakemake call that runs a study again, as somebody would type it: with the files and settings that made it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FIRST_FILE = Path("config.yaml")  # which the Snakefile names itself


def run_command(files: Sequence[Path], settings: Mapping[str, Any] | None = None, more: Sequence[str] = ()) -> str:
    """Return the call for configuration files in merging order, `--config` settings, and further options as typed."""
    overlays = [str(path) for path in map(_seen_from_here, files) if path != FIRST_FILE]
    parts = ["snakemake", "--cores", "all", *more]
    if overlays:
        parts += ["--configfile", *overlays]
    if settings:
        parts += ["--config", *(f"{key}={_as_typed(value)}" for key, value in settings.items())]
    return shlex.join(parts)


def options_typed(arguments: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return those of a command line's options that are named, with their one value each."""
    found: list[str] = []
    for place, argument in enumerate(arguments):
        name, sign, _ = argument.partition("=")
        if name in names:
            found += [argument] if sign else list(arguments[place : place + 2])
    return found


def _seen_from_here(path: Path) -> Path:
    """Return a path without the working folder, which Snakemake puts before all paths."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path


def _as_typed(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
