"""Fingerprints: of values, of files, and of the code that produced a result.

A code fingerprint covers a module and everything of this package that it imports, as parsed: comments, docstrings and
layout do not count, so that only a change of meaning reruns anything.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from smallmix.module_meanings import MeaningCache

PACKAGE = "smallmix"
PACKAGE_FOLDER = Path(__file__).resolve().parent
CODE_FINGERPRINT_LENGTH = 16


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN. Equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def fingerprint_value(value: Any) -> str:
    """The sha256 of a value's canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def fingerprint_file(path: Path) -> str:
    """The sha256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@functools.cache
def fingerprint_code(*modules: str) -> str:
    """The fingerprint of some modules (`smallmix.x.y`) and of all modules of this package that they import."""
    digest = hashlib.sha256()
    for name in sorted(import_closure(modules)):
        digest.update(f"{name} {_meanings().meaning_of(_module_file(name)).sha256}\n".encode())
    _meanings().keep()
    return digest.hexdigest()[:CODE_FINGERPRINT_LENGTH]


def import_closure(modules: Iterable[str]) -> set[str]:
    """The names of `modules`, of the packages around them, and of every module of this package they import."""
    found: set[str] = set()
    pending = list(modules)
    while pending:
        name = pending.pop()
        if name in found:
            continue
        found.add(name)
        if "." in name:
            pending.append(name.rpartition(".")[0])
        pending.extend(_imports_of(name))
    return found


@functools.cache
def _meanings() -> MeaningCache:
    return MeaningCache(PACKAGE_FOLDER)


@functools.cache
def _module_file(name: str) -> Path:
    relative = Path(*name.split(".")[1:])
    as_package = PACKAGE_FOLDER / relative / "__init__.py"
    as_module = (PACKAGE_FOLDER / relative).with_suffix(".py") if relative.parts else as_package
    return as_package if as_package.exists() else as_module


@functools.cache
def _imports_of(name: str) -> list[str]:
    """The modules of this package that a module imports, wherever in its file the import stands."""
    names: list[str] = []
    for module, member in _meanings().meaning_of(_module_file(name)).imports:
        if module.split(".")[0] == PACKAGE:
            candidate = f"{module}.{member}"
            names.append(candidate if member and _module_file(candidate).exists() else module)
    return names
