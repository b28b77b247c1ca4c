"""Make deliberate errors one by one in a copy of the project and run the tests that should notice them.

A mutant is known by the text that it replaces, not by its file: modules may move. The text must stand exactly once in
the package and the report's template, and the tests must pass without any mutant. All else is an error of the table.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

TABLE = Path("tests/mutants/mutants.toml")
SOURCES = (("workflow/smallmix", "*.py"), ("workflow/report", "*.j2"))
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".*", "resources", "results", "reports", "logs", "*.pyc", "*.png")
PASSED, FAILED = 0, 1  # of pytest's exit codes
LONGEST_SECONDS = 900


@dataclass(frozen=True)
class Mutant:
    """One deliberate error: `text` becomes `replacement`; what a reader would see; names of test files."""

    text: str
    replacement: str
    seen: str
    tests: tuple[str, ...]


def read_mutants(path: Path) -> list[Mutant]:
    """Read the table. Raises TypeError or KeyError where an entry has unknown or missing keys."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def copy_project(project: Path, folder: Path) -> Path:
    """Copy what unit tests need of `project` to a new folder below `folder`; return it."""
    copy = folder / "project"
    shutil.copytree(project, copy, ignore=NOT_COPIED)
    return copy


def find_text(project: Path, text: str) -> list[Path]:
    """Return the source file of each place where the text stands."""
    files = [path for folder, pattern in SOURCES for path in sorted((project / folder).rglob(pattern))]
    return [path for path in files for _ in range(path.read_text(encoding="utf-8").count(text))]


def find_tests(project: Path, names: Sequence[str]) -> list[Path]:
    """Return the files of tests with these names below tests/unit; a name may stand for none or several."""
    return [path for name in names for path in sorted((project / "tests" / "unit").rglob(f"{name}.py"))]


def explain_mutant(project: Path, mutant: Mutant) -> str | None:
    """Return why a mutant of the table cannot be tried, or None."""
    if mutant.text == mutant.replacement:
        return "it changes nothing"
    places = find_text(project, mutant.text)
    if len(places) != 1:
        return f"its text stands {len(places)} times in the package, not once: {mutant.text}"
    missing = [name for name in mutant.tests if not find_tests(project, [name])]
    if missing or not mutant.tests:
        return f"there is no test file {', '.join(missing) or '(none is named)'}"
    return None


def run_tests(project: Path, names: Sequence[str]) -> int:
    """Run test files until the first failure; return pytest's exit code. Nothing compiled is kept or read."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *map(str, find_tests(project, names))],
        cwd=project,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    return done.returncode


def run_mutants(mutants: Sequence[Mutant], project: Path, report: Callable[[str], None]) -> int:
    """Try every mutant in the copy `project`; report each, then the survivors. Return 0 or, if any survived, 1."""
    problems = [(mutant, reason) for mutant in mutants if (reason := explain_mutant(project, mutant)) is not None]
    for mutant, reason in problems:
        report(f"out of step: {mutant.seen}: {reason}")
    if problems or not mutants:
        report("The table of mutants is out of step with the project; nothing was tried.")
        return 1
    names = list(dict.fromkeys(name for mutant in mutants for name in mutant.tests))
    if run_tests(project, names) != PASSED:
        report("The tests fail without any mutant; nothing was tried.")
        return 1
    unnoticed = []
    for mutant in mutants:
        outcome = try_mutant(project, mutant)
        report(f"{outcome}: {mutant.seen}")
        if outcome != "noticed":
            unnoticed.append(mutant)
    report(f"{len(mutants) - len(unnoticed)} of {len(mutants)} mutants were noticed.")
    for mutant in unnoticed:
        report(f"  not noticed: {mutant.seen}: {mutant.text}  ->  {mutant.replacement}")
    return 1 if unnoticed else 0


def try_mutant(project: Path, mutant: Mutant) -> str:
    """Make the error, run its tests, take it back; return `noticed`, `survived` or `could not be tried`."""
    (path,) = find_text(project, mutant.text)
    sound = path.read_text(encoding="utf-8")
    path.write_text(sound.replace(mutant.text, mutant.replacement), encoding="utf-8")
    try:
        code = run_tests(project, mutant.tests)
    finally:
        path.write_text(sound, encoding="utf-8")
    # Any other code means that no test ran: the replacement is no valid code, or a test cannot be imported.
    return {PASSED: "survived", FAILED: "noticed"}.get(code, f"could not be tried (pytest's exit code {code})")
