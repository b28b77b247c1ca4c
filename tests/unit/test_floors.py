"""Imports run one way: each room of the package imports only from its own room or from floors below."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "workflow" / "smallmix"
FLOORS = {
    "study": 0,
    "fingerprints": 0,
    "module_meanings": 0,
    "atomic_files": 0,
    "errors": 0,
    "version": 0,
    "interpreter": 0,
    "run_lock": 0,
    "datasets": 1,
    "science": 2,
    "training": 3,
    "planning": 4,
    "collection": 4,
    "statistics": 4,
    "figures": 5,
    "report": 5,
    "benchmark": 5,
    "commands": 6,
    "__main__": 7,
}
# Two floors have an inner order: statistics read the tables of collection, planning judges cells as collection does,
# the report shows the figures.
INNER_STAIRS = {("statistics", "collection"), ("planning", "collection"), ("report", "figures")}
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """The room of a module of the package: smallmix.training.store is in `training`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports_of(path: Path) -> list[tuple[str, int]]:
    """The package's modules that a file imports, wherever the import stands, with their lines."""
    found: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: modules are imported by their full name"
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "smallmix" else []
            found += [(name, node.lineno) for name in names or [str(node.module)]]
    return [(name, line) for name, line in found if name.partition(".")[0] == "smallmix"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_from_below(path: Path) -> None:
    module = ".".join(["smallmix", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")
    room = room_of(module)
    if path.name == "__init__.py":
        assert imports_of(path) == [], "packages hold a docstring only"
        return
    assert room in FLOORS, f"{room} stands on no floor: add it to FLOORS"
    for name, line in imports_of(path):
        other = room_of(name)
        allowed = other == room or FLOORS[other] < FLOORS[room] or FLOORS[other] == 0 or (room, other) in INNER_STAIRS
        assert allowed, f"{path}:{line}: {room} (floor {FLOORS[room]}) imports {other} (floor {FLOORS[other]})"


def test_the_ground_floor_needs_no_heavy_library() -> None:
    """Snakemake imports it at every start."""
    for path in MODULES:
        room = room_of(".".join(["smallmix", *path.relative_to(PACKAGE).with_suffix("").parts]))
        if FLOORS.get(room) == 0:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
                libraries = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
                light = {"smallmix", "yaml", "jsonschema", "pydantic", "pydantic_core"}
                assert libraries <= light, f"{path}: {libraries}"
