"""Methods, networks and metrics of the user: Python files that a configuration names, as in my_method.py:MyMethod.

A file is run as it is, once a process. What it imports from beside itself is not found: one file is one idea, and the
fingerprint of a cell's code covers that file alone.
"""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smallmix.errors import ConfigurationError

STANDS_ALONE = "one file stands alone: it may import installed packages"
# A file that has one of these names may define names that its source does not show.
DYNAMIC = frozenset({"globals", "exec", "eval", "setattr", "vars", "locals", "__dict__", "__getattr__"})
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
        raise ConfigurationError(
            f"{file}: it defines no {wanted}, which {name} names. "
            f"{'. '.join(part[0].upper() + part[1:] for part in _names_instead(defined_names(file), wanted))}."
        )
    return getattr(module, wanted)


def defined_names(file: str) -> list[str]:
    """Return the classes and functions at the top level of a Python file, in its order, without running it.

    Nothing where the file cannot be read or is no Python.
    """
    kinds = (ast.ClassDef, ast.FunctionDef)
    tree = _parsed(file)
    return [node.name for node in tree.body if isinstance(node, kinds)] if tree is not None else []


def explain_missing_name(file: str, wanted: str) -> str | None:
    """Return what is wrong with a name that a file cannot have, seen without running it; None where it may have it.

    A file that binds the name anywhere, imports all names of a module, or sets names by other names, may have it. So
    may a file that cannot be read or is no Python: what is wrong with it is said where it is run.
    """
    tree = _parsed(file)
    if tree is None or wanted in DYNAMIC:
        return None
    mentioned = {name for node in ast.walk(tree) for name in _mentioned(node)}
    if mentioned & {wanted, "*", *DYNAMIC}:
        return None
    return "; ".join([f"{file} defines no {wanted}", *_names_instead(defined_names(file), wanted)])


def imported_neighbours(file: str) -> list[tuple[int, str]]:
    """Return line and file name of what a file has imported from beside itself: modules of this process, by now.

    Python finds such files where their folder is one that it searches, as the working folder may be.
    """
    tree, folder = _parsed(file), Path(file).resolve().parent
    found = []
    for node in ast.walk(tree) if tree is not None else ():
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        for name in names:
            module = sys.modules.get(name.partition(".")[0])
            path = Path(getattr(module, "__file__", None) or "/").resolve()
            package = path.parent if path.name == "__init__.py" else path
            if package.parent == folder:
                found.append((node.lineno, package.name))
    return found


def _names_instead(defined: Sequence[str], wanted: str) -> list[str]:
    """Return in words what a file defines instead of a name, the nearest first, and the remedy."""
    if not defined:
        return ["it defines no class and no function", f"define {wanted}"]
    near = difflib.get_close_matches(wanted, defined, n=1, cutoff=0.5)
    listed = dict.fromkeys([*near, *sorted(defined, key=str.casefold)])
    return [f"it defines {', '.join(listed)}", f"write one of these, or define {wanted}"]


def _parsed(file: str) -> ast.Module | None:
    try:
        return ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def _mentioned(node: ast.AST) -> list[str]:
    """Return the names that a piece of a program has, whether it reads them or gives them a meaning."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.alias):
        return [node.name.partition(".")[0], node.asname or node.name]
    if isinstance(node, ast.Global):
        return node.names
    name = getattr(node, "name", None)  # of a class, a function, an exception that is caught, a pattern
    return [name] if isinstance(name, str) else []


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
    return f"{seen_from_here(path)}{f', line {line}' if line else ''}: {describe_error(error, path)}"


def describe_error(error: BaseException, path: str) -> str:
    """Return kind and text of an error that a user's file has raised; of an import that failed, also the rule."""
    text = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
    return f"{text} ({rule})" if isinstance(error, ImportError) and (rule := _import_rule(error, path)) else text


def _import_rule(error: ImportError, path: str) -> str:
    """Return what a user's file may import, where an import has failed for that; an empty text where it has not."""
    package = (error.name or "").partition(".")[0]
    beside = [one for one in (f"{package}.py", package) if package and (Path(path).parent / one).exists()]
    if beside or "relative import" in str(error):
        return f"{STANDS_ALONE}, and not {beside[0] if beside else 'another file'} beside it"
    return f"{STANDS_ALONE}, and {package} is none" if package and isinstance(error, ModuleNotFoundError) else ""


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
