"""The table at the end: each problem, how often it was injected, survived, and left the result as it should be.

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
    """One problem of the table, with its counts."""

    injected: int = 0
    survived: int = 0
    compared: int = 0
    equal: int = 0


class Outcomes:
    """Counts problems: injected, survived (a later run ends well), and without effect on the result."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}

    def inject(self, problem: str, times: int = 1) -> None:
        """Count a problem as injected."""
        self.lines.setdefault(problem, Line()).injected += times

    def survive(self, problem: str, times: int = 1) -> None:
        """Count as survived a problem that ends without a result to compare."""
        self.lines.setdefault(problem, Line()).survived += times

    def compare(self, problem: str, found: Any, wanted: Any, times: int = 1) -> None:
        """Count `times` problems as survived; assert that the result is the undisturbed run's."""
        line = self.lines.setdefault(problem, Line())
        line.survived += times
        line.compared += times
        line.equal += times * (found == wanted)
        assert found == wanted, f"{problem}: the result differs from the undisturbed run's"


COUNTS = "chaos counts"  # what a test's report carries them under, from whichever process ran it
TOTALS: dict[str, Line] = {}


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> Iterator[Outcomes]:
    """Count the outcomes of one test; the table at the end adds them up."""
    counted = Outcomes()
    yield counted
    counts = {problem: dataclasses.astuple(line) for problem, line in counted.lines.items()}
    request.node.user_properties.append((COUNTS, counts))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add a test's counts to the totals."""
    if report.when != "teardown":
        return
    for name, counts in report.user_properties:
        if name == COUNTS and isinstance(counts, dict):
            for problem, numbers in counts.items():
                before = dataclasses.astuple(TOTALS.get(problem, Line()))
                TOTALS[problem] = Line(*map(sum, zip(before, numbers, strict=True)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if not TOTALS:
        return
    width = max(len(problem) for problem in TOTALS)
    terminalreporter.section("chaos")
    terminalreporter.line(f"{'problem':<{width}}  injected  survived  equal to the undisturbed run")
    for problem, line in sorted(TOTALS.items()):
        equal = f"{line.equal} of {line.compared}" if line.compared else "-"
        terminalreporter.line(f"{problem:<{width}}  {line.injected:>8}  {line.survived:>8}  {equal:>28}")
