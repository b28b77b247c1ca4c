"""Protects what limits a stage's time: nothing it started stays behind, and its output is kept up to the last line."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu_tests import run_gpu_tests
from benchmarks.logged_process import TIME_WAS_UP, run_logged
from benchmarks.time_limit import TimeLimit

# Starts a child, which says so once it ignores the request to end, and hangs.
IGNORES = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("child", os.getpid(), flush=True)
time.sleep(3600)
"""
HANGS = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {IGNORES!r}])
time.sleep(3600)
"""
ORDERED_TESTS = """
dead = []
def test_breaks_what_comes_after():
    dead.append(1)
    assert False, "the cause"
def test_suffers():
    assert not dead
def test_is_well():
    pass
"""


def test_the_exit_code_and_the_output_of_both_streams_are_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"
    log = tmp_path / "logs" / "log.txt"
    for _ in range(2):
        assert run_logged([sys.executable, "-c", program], log, TimeLimit()) == 3
    assert log.read_text(encoding="utf-8") == "one\ntwo\n" * 2
    assert capfd.readouterr().out == "one\ntwo\n" * 2


def test_whatever_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"

    class OnceItHangs(TimeLimit):
        @property
        def left(self) -> float:
            while not (log.exists() and log.read_text(encoding="utf-8").endswith("\n")):
                time.sleep(0.01)
            return 0.0

    assert run_logged([sys.executable, "-c", HANGS], log, OnceItHangs()) == TIME_WAS_UP
    child = int(log.read_text(encoding="utf-8").split()[1])
    assert ends(child, within=60.0), "SIGKILL ends it, once a busy machine has come to it"


def ends(process: int, within: float) -> bool:
    """Return whether a process is gone, or dead and not yet collected, before `within` seconds are over."""
    state, limit = Path("/proc", str(process), "stat"), time.monotonic() + within
    while time.monotonic() < limit:
        try:
            if state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_failed_tests_are_repeated_alone(tmp_path: Path) -> None:
    tests = tmp_path / "test_of_a_gpu.py"
    tests.write_text(ORDERED_TESTS, encoding="utf-8")
    said: list[str] = []
    assert run_gpu_tests(tmp_path / "log.txt", TimeLimit.after(300), said.append, str(tests)) == 1
    outcome = {line.rpartition("::")[2].partition(":")[0]: line.partition(": ")[2] for line in said}
    assert outcome == {
        "test_breaks_what_comes_after": "fails alone as well",
        "test_suffers": "passes alone; it failed after another test",
    }


def test_a_reader_that_left_does_not_stop_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More is written than a pipe holds: a program whose output nobody takes would wait for ever."""

    class Left(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Left())
    log = tmp_path / "log.txt"
    program = "for number in range(5000): print('x' * 80)"
    assert run_logged([sys.executable, "-c", program], log, TimeLimit.after(120)) == 0
    assert len(log.read_text(encoding="utf-8").splitlines()) == 5000
