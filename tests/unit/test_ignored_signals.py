"""Tests run under nohup, or behind `&`: what they start must hear signals, or they would wait forever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
LISTENING = "tests/unit/training/test_signals.py::test_the_first_asks_and_the_second_ends"


def ignore() -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def test_what_tests_start_hears_signals_that_pytest_ignores() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", LISTENING]
    with subprocess.Popen(
        command, cwd=PROJECT, preexec_fn=ignore, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            output, _ = running.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            raise
    assert running.returncode == 0, output
