"""Protects the script for NVIDIA's multi-process service: it ends with the command, which also runs without it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SCRIPT = PROJECT / "profiles" / "workstation" / "share-gpus.sh"
CONTROL = "nvidia-cuda-mps-control"
TELLS_ITS_FOLDER = 'echo "folder [$CUDA_MPS_PIPE_DIRECTORY]"; exit 3'


@pytest.fixture
def without_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with what the script calls, and nothing of NVIDIA's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "timeout", "mktemp", "rm", "sleep", "cat"):
        found = next(Path(place, name) for place in os.defpath.split(os.pathsep) if Path(place, name).exists())
        (folder / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    return folder


def put_program(folder: Path, notes: Path, code: int) -> None:
    program = folder / CONTROL
    program.write_text(
        f'#!/bin/sh\necho "[$*] in $CUDA_MPS_PIPE_DIRECTORY: $(cat)" >> {notes}\nexit {code}\n', encoding="utf-8"
    )
    program.chmod(0o755)


def wait_for(lines: int, notes: Path) -> list[str]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
        if len(found) >= lines:
            return found
        time.sleep(0.05)
    raise AssertionError(f"fewer than {lines} calls of the program")


def test_the_command_runs_under_the_service_and_its_end_is_the_services(
    without_the_program: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    put_program(without_the_program, notes, 0)
    done = subprocess.run([SCRIPT, "sh", "-c", TELLS_ITS_FOLDER], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    folder = done.stdout.removeprefix("folder [").removesuffix("]\n")
    assert wait_for(2, notes) == [f"[-d] in {folder}: ", f"[] in {folder}: quit"]
    deadline = time.monotonic() + 60
    while Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(folder).exists()


def test_signals_reach_the_command_and_the_service_ends_after_it(without_the_program: Path, tmp_path: Path) -> None:
    notes, ready = tmp_path / "notes", tmp_path / "ready"
    put_program(without_the_program, notes, 0)
    heard = f'trap "echo heard >> {notes}; exit 7" TERM; echo > {ready}; while :; do sleep 0.05; done'
    process = subprocess.Popen([SCRIPT, "sh", "-c", heard])
    while not ready.exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 7
    assert [line.split()[0] for line in wait_for(3, notes)] == ["[-d]", "heard", "[]"]


@pytest.mark.parametrize("refuses", [False, True], ids=["not there", "does not start"])
def test_without_the_service_the_command_runs_and_people_are_told(
    refuses: bool, without_the_program: Path, tmp_path: Path
) -> None:
    if refuses:
        put_program(without_the_program, tmp_path / "notes", 1)
    done = subprocess.run([SCRIPT, "sh", "-c", TELLS_ITS_FOLDER], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "folder []\n")
    assert done.stderr.endswith("cells that share a GPU take turns\n")


def test_without_a_command_it_says_what_it_is_for(without_the_program: Path) -> None:
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "name a command" in done.stderr
