"""Methods, networks and metrics of the user: Python files that a configuration names, as in my_method.py:MyMethod.

A file is run as it is, once a process. What it imports from beside itself is not found: one file is one idea, and the
fingerprint of a cell's code covers that file alone.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any

from smallmix.errors import ConfigurationError

OWN = re.compile(r"^(?P<file>[^:]*[^:/]\.py):(?P<name>[A-Za-z_][A-Za-z0-9_]*)$")


def names_own_code(name: str) -> bool:
    """Return whether a name in a configuration means a user's file: FILE.py:NAME."""
    return OWN.match(name) is not None


def own_file(name: str) -> str:
    """Return the path in FILE.py:NAME, as it is written."""
    match = OWN.match(name)
    assert match is not None
    return match["file"]


def names_file(name: str, file: str) -> bool:
    """Return whether a name in a configuration means something in this file of the user's."""
    return names_own_code(name) and own_file(name) == file


def own_name(name: str) -> str:
    """Return the class or function in FILE.py:NAME."""
    return name.rpartition(":")[2]


def without_folder(name: str) -> str:
    """Return FILE.py:NAME without the folder of the file: what stands in a cell's value."""
    return f"{Path(own_file(name)).name}:{own_name(name)}"


def load_own(name: str, file: str | None) -> Any:
    """Return what NAME is in the user's file; `name` is FILE.py:NAME, `file` the path of that file.

    Raises ConfigurationError where the file is not there, cannot be run, or has no such name.
    """
    if file is None:
        raise ConfigurationError(
            f"{name} is a user's file, and it was not handed over. Give its path by --own-code {own_file(name)}."
        )
    wanted = own_name(name)
    module = _run(str(Path(file).resolve()))
    if not hasattr(module, wanted):
        raise ConfigurationError(f"{file}: it defines no {wanted}, which {name} names. Define it, or correct the name.")
    return getattr(module, wanted)


@functools.cache
def _run(path: str) -> Any:
    spec = importlib.util.spec_from_file_location(_module_name(path), path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} is no Python file. Name a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by its name
    try:
        spec.loader.exec_module(module)
    except OSError as error:
        del sys.modules[spec.name]
        raise ConfigurationError(f"cannot read {path}: {error}. Correct the path, or restore the file.") from error
    except Exception as error:
        del sys.modules[spec.name]
        raise ConfigurationError(f"{describe_place(error, path)}. Correct that file.") from error
    return module


def _module_name(path: str) -> str:
    """Return the name of the module of a file. It holds for this process alone, and nothing that is kept names it.

    Files of one name in different folders are different modules. Python looks some names up in the module of a class,
    such as those in the annotations of a dataclass.
    """
    return f"smallmix_own_{Path(path).stem}_{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}"


def describe_place(error: BaseException, path: str) -> str:
    """Return file, line and text of an error that a user's file has raised: the last line of that file that ran."""
    line, _ = place_of(error, path)
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{seen_from_here(path)}{f', line {line}' if line else ''}: {type(error).__name__}: {text}"


def place_of(error: BaseException, path: str) -> tuple[int | None, str]:
    """Return the last line of a file that ran before an error, or that cannot be parsed, and the function around it.

    None and no name where nothing of the file ran.
    """
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno, ""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return (frames[-1].lineno, frames[-1].name) if frames else (None, "")


def seen_from_here(path: str) -> str:
    """Return a path as somebody would type it in the working folder."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
