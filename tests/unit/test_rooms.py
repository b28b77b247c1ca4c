"""Imports run one way, through the rooms of the package as docs/architecture.md draws them."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "workflow" / "smallmix"
# Top to bottom. A room imports from rooms on lower lines alone; rooms of one line know nothing of each other.
ORDER = (
    {"__main__"},
    {"commands", "api"},
    {"planning", "report"},
    {"figures"},
    {"statistics"},
    {"tables"},
    {"training"},
    {"science", "snakemake_files"},
    {"datasets"},
    {"study"},
)
# Modules beside the rooms, below all of them; they may import each other.
BASE_MODULES = {
    *("errors", "version", "wording", "atomic_files", "file_locks"),
    *("code_fingerprint", "fingerprints", "network_faults", "own_code", "project_files", "source_commit"),
}
# Every start of Snakemake imports these rooms, so they hold to small libraries.
LIGHT = {"smallmix", "yaml", "pydantic", "pydantic_core", "annotated_types"}
COMMANDS_FOR_ALL = {"smallmix.commands.options"}
# What the report may take from the figures: pictures. Numbers come from the tables, wording from wording.py.
PICTURES = {"smallmix.figures.names", "smallmix.figures.inline"}
# This page repeats the steps of the workflow itself, from collection to the page.
SO_FAR = PACKAGE / "report" / "so_far.py"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a file's name as a module: smallmix.training.store."""
    return ".".join(["smallmix", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


def room_of(module: str) -> str:
    """Return the room of a module of the package: smallmix.training.store is in `training`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def height_of(room: str) -> int:
    """Return how far above the base modules a room stands."""
    if room in BASE_MODULES:
        return 0
    for height, rooms in enumerate(reversed(ORDER), start=1):
        if room in rooms:
            return height
    raise AssertionError(f"{room} stands nowhere: add it to ORDER or BASE_MODULES, and to docs/architecture.md")


def imports_of(path: Path, package: str = "smallmix") -> list[tuple[str, int]]:
    """Return the package's modules that a file imports, wherever the import stands, with their lines."""
    found: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: modules are imported by their full name"
            module = str(node.module)
            as_modules = [f"{module}.{alias.name}" for alias in node.names]
            is_package = (PACKAGE.parent / module.replace(".", "/")).is_dir()
            found += [(name, node.lineno) for name in (as_modules if is_package else [module])]
    return [(name, line) for name, line in found if name.partition(".")[0] == package]


def show(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=show)
def test_imports_only_from_below(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        assert {name for name, _ in imports_of(path)} == {"smallmix.api"}, "it hands on what people import"
        return
    if path.name == "__init__.py":
        assert imports_of(path) == [], "packages hold a docstring only"
        return
    room = room_of(name_of(path))
    for name, line in imports_of(path):
        other = room_of(name)
        allowed = other == room or height_of(other) < height_of(room) or {room, other} <= BASE_MODULES
        assert allowed, f"{path}:{line}: {room} imports {other}, which does not stand below it"


def test_nothing_is_taken_from_the_package_itself() -> None:
    """Its `__init__` is no part of any fingerprint, so that what it hands to people must be used by people alone."""
    for path in MODULES:
        for name, line in imports_of(path):
            file = PACKAGE.parent.joinpath(*name.split("."))
            assert name != "smallmix", f"{path}:{line}"
            assert file.with_suffix(".py").exists() or (file / "__init__.py").exists(), f"{path}:{line}: {name}"


def test_the_page_on_the_architecture_names_every_base_module() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = page[page.index("base modules  ") : page.index("snakemake_files/  ")]
    assert set(re.findall(r"(\w+)\.py", drawn)) == BASE_MODULES


def test_training_knows_nothing_of_snakemake() -> None:
    """Every command works without it; docs/architecture.md draws snakemake_files apart."""
    importing = {
        room_of(name_of(path)) for path in MODULES for name, _ in imports_of(path) if room_of(name) == "snakemake_files"
    }
    assert importing - {"snakemake_files"} == {"commands", "planning"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "commands").glob("*.py")), ids=show)
def test_commands_do_not_import_commands(path: Path) -> None:
    """What two modules of commands need is in `commands/options.py`, or in a room below."""
    others = {name for name, _ in imports_of(path) if room_of(name) == "commands"} - COMMANDS_FOR_ALL
    assert not others, f"{path} imports {others}"


def test_only_one_room_knows_how_snakemake_keeps_its_records() -> None:
    """One place to look at when Snakemake is updated."""
    inside = re.compile(r'"(metadata|incomplete|locks)"|urlsafe_b64encode|import snakemake\b|from snakemake[. ]')
    knowing = {show(path).split("/")[0] for path in MODULES if inside.search(path.read_text(encoding="utf-8"))}
    assert knowing == {"snakemake_files"}


def test_the_report_takes_only_pictures_from_the_figures() -> None:
    found = {
        name.rpartition(".")[0] if name.rpartition(".")[0] in PICTURES else name
        for path in (PACKAGE / "report").glob("*.py")
        for name, _ in imports_of(path)
        if room_of(name) == "figures" and path != SO_FAR
    }
    assert found <= PICTURES


def test_figures_and_report_compute_no_statistics() -> None:
    """Means and intervals come from summary.csv, paired differences from comparison.csv."""
    for path in {*(PACKAGE / "figures").glob("*.py"), *(PACKAGE / "report").glob("*.py")} - {SO_FAR}:
        libraries = {
            str(name).partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert "scipy" not in libraries, path
        used = {name for name, _ in imports_of(path) if name.startswith("smallmix.statistics.")}
        assert not used & {"smallmix.statistics.intervals", "smallmix.statistics.summary"}, path


def test_the_benchmarks_stay_outside() -> None:
    """They decide no result, so nothing of the package may need them."""
    for path in MODULES:
        assert imports_of(path, "benchmarks") == [], path


def test_what_every_start_imports_needs_no_heavy_library() -> None:
    for path in MODULES:
        room = room_of(name_of(path))
        if room in BASE_MODULES or room in ("study", "snakemake_files"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
                libraries = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
                assert libraries <= LIGHT, f"{path}: {libraries}"


def test_cleaning_up_needs_the_standard_library_alone() -> None:
    """`make clean` runs without an environment: the libraries that its imports reach are none."""
    seen: set[Path] = set()
    waiting = [PACKAGE / "__main__.py", PACKAGE / "commands" / "clean.py"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            others = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"smallmix"}
            assert not others, f"{path}: {others}"
        for name, _ in imports_of(path):
            file = PACKAGE.parent / f"{name.replace('.', '/')}.py"
            waiting += [file] if file.exists() else []


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*/__init__.py")), ids=show)
def test_rooms_are_described_without_numbers(path: Path) -> None:
    """Their order stands in one place, docs/architecture.md; numbers in docstrings would have to follow it."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, f"{path} does not describe its room"
    assert not re.search(r"\bfloor\b", docstring, re.IGNORECASE), path
