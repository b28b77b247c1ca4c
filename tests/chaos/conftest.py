"""Twins that nobody disturbs, and the table at the end: fault, times injected, survived, equal to the twin."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from smallmix.study.cell import Mix

from tests.chaos.trainer import Training, smallmix
from tests.tiny_cell import MIXES, tiny_cell

SIZE = 40
ITERATIONS = 160
KILLS_VARIABLE = "SMALLMIX_CHAOS_KILLS"
KILLS_DEFAULT = 2


@dataclass
class Line:
    """One fault of the table."""

    injected: int = 0
    survived: int = 0
    compared: int = 0
    equal: int = 0


class Ledger:
    """Counts what was injected, what was survived (a later run ends well) and what came out equal to the twin."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}

    def inject(self, fault: str, times: int = 1) -> None:
        """A fault was injected."""
        self.lines.setdefault(fault, Line()).injected += times

    def survive(self, fault: str, times: int = 1) -> None:
        """What followed was in order; for faults that end without a result to compare."""
        self.lines.setdefault(fault, Line()).survived += times

    def compare(self, fault: str, found: Any, wanted: Any, times: int = 1) -> None:
        """The run ended well after `times` faults; assert that its result is the twin's."""
        line = self.lines.setdefault(fault, Line())
        line.survived += times
        line.compared += times
        line.equal += times * (found == wanted)
        assert found == wanted, f"{fault}: the result differs from the undisturbed twin's"


COUNTS = "chaos counts"  # what a test's report carries them under, from whichever process ran it
TOTALS: dict[str, Line] = {}


@pytest.fixture
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """The counts of one test; the table at the end adds them up."""
    ledger = Ledger()
    yield ledger
    counts = {fault: dataclasses.astuple(line) for fault, line in ledger.lines.items()}
    request.node.user_properties.append((COUNTS, counts))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add a test's counts to the totals."""
    if report.when != "teardown":
        return
    for name, counts in report.user_properties:
        if name == COUNTS and isinstance(counts, dict):
            for fault, numbers in counts.items():
                before = dataclasses.astuple(TOTALS.get(fault, Line()))
                TOTALS[fault] = Line(*map(sum, zip(before, numbers, strict=True)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if not TOTALS:
        return
    width = max(len(fault) for fault in TOTALS)
    terminalreporter.section("chaos")
    terminalreporter.line(f"{'fault':<{width}}  injected  survived  equal to the twin")
    for fault, line in sorted(TOTALS.items()):
        equal = f"{line.equal} of {line.compared}" if line.compared else "-"
        terminalreporter.line(f"{fault:<{width}}  {line.injected:>8}  {line.survived:>8}  {equal:>17}")


@pytest.fixture(scope="session")
def kills() -> int:
    """How many times each method's training is killed at random moments: few, or as many as the variable says."""
    return int(os.environ.get(KILLS_VARIABLE) or KILLS_DEFAULT)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The digits' folder and the table of a subset."""
    folder = tmp_path_factory.mktemp("digits")
    made = smallmix("fetch-dataset", "--settings", '{"name":"digits"}', "--output", folder / "digits")
    assert made.returncode == 0, made.stderr
    rule = f'{{"rule":"head","size":{SIZE},"seed":null}}'
    subset = folder / f"n{SIZE}.csv"
    made = smallmix("extract-subset", "--dataset", folder / "digits", "--rule", rule, "--output", subset)
    assert made.returncode == 0, made.stderr
    return folder / "digits", subset


@dataclass(frozen=True)
class Twins:
    """A training of each method and, from a run that nobody disturbed, its result."""

    trainings: dict[Mix, Training]
    results: dict[Mix, dict[str, Any]]
    seconds: dict[Mix, float]


@pytest.fixture(scope="session")
def twins(digits: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Twins:
    """The undisturbed trainings."""
    folder = tmp_path_factory.mktemp("twins")
    cells = {mix: tiny_cell(mix, iterations=ITERATIONS, every=40, size=SIZE, batch_size=16) for mix in MIXES}
    trainings = {mix: Training(cell, *digits, folder / mix) for mix, cell in cells.items()}
    results: dict[Mix, dict[str, Any]] = {}
    seconds: dict[Mix, float] = {}
    attempts = {mix: training.start() for mix, training in trainings.items()}
    for mix, training in trainings.items():
        assert attempts[mix].wait() == 0, attempts[mix].said
        results[mix] = training.result()
        seconds[mix] = seconds_of_training(training)
    assert results["none"]["history"] != results["images"]["history"] != results["images-and-labels"]["history"]
    return Twins(trainings, results, seconds)


def seconds_of_training(training: Training) -> float:
    """How long the training took, start-up apart."""
    timing = json.loads((training.output / "metrics.json").read_text(encoding="utf-8"))["timing"]
    return float(timing["total_seconds"])
