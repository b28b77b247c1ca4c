"""A command's process leaves at once, and nobody notices: exit codes, output, what is to be done at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PACKAGE_PARENT = Path(__file__).resolve().parents[2] / "workflow"
PROCESS = """
import atexit, sys
sys.path.insert(0, sys.argv[1])
from smallmix.commands import main as module

class Remains:
    def __del__(self):
        sys.stderr.write("taken apart\\n")

remains = Remains()
atexit.register(lambda: print("at the end"))
def command():
    {body}
module.main = command
module.run_process()
"""


def run(body: str, **choices: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROCESS.format(body=body), str(PACKAGE_PARENT)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(command, text=True, check=False, env=environment, **{"stdout": -1, "stderr": -1, **choices})


def test_the_exit_code_and_all_output_arrive() -> None:
    done = run("print('said' * 10_000); print('warned', file=sys.stderr); return 4")
    assert done.returncode == 4
    assert done.stdout == "said" * 10_000 + "\nat the end\n"
    assert done.stderr == "warned\n"  # and nothing is taken apart


def test_an_unexpected_error_ends_as_ever() -> None:
    done = run("raise ZeroDivisionError('a slip')")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError: a slip" in done.stderr


def test_bad_arguments_end_as_ever() -> None:
    done = run("sys.exit(2)")
    assert (done.returncode, done.stderr) == (2, "taken apart\n")


def test_output_that_cannot_be_written_is_no_success() -> None:
    with open("/dev/full", "w") as full:
        done = run("print('said'); return 0", stdout=full)
    assert done.returncode == 120
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize(("unbuffered", "code"), [("1", 141), ("", 0)], ids=["during", "after"])
def test_a_reader_that_left_during_the_work_is_no_success(tmp_path: Path, unbuffered: str, code: int) -> None:
    """As of other programs behind `| head`: 128 + SIGPIPE. One that left after the work changes nothing."""
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "smallmix", "index", "--root", str(tmp_path)]
    done = subprocess.run(command, env=environment, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.parametrize("start", [["-m", "smallmix"], [str(PACKAGE_PARENT)]], ids=["module", "folder"])
def test_both_ways_to_start_end_so(start: list[str]) -> None:
    environment = {"PYTHONPATH": str(PACKAGE_PARENT)}
    command = [sys.executable, *start, "train-cell", "--cell", "{}", "--dataset", "d", "--subset", "s", "--output", "o"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("smallmix train-cell: --cell is not a cell's value in JSON")
    trace = subprocess.run(
        [sys.executable, "-v", *start, "train-cell", "--cell", "{}", *command[-6:]],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "# cleanup[" not in trace.stderr  # which Python says where it takes modules apart
