"""Run a program in a session of its own: its output is shown and kept as it comes, and its time is limited."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from benchmarks.time_limit import TimeLimit

PROJECT = Path(__file__).resolve().parents[1]
TIME_WAS_UP = 124  # as the program `timeout` says it
SECONDS_TO_LEAVE = 10.0


def run_logged(command: Sequence[str], log: Path, limit: TimeLimit, variables: Mapping[str, str] | None = None) -> int:
    """Run a command in the project's folder; return its exit code, TIME_WAS_UP where it took longer than `limit`.

    Standard output and error go to standard output and, line by line, to the end of `log`. A process that is out of
    time, and all that it started, get SIGTERM, and after ten seconds SIGKILL.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as file:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=project_environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        copying = threading.Thread(target=_copy, args=(process.stdout, file), daemon=True)
        copying.start()
        try:
            return process.wait(min(limit.left, threading.TIMEOUT_MAX))
        except subprocess.TimeoutExpired:
            return TIME_WAS_UP
        finally:
            end_session(process)
            # What the program left running may keep the pipe open.
            copying.join(SECONDS_TO_LEAVE)


def project_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of this process with the project's packages on the path, and `variables`."""
    found = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(PROJECT / "workflow"), str(PROJECT), *([found] if found else [])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **(variables or {})}


def end_session(process: subprocess.Popen[bytes], seconds: float = SECONDS_TO_LEAVE) -> None:
    """End a process that leads a session, and whatever it started there; its checkpoint may take `seconds`."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(SECONDS_TO_LEAVE)


def _copy(source: IO[bytes], file: IO[bytes]) -> None:
    for line in source:
        # A full disk, or a reader that left, must not stop the reading: the program would wait for it.
        with contextlib.suppress(OSError, ValueError):
            file.write(line)
            file.flush()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(line.decode("utf-8", "replace"))
            sys.stdout.flush()
