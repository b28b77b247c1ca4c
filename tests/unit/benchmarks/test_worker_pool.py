"""Protects measurements of several processes: all work at once, none is lost sight of, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from smallmix.errors import SmallmixError

from benchmarks import multi_process_service as service
from benchmarks.multi_process_service import CONTROL, multi_process_service
from benchmarks.time_limit import TimeLimit
from benchmarks.worker_pool import WorkerError, describe_chain, run_alone, worker_pool


def noting(folder: Path) -> Callable[[int], None]:
    """Make steps that leave a line each: the process, a word of its environment, how many steps."""
    path = folder / str(os.getpid())

    def take(steps: int) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{os.environ.get('WORD', '-')} {steps}\n")

    return take


def failing(at: str) -> Callable[[int], None]:
    def take(steps: int) -> None:
        os._exit(3)

    if at == "the start":
        try:
            raise ValueError("the cause")
        finally:
            raise RuntimeError("this process cannot begin")
    return take


def hanging(folder: Path) -> Callable[[int], None]:
    """A process that is never ready."""
    (folder / str(os.getpid())).touch()
    time.sleep(3600)
    raise AssertionError


def test_every_process_takes_its_steps_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORD", raising=False)
    with worker_pool(noting, (tmp_path,), 2, {"WORD": "shared"}) as take:
        take(3)
        take(4)
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    assert {file.read_text(encoding="utf-8") for file in files} == {"shared 3\nshared 4\n"}
    assert "WORD" not in os.environ
    deadline = time.monotonic() + 60
    while any(Path("/proc", file.name).exists() for file in files) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [file for file in files if Path("/proc", file.name).exists()]


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("the start", "ValueError: the cause; then RuntimeError: this process cannot begin"),
        ("its work", "a process ended early, with exit code 3"),
    ],
)
def test_a_process_that_fails_is_reported_with_what_led_to_it(at: str, message: str) -> None:
    with worker_pool(failing, (at,), 2, {}) as take, pytest.raises(SmallmixError) as error:
        take(1)
    assert str(error.value) == message


def test_a_process_that_hangs_is_waited_for_no_longer_than_was_said_and_ended(tmp_path: Path) -> None:
    with worker_pool(hanging, (tmp_path,), 1, {}, longest_wait=0.2) as take:
        with pytest.raises(WorkerError, match="no answer within"):
            take(1)
        while not (files := list(tmp_path.iterdir())):
            time.sleep(0.05)
    assert not Path("/proc", files[0].name).exists()


def test_work_alone_gives_its_value_and_ends_when_time_is_up() -> None:
    assert run_alone(divmod, 17, 5, limit=TimeLimit.after(120)) == (3, 2)
    with pytest.raises(WorkerError, match="ZeroDivisionError"):
        run_alone(divmod, 1, 0, limit=TimeLimit.after(120))
    with pytest.raises(WorkerError, match="no answer within 0 seconds"):
        run_alone(divmod, 17, 5, limit=TimeLimit.after(-1))


def test_a_chain_of_errors_begins_with_the_first() -> None:
    """As PyTorch raises them: what ended the capture hides what was not permitted inside it."""
    try:
        try:
            raise RuntimeError("operation not permitted\nwhen the stream is capturing")
        finally:
            raise ValueError("previous error during capture")
    except ValueError as error:
        shown = describe_chain(error)
    assert shown == "RuntimeError: operation not permitted; then ValueError: previous error during capture"


def test_the_multi_process_service_is_begun_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for NVIDIA's program, which notes how it is called."""
    program, notes = tmp_path / CONTROL, tmp_path / "notes"
    program.write_text(
        f'#!/bin/sh\necho "arguments [$*] folder $CUDA_MPS_PIPE_DIRECTORY" >> {notes}\n'
        f'test "$1" = -d || {{ echo "heard $(cat)" >> {notes}; }}\n',
        encoding="utf-8",
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with multi_process_service() as environment:
        assert environment is not None
        folder = environment["CUDA_MPS_PIPE_DIRECTORY"]
        assert Path(folder).is_dir()
        assert notes.read_text(encoding="utf-8") == f"arguments [-d] folder {folder}\n"
    assert notes.read_text(encoding="utf-8").splitlines()[1:] == [f"arguments [] folder {folder}", "heard quit"]
    assert not Path(folder).exists()


def test_without_the_service_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with multi_process_service() as environment:
        assert environment is None
    refusing = tmp_path / CONTROL
    refusing.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    refusing.chmod(0o755)
    with multi_process_service() as environment:
        assert environment is None


def test_a_service_that_keeps_its_files_open_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon inherits what its starter's output goes to, and never closes it."""
    program, process = tmp_path / CONTROL, tmp_path / "process"
    program.write_text(f'#!/bin/sh\ntest "$1" = -d || exit 0\nsleep 3600 &\necho $! > {process}\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    try:
        with multi_process_service() as environment:
            assert environment is not None
    finally:
        os.kill(int(process.read_text(encoding="utf-8")), signal.SIGKILL)


@pytest.mark.parametrize("hangs", ["at the start", "at the end"])
def test_a_control_program_that_hangs_is_given_up(hangs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / CONTROL
    test = '"$1" = -d' if hangs == "at the start" else '-z "$1"'
    program.write_text(f"#!/bin/sh\ntest {test} && exec sleep 3600\nexit 0\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(service, "SECONDS_TO_ANSWER", 0.3)
    with multi_process_service() as environment:
        assert (environment is None) == (hangs == "at the start")
