"""Fingerprints: of values, of files, and of the code that produced a result.

A code fingerprint covers a module and everything of this package that it imports, as parsed: comments, docstrings and
layout do not count, so that only a change of meaning reruns anything.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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
        digest.update(name.encode())
        digest.update(_meaning_of(_module_file(name)).encode())
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
        pending.extend(_imports_of(_module_file(name)))
    return found


def _module_file(name: str) -> Path:
    relative = Path(*name.split(".")[1:])
    as_package = PACKAGE_FOLDER / relative / "__init__.py"
    as_module = (PACKAGE_FOLDER / relative).with_suffix(".py") if relative.parts else as_package
    return as_package if as_package.exists() else as_module


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _imports_of(path: Path) -> list[str]:
    """The modules of this package that a file imports, wherever in the file the import stands."""
    names: list[str] = []
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
            for alias in node.names:
                candidate = f"{node.module}.{alias.name}"
                names.append(candidate if _module_file(candidate).exists() else node.module)
    return names


@functools.cache
def _meaning_of(path: Path) -> str:
    """The parsed code of a file as text, without docstrings; comments and layout are gone already."""
    return _dump(_parsed(path))


def _dump(node: Any) -> str:
    """Like ast.dump, but equal for all Python versions: empty fields are left out, whatever a version adds."""
    if isinstance(node, list):
        return "[" + ",".join(map(_dump, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields: list[str] = []
    for name, value in ast.iter_fields(node):
        if name == "body" and _opens_with_docstring(node):
            value = value[1:]
        if value is not None and value != []:
            fields.append(f"{name}={_dump(value)}")
    return f"{type(node).__name__}({','.join(fields)})"


def _opens_with_docstring(node: ast.AST) -> bool:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or not node.body:
        return False
    first = node.body[0]
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
