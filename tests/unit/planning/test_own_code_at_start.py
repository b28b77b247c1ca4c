"""What of the user's own a run tries as it starts: what it trains with, and the metrics that it will compute."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from smallmix.planning.estimate import RunJobs
from smallmix.planning.own_code_at_start import own_code_to_try, try_own_code
from smallmix.study.study import Study

from tests.synthetic_configuration import build_configuration

METHODS = {"non": {"mix": "none", "beta": None}, "own": {"mix": "my_method.py:Mine", "beta": None}}
STUDY = Study.from_configuration(build_configuration(sizes=[20], seeds=[0], methods=METHODS))
OURS, OWN = frozenset({"n20/non/seed0"}), frozenset({"n20/own/seed0"})


@pytest.mark.parametrize(
    ("cells", "others", "options"),
    [
        (OURS, {"compute_metrics": 1}, None),
        (frozenset(), {}, None),
        (OURS | OWN, {"fetch_dataset": 1}, "--only cells"),
        (OURS, {"check_own_metrics": 1}, "--only metrics"),
        (OWN, {"check_own_metrics": 1}, ""),
    ],
)
def test_what_a_run_needs_is_tried(cells: frozenset[str], others: dict[str, int], options: str | None) -> None:
    assert own_code_to_try(STUDY, RunJobs(cells, others)) == options


def command_of(folder: Path, source: str) -> str:
    """Return the command that runs a Python program in the place of `check-own-code`."""
    (folder / "program.py").write_text(source, encoding="utf-8")
    return shlex.join([sys.executable, str(folder / "program.py")])


def test_remarks_are_repeated_and_what_else_is_said_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = "print('mine.py: no fault found')\nprint('note: mine.py, line 3: on a GPU …')\n"
    assert try_own_code(command_of(tmp_path, source)) is None
    assert capsys.readouterr().err == "smallmix: note: mine.py, line 3: on a GPU …\n"


def test_faults_are_returned_without_the_name_of_the_command(tmp_path: Path) -> None:
    source = "import sys\nsys.exit('smallmix check-own-code: study tiny: one fault')\n"
    assert try_own_code(command_of(tmp_path, source)) == "study tiny: one fault"
