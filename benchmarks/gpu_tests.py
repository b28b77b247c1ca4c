"""The tests of a GPU, each failed one once more in a process of its own: one fault can look like twenty."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.logged_process import run_logged
from benchmarks.time_limit import TimeLimit

COMMAND = (sys.executable, "-m", "pytest", "-m", "not long", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=60")
TESTS = "tests/gpu"
FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+::.+?)(?: - .*)?$", re.MULTILINE)
MOST_REPEATED = 12
SECONDS_A_TEST = 60.0
NO_PYTEST = 1


def run_gpu_tests(log: Path, limit: TimeLimit, say: Callable[[str], None], tests: str = TESTS) -> int:
    """Run the tests; return pytest's exit code. Their output goes to `log` as it comes."""
    try:
        importlib.import_module("pytest")
    except ImportError:
        say(f"pytest is not installed here ({sys.executable}), so the tests of the GPU do not run")
        return NO_PYTEST
    begins = log.stat().st_size if log.exists() else 0
    code = run_logged([*COMMAND, "--durations=5", tests], log, limit)
    if code:
        with open(log, "rb") as file:
            file.seek(begins)
            output = file.read().decode("utf-8", "replace")
        _repeat(list(dict.fromkeys(FAILURE.findall(output))), log, limit, say)
    return code


def _repeat(failed: list[str], log: Path, limit: TimeLimit, say: Callable[[str], None]) -> None:
    """Run failed tests alone and say which fail there, too: the others failed after what another test left behind.

    In PyTorch 2.11 a failed capture makes every later one of its process fail, and an assertion on the device ends all
    work there.
    """
    for test in failed[:MOST_REPEATED]:
        if not limit.left:
            return
        code = run_logged([*COMMAND, "-q", test], log, limit.within(SECONDS_A_TEST))
        say(f"{test}: {'fails alone as well' if code else 'passes alone; it failed after another test'}")
