"""The table at the end: fault, times injected, survived, equal to the twin.

A plugin rather than a part of conftest.py, because the process that prints the table need not have run any test.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest


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
