"""Protects `smallmix status` as people and scripts call it: what it prints, when it ends, and its exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from smallmix.commands.main import main
from smallmix.commands.status import FAILED
from smallmix.errors import INCOMPLETE, INTERRUPTED

from tests.tiny_study import TinyStudy

PACKAGE_PARENT = Path(__file__).resolve().parents[3] / "workflow"
FIRST = "n20/non/seed0"


@pytest.fixture
def tiny(tmp_path: Path) -> TinyStudy:
    return TinyStudy.write(tmp_path, seeds=(0,))


def command(tiny: TinyStudy, *options: str) -> list[str]:
    return ["status", "--root", str(tiny.layout.root), "--configuration", f"@{tiny.layout.study_file}", *options]


def start(tiny: TinyStudy, *options: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), "COLUMNS": "80", "LINES": "50", "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    return subprocess.Popen(
        [sys.executable, "-m", "smallmix", *command(tiny, *options)],
        env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_the_exit_code_with_check(tiny: TinyStudy, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(tiny)) == 0
    assert main(command(tiny, "--check")) == INCOMPLETE
    failure = {"reason": "no memory", "cell_fingerprint": tiny.cell(FIRST).value.fingerprint}
    path = tiny.layout.cell(tiny.cell(FIRST)) / "failure.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(failure))
    assert main(command(tiny, "--check")) == FAILED
    assert f"{FIRST} failed, no memory\n" in capsys.readouterr().out
    assert main(command(tiny)) == 0
    for cell in tiny.layout.study.cells:
        tiny.train(cell.id)
    assert main(command(tiny, "--check")) == 0
    assert "study tiny: 3 of 3 cells done\n" in capsys.readouterr().out


def test_a_damaged_record_of_the_study_does_not_hide_its_cells(
    tiny: TinyStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = tiny.layout.study.to_json()
    tiny.layout.study_file.write_text("half", encoding="utf-8")
    assert main(["status", "--root", str(tiny.layout.root), "--configuration", configuration]) == 0
    assert "0 of 3 cells done" in capsys.readouterr().out


def test_json_is_one_line(tiny: TinyStudy, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.train(FIRST)
    assert main(command(tiny, "--json")) == 0
    (line,) = capsys.readouterr().out.splitlines()
    content = json.loads(line)
    assert content["cells"][0]["state"] == "current"
    assert content["answer"].startswith("No size has finished runs of both label-mix and non yet")


def test_watching_in_a_pipe_prints_what_changed_and_ends_with_the_study(tiny: TinyStudy) -> None:
    process = start(tiny, "--watch", "0.1")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("report: "):
            break
    for cell in tiny.layout.study.cells:
        tiny.train(cell.id)
    rest, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert re.search(rf"^{FIRST} current, best test accuracy [\d.]+ %, trained in \d+ s$", rest, re.MULTILINE)
    assert "study tiny: 3 of 3 cells done\n" in rest
    assert rest.splitlines()[-1].startswith("report: ")
    assert "time left: nothing is left to train" in rest
    assert not re.search(r"[^\x20-\x7e\n]", rest)


def test_ctrl_c_ends_the_watch_quietly(tiny: TinyStudy) -> None:
    process = start(tiny, "--watch", "0.1")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (INTERRUPTED, "")


def test_a_terminal_is_drawn_anew_until_the_study_is_complete(tiny: TinyStudy) -> None:
    ours, theirs = pty.openpty()
    process = start(tiny, "--watch", "0.1", stdout=theirs)
    os.close(theirs)
    seen = ""
    trained = False
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        ready, _, _ = select.select([ours], [], [], 1.0)
        if ready:
            try:
                part = os.read(ours, 65536)
            except OSError:  # as Linux ends a terminal whose other side was closed
                break
            seen += part.decode("utf-8", "replace")
        if "waiting" in seen and not trained:
            trained = True
            for cell in tiny.layout.study.cells:
                tiny.train(cell.id)
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert "\x1b[1A" in seen  # the cursor goes back up
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)
    assert "3 of 3 cells done" in plain
    assert "●" in plain
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()


def test_sigterm_ends_the_watch_with_the_cursor_shown(tiny: TinyStudy) -> None:
    ours, theirs = pty.openpty()
    process = start(tiny, "--watch", "0.1", stdout=theirs)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # as Linux ends a terminal whose other side was closed
        while part := os.read(ours, 65536):
            seen += part
            if b"Report" in seen and process.poll() is None:
                process.terminate()
    os.close(ours)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (-signal.SIGTERM, "")
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")


def test_a_second_sigterm_does_not_interrupt_the_cleaning_up() -> None:
    program = (
        "import signal; from smallmix.commands.status import _ended_by_sigterm as ended\n"
        "with ended():\n"
        "    try: signal.raise_signal(signal.SIGTERM)\n"
        "    finally: signal.raise_signal(signal.SIGTERM); print('cleaned up', flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "cleaned up\n", "")


def test_it_starts_without_torch(tiny: TinyStudy) -> None:
    tiny.train(FIRST)
    program = (
        "import sys; from smallmix.commands.main import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'matplotlib', 'sklearn', 'snakemake'} & set(sys.modules); assert not heavy, heavy; "
        "sys.exit(code)"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT)}
    done = subprocess.run(
        [sys.executable, "-c", program, *command(tiny)], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "1e9", "often"])
def test_a_pause_that_makes_no_sense_is_refused(
    tiny: TinyStudy, seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(command(tiny, f"--watch={seconds}"))
    assert refused.value.code == 2
    assert "--watch" in capsys.readouterr().err
