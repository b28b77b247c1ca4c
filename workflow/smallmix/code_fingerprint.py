"""Fingerprints of code: of what a module's source means, together with everything of this package that it imports.

Comments, docstrings, layout and the arguments of raised errors do not count, so that only a change of meaning reruns
anything. Nor do the modules of FOR_PEOPLE, which decide no content. The package's own `__init__` counts as empty: it
hands `smallmix.load` to people, and no module takes anything from it. The fingerprint of a cell's training covers
`science/`, without the methods and networks of other cells, and what these modules import.

Parsing all modules takes a third of a second, at every start of Snakemake and of every job. So the answers are kept in
the package's __pycache__, each beside the checksum of the source that it was read from: a source of other bytes is read
anew, whatever its time says. A cache that is missing, damaged or cannot be written only costs that time.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from smallmix import atomic_files
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.own_code import names_own_code, own_file, without_folder

PACKAGE = "smallmix"
PACKAGE_FOLDER = Path(__file__).resolve().parent
CACHE_NAME = "module-meanings.json"
CODE_FINGERPRINT_LENGTH = 16
# Modules that decide no content of any file, so that a change of them runs nothing again.
FOR_PEOPLE = frozenset(
    {
        "smallmix.errors",  # an error's kind, text and exit code
        "smallmix.atomic_files",  # how bytes come to the disk, and what is said where they do not
        "smallmix.file_locks",  # who waits for whom
        "smallmix.code_fingerprint",  # what is run again
        "smallmix.project_files",  # where files lie whose content is compared
        "smallmix.network_faults",  # what is said of networks that do not fit
        "smallmix.own_code",  # how a user's file is run; its content is covered apart
        "smallmix.datasets.progress",  # how far something has come
        "smallmix.datasets.download",  # what arrives has a known checksum, or is refused
    }
)


class MethodCode(Protocol):
    """What must be known of a cell's method: its `mix`, and where a user's file lies."""

    @property
    def mix(self) -> str: ...
    @property
    def file(self) -> str | None: ...


class NetworkCode(Protocol):
    """What must be known of a cell's network: its name, and where a user's file lies."""

    @property
    def name(self) -> str: ...
    @property
    def file(self) -> str | None: ...


class TrainedByCode(Protocol):
    """What must be known of a cell: which code its method and its network are."""

    @property
    def method(self) -> MethodCode: ...
    @property
    def model(self) -> NetworkCode: ...


@functools.cache
def fingerprint_code(*modules: str) -> str:
    """Return the fingerprint of some modules (`smallmix.x.y`) and of all modules of this package that they import."""
    digest = hashlib.sha256()
    for name in sorted(import_closure(modules)):
        digest.update(f"{name} {_meaning_of(name).sha256}\n".encode())
    _meanings().keep()
    return digest.hexdigest()[:CODE_FINGERPRINT_LENGTH]


def fingerprint_training(cell: TrainedByCode) -> str:
    """Return the fingerprint of the code that decides the numbers of a cell: of its method and its network, and shared.

    Of a user's file the meaning of that file is covered, whatever folder it lies in.
    Raises ConfigurationError where a user's file cannot be read, or is no Python.
    """
    named = [(cell.method.mix, cell.method.file), (cell.model.name, cell.model.file)]
    own = [_own_meaning(name, file) for name, file in named if names_own_code(name)]
    code = fingerprint_code(*training_modules(cell.method.mix, cell.model.name))
    if not own:
        return code
    return hashlib.sha256("\n".join([code, *own]).encode()).hexdigest()[:CODE_FINGERPRINT_LENGTH]


def fingerprint_network(model: NetworkCode) -> str:
    """Return the fingerprint of the code that builds a cell's network alone.

    Raises ConfigurationError as `fingerprint_training` does.
    """
    code = fingerprint_code(f"{PACKAGE}.science.networks.{module_of(model.name)}")
    own = _own_meaning(model.name, model.file) if names_own_code(model.name) else ""
    return hashlib.sha256(f"{code}\n{own}".encode()).hexdigest()[:CODE_FINGERPRINT_LENGTH]


def training_modules(mix: str, network: str) -> list[str]:
    """Return the modules of `science/` that every training shares, and those of the method and the network.

    What these import is covered as well, so a network's file brings in what it shares with others. A name such as
    torchvision:NAME means the module before the colon. A user's file is no module; a network's is brought in by one.
    """
    shared = [f"{PACKAGE}.science.{path.stem}" for path in sorted((PACKAGE_FOLDER / "science").glob("[!_]*.py"))]
    methods = [] if names_own_code(mix) else [f"{PACKAGE}.science.methods.{module_of(mix)}"]
    return [*shared, *methods, f"{PACKAGE}.science.networks.{module_of(network)}"]


def module_of(name: str) -> str:
    """Return the module in which a method or a network of a name lies; own_network for a user's network."""
    return "own_network" if names_own_code(name) else name.partition(":")[0].replace("-", "_")


def fingerprint_own(names: Iterable[str]) -> str:
    """Return the fingerprint of what the user's files mean among these names; a name that is none says itself.

    Raises ConfigurationError where such a file cannot be read, or is no Python.
    """
    lines = [_own_meaning(without_folder(name), own_file(name)) if names_own_code(name) else name for name in names]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:CODE_FINGERPRINT_LENGTH]


def _own_meaning(name: str, file: str | None) -> str:
    """Return a line that names a user's class or function, and what its file means.

    A file may build on a method or a network of this package, whose meaning is then part of its own.
    """
    try:
        meaning = read_meaning(Path(file or own_file(name)).read_bytes())
        ours = sorted({module for module in map(_module_of_import, meaning.imports) if module is not None})
        return " ".join([name, meaning.sha256, *([fingerprint_code(*ours)] if ours else [])])
    except OSError as error:
        raise ConfigurationError(f"cannot read {file or own_file(name)}, which a study names: {error}.") from error
    except SyntaxError as error:
        raise ConfigurationError(f"{file}, line {error.lineno}: {error.msg}. Correct that file.") from error


def import_closure(modules: Iterable[str]) -> set[str]:
    """Return the names of `modules`, of the packages around them, and of every module of this package they import."""
    found: set[str] = set()
    pending = list(modules)
    while pending:
        name = pending.pop()
        if name in found:
            continue
        if name in FOR_PEOPLE:
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


def _meaning_of(name: str) -> ModuleMeaning:
    """Return what counts of a module of this package: of the package's own `__init__` nothing."""
    return read_meaning(b"") if name == PACKAGE else _meanings().meaning_of(_module_file(name))


@functools.cache
def _imports_of(name: str) -> list[str]:
    """Return the modules of this package that a module imports, wherever in its file the import stands."""
    found = map(_module_of_import, _meaning_of(name).imports)
    return [module for module in found if module is not None]


def _module_of_import(imported: tuple[str, str]) -> str | None:
    """Return the module of this package that an import statement means; None where it is another library's."""
    module, member = imported
    if module.split(".")[0] != PACKAGE:
        return None
    candidate = f"{module}.{member}"
    return candidate if member and _module_file(candidate).exists() else module


@dataclass(frozen=True)
class ModuleMeaning:
    """The sha256 of a module's meaning, and its import statements.

    Of `from a import b` the pair (a, b) is kept, of `import a` the pair (a, ""): whether b is a module of its own is
    for the reader to find out. Relative imports are left out; this package has none.
    """

    sha256: str
    imports: tuple[tuple[str, str], ...]


def read_meaning(source: bytes) -> ModuleMeaning:
    """Return the meaning of a module's source. Equal for all versions of Python."""
    tree = ast.parse(source)
    imports: list[tuple[str, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports += [(node.module, alias.name) for alias in node.names]
    return ModuleMeaning(hashlib.sha256(_dump(tree).encode()).hexdigest(), tuple(imports))


class MeaningCache:
    """The meanings of the modules below a package's folder, parsed once for each content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = Path(importlib.util.cache_from_source(str(folder / "__init__.py"))).parent / CACHE_NAME
        self._meanings: dict[Path, ModuleMeaning] = {}
        self._parsed = False

    @functools.cached_property
    def _known(self) -> dict[str, Any]:
        """Read the cache, by the module's path; empty if there is none, or if an older form of this file wrote it."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            content = json.loads(self._file.read_text(encoding="ascii"))
            if content["reader"] == _reader():
                return dict(content["modules"])
        return {}

    def meaning_of(self, module: Path) -> ModuleMeaning:
        """Return the meaning of a source file. Raises OSError if it cannot be read, SyntaxError if it is no Python."""
        if module not in self._meanings:
            source = module.read_bytes()
            name, checksum = module.relative_to(self._folder).as_posix(), hashlib.sha256(source).hexdigest()
            meaning = self._recall(name, checksum)
            if meaning is None:
                meaning = read_meaning(source)
                self._known[name] = {"source": checksum, "meaning": meaning.sha256, "imports": meaning.imports}
                self._parsed = True
            self._meanings[module] = meaning
        return self._meanings[module]

    def _recall(self, name: str, checksum: str) -> ModuleMeaning | None:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            known = self._known[name]
            if known["source"] == checksum:
                return ModuleMeaning(str(known["meaning"]), tuple((str(a), str(b)) for a, b in known["imports"]))
        return None

    def keep(self) -> None:
        """Write what was parsed for the next process."""
        if self._parsed and not sys.dont_write_bytecode:
            content = json.dumps({"reader": _reader(), "modules": self._known})
            with contextlib.suppress(SmallmixError, OSError):
                atomic_files.write_text(self._file, content)
        self._parsed = False


@functools.cache
def _reader() -> str:
    """Return the sha256 of this very file: what it wrote before it was edited counts for nothing."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def _dump(node: Any) -> str:
    """Dump a tree as ast.dump does, but equally under all Python versions: empty fields are left out."""
    if isinstance(node, list):
        return "[" + ",".join(map(_dump, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        node = ast.Raise(exc=node.exc.func, cause=node.cause)  # what an error says decides no result
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
