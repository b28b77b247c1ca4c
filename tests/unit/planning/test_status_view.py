"""Protects what people see of a study: every character of the table at 80 columns, and of the plain lines."""

# ruff: noqa: RUF001 - screens are written as they are seen

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from smallmix.planning.status import CellWatch, State, StudyStatus
from smallmix.planning.status_view import LOOKS, answer_line, as_json, plain_lines, render_table, with_answer
from smallmix.statistics.answer import AnswerSoFar, Gain
from smallmix.study.study import Study

from tests.synthetic_configuration import ARTICLE_SIZES, build_configuration
from tests.synthetic_study import build_synthetic_study

NOW = 1_700_000_000.0
SAID = AnswerSoFar(
    "label-mix came out ahead of non at the one size tried (+12.0 points with 20 images; no interval over seeds "
    "excludes zero).",
    (Gain("label-mix", "+12.0 points (95 % interval \N{MINUS SIGN}1.5 to +25.5, 2 seeds) with 20 images"),),
)


def make_status(changes: dict[str, dict[str, Any]], **choices: Any) -> StudyStatus:
    """Return the status of a study whose cells wait, but for `changes` by place."""
    values: dict[str, Any] = {"name": "demo", "title": "A demonstration", "sizes": (20, 50), **choices}
    study = Study.from_configuration(build_configuration(**values))
    cells = []
    for cell in study.cells:
        watch = CellWatch(cell, "waiting", "not trained yet", iterations=300)
        cells.append(replace(watch, **changes.get(cell.id, {})))
    return StudyStatus(
        study=study.name,
        title=study.title,
        now=NOW,
        cells=tuple(cells),
        sizes=study.sizes,
        methods=study.methods,
        seeds=study.seeds,
        report_place=Path("reports/demo/report.html"),
    )


def done(accuracy: float, seconds: float = 7.0, ago: float = 60.0) -> dict[str, Any]:
    return {"state": "current", "iteration": 300, "accuracy": accuracy, "seconds": seconds, "ended": NOW - ago}


MIDWAY: dict[str, dict[str, Any]] = {
    "n20/non/seed0": done(0.431, ago=12.4),
    "n20/non/seed1": done(0.455, ago=200),
    "n20/non/seed2": {
        "state": "running", "iteration": 129, "accuracy": 0.382, "rate": 21.34, "seconds_left": 8.0,
        "holder": "process 1 on here",
    },
    "n20/data-mix/seed0": {
        "state": "failed", "iteration": 40, "has_checkpoint": True, "ended": NOW - 3600,
        "reason": "the training loss became nan at iteration 41 of 300 (learning rate 0.1, last finite loss 2.1).\n"
        "Lower recipe.learning_rate.",
        "log": Path("logs/demo/cells/n20/data-mix/seed0.log"),
    },
    "n20/data-mix/seed1": {
        "state": "stopped", "iteration": 120, "has_checkpoint": True, "accuracy": 0.3, "ended": NOW - 7200.0
    },
    "n20/label-mix/seed0": {"state": "stored"},
    "n50/label-mix/seed2": {
        "state": "running", "iteration": 270, "accuracy": 0.8, "rate": 0.5, "seconds_left": 60.0, "by_lock": False,
        "seconds_silent": 12.0, "reason": "its lock cannot be seen from here; its files say that it runs",
    },
    "n50/non/seed0": {"state": "outdated", "reason": "budget.amount is 6, wanted 300"},
    "n50/non/seed1": {"state": "running"},
}  # fmt: skip


def midway() -> StudyStatus:
    status = replace(make_status(MIDWAY), at_once=3, seconds_left=190.0, seconds_of_work=570.0)
    return with_answer(status, SAID)


def drawn(status: StudyStatus, width: int = 80, *, ascii_only: bool = False) -> str:
    """Return the screen without colours and without spaces at the ends of lines."""
    console = Console(width=width, file=io.StringIO(), color_system=None, highlight=False, markup=False)
    console.print(render_table(status, ascii_only=ascii_only))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip().replace("\N{NO-BREAK SPACE}", " ") for line in console.file.getvalue().splitlines())


SCREEN = """\
demo: A demonstration
2 of 18 cells done, 1 in the store, 3 running, 1 stopped, 9 waiting, 1 failed, 1
outdated

images  non          data-mix  label-mix
    20  ●●◐  44.3 %  ✗◔·       ○··
    50  !◐·          ···       ··◐
● done  ○ in the store  ◐ running  ◔ stopped  · waiting  ✗ failed  ! outdated
The numbers are means of the best test accuracies of cells that are done.

Running
n20/non/seed2        █████░░░░░░░  43 %  38.2 %  21.3 it/s   8 s left
n50/non/seed1        ░░░░░░░░░░░░   0 %       –              starting
n50/label-mix/seed2  ██████████░░  90 %  80.0 %  0.50 it/s  60 s left
n50/label-mix/seed2: its lock cannot be seen from here; its files say that it
runs (written 12 s ago)

Failed
n20/data-mix/seed0: the training loss became nan at iteration 41 of 300
(learning rate 0.1, last finite loss 2.1). Lower recipe.learning_rate.
  log: logs/demo/cells/n20/data-mix/seed0.log
To train them again, run the study again: what is done stays.

Ended lately
● n20/non/seed0       43.1 %  trained in 7 s         12 s ago
● n20/non/seed1       45.5 %  trained in 7 s         3 min ago
✗ n20/data-mix/seed0          failed                 60 min ago
◔ n20/data-mix/seed1  30.0 %  stopped at 120 of 300  2.0 h ago

Time left  about 3 min, 3 at once, by measured cells
So far     label-mix came out ahead of non at the one size tried (+12.0 points
           with 20 images; no interval over seeds excludes zero).
           label-mix: +12.0 points (95 % interval −1.5 to +25.5, 2 seeds) with
           20 images
Report     reports/demo/report.html (not written yet)"""


def test_a_low_terminal_keeps_the_last_lines_at_the_cost_of_the_lists() -> None:
    def heights(rows: int | None) -> list[str]:
        console = Console(width=80, file=io.StringIO(), color_system=None, highlight=False, markup=False)
        console.print(render_table(midway(), rows=rows))
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue().splitlines()

    whole = heights(None)
    assert heights(len(whole)) == whole
    low = heights(len(whole) - 1)
    assert len(low) < len(whole)
    assert low[-6:] == whole[-6:]
    assert "Ended lately" in low
    lowest = heights(1)  # as low as can be: nothing that is counted above is lost
    assert "Ended lately" not in lowest
    assert "  ... and 2 more" in lowest
    assert lowest[-6:] == whole[-6:]


PLAIN = """\
study demo: 2 of 18 cells done, 1 in the store, 3 running, 1 stopped, 9 waiting, 1 failed, 1 outdated
n20/non/seed0 current, best test accuracy 43.10 %, trained in 7 s
n20/non/seed1 current, best test accuracy 45.50 %, trained in 7 s
n20/non/seed2 running, iteration 129 of 300 (43 %), 8 s left, test accuracy 38.20 %, 21.3 it/s
n20/data-mix/seed0 failed, iteration 40 of 300 (13 %), the training loss became nan at iteration 41 of 300 \
(learning rate 0.1, last finite loss 2.1). Lower recipe.learning_rate., log logs/demo/cells/n20/data-mix/seed0.log
n20/data-mix/seed1 stopped, iteration 120 of 300 (40 %), test accuracy 30.00 %
n20/data-mix/seed2 waiting
n20/label-mix/seed0 stored
n20/label-mix/seed1 waiting
n20/label-mix/seed2 waiting
n50/non/seed0 outdated, budget.amount is 6, wanted 300
n50/non/seed1 running, starting
n50/non/seed2 waiting
n50/data-mix/seed0 waiting
n50/data-mix/seed1 waiting
n50/data-mix/seed2 waiting
n50/label-mix/seed0 waiting
n50/label-mix/seed1 waiting
n50/label-mix/seed2 running, iteration 270 of 300 (90 %), 60 s left, test accuracy 80.00 %, 0.50 it/s, its lock \
cannot be seen from here; its files say that it runs (written 12 s ago)
time left: about 3 min, 3 at once, by measured cells
answer so far: label-mix came out ahead of non at the one size tried (+12.0 points with 20 images; no interval over \
seeds excludes zero).
difference: label-mix: +12.0 points (95 % interval -1.5 to +25.5, 2 seeds) with 20 images
report: reports/demo/report.html (not written yet)"""


def test_the_screen_of_a_study_on_its_way() -> None:
    assert drawn(midway()) == SCREEN


def test_the_plain_lines_of_a_study_on_its_way() -> None:
    assert "\n".join(plain_lines(midway())) == PLAIN


def test_a_wide_terminal_shows_the_iterations() -> None:
    assert "n20/non/seed2        █████░░░░░░░  129/300  43 %  38.2 %  21.3 it/s   8 s left" in drawn(midway(), 120)


def test_without_utf_8_every_character_is_ascii() -> None:
    screen = drawn(midway(), ascii_only=True)
    assert screen.isascii()
    assert "    20  ##>  44.3 %  x+.       o.." in screen
    assert "n20/non/seed2        #####-------  43 %" in screen
    assert len({look.ascii for look in LOOKS.values()}) == len({look.mark for look in LOOKS.values()}) == len(LOOKS)


def test_the_article_with_ten_seeds_fits_eighty_columns() -> None:
    status = make_status({}, sizes=ARTICLE_SIZES, seeds=range(10), title="A title " * 30)
    states: list[State] = ["current", "running", "failed", "stopped"]
    cells = tuple(
        replace(one, state=states[number % 4], iterations=117_000, iteration=116_000, accuracy=0.95, rate=123.4,
                seconds_left=90_000.0, seconds=5000.0, ended=NOW - number, reason="why " * 30)
        for number, one in enumerate(status.cells)
    )  # fmt: skip
    lines = drawn(replace(status, cells=cells)).splitlines()
    assert max(map(len, lines)) <= 80
    row = next(line for line in lines if line.startswith("50,000"))
    assert row == "50,000  ●◐✗◔●◐✗◔●◐  95.0 %  ✗◔●◐✗◔●◐✗◔  95.0 %  ●◐✗◔●◐✗◔●◐  95.0 %"
    assert lines.count("  ... and 50 more") == 2  # ten of sixty running and of sixty failed ones are listed
    assert any(line.startswith("n50000/non/seed1") and line.endswith("25.0 h left") for line in lines)


def test_many_methods_and_many_seeds_get_a_line_each() -> None:
    methods = {f"method-{number}": {"mix": "images", "beta": [1.0, number]} for number in range(1, 7)}
    lines = drawn(make_status({}, methods=methods, seeds=range(10))).splitlines()
    assert "    20  method-1  ··········" in lines
    lines = drawn(make_status({"n20/non/seed7": done(0.5)}, seeds=range(200))).splitlines()
    assert "    20  non        1 done, 199 waiting  50.0 %" in lines
    assert max(map(len, lines)) <= 80


def test_a_complete_study_says_its_answer_and_where_the_report_is() -> None:
    status = make_status({}, seeds=(0, 1))
    cells = tuple(replace(one, **done(0.5)) for one in status.cells)
    page = status.report_place
    status = replace(status, cells=cells, seconds_left=0.0, seconds_of_work=0.0, report=page, report_is_new=True)
    lines = drawn(with_answer(status, SAID)).splitlines()
    assert lines[1] == "12 of 12 cells done"
    assert "Time left  nothing is left to train" in lines
    assert any(line.startswith("Answer     label-mix came out") for line in lines)
    assert lines[-1] == "Report     reports/demo/report.html"
    assert plain_lines(replace(status, report_is_new=False))[-1].endswith("(of an earlier state of the study)")


def test_an_empty_study_is_short() -> None:
    lines = drawn(make_status({})).splitlines()
    assert len(lines) == 10
    assert lines[-2:] == ["Time left  no cell trains now", "Report     reports/demo/report.html (not written yet)"]


@pytest.mark.parametrize("evil", ["\x1b[31mred\x07", "a\u202eb", "line\nbreak\r", "[bold]markup[/bold]"])
def test_foreign_text_commands_no_terminal(evil: str) -> None:
    """Titles come from files, reasons quote names of files."""
    status = replace(make_status({"n20/non/seed0": {"state": "failed", "reason": evil}}), title=evil)
    for text in (drawn(status), "\n".join(plain_lines(status))):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
    assert all(line.isascii() for line in plain_lines(status))
    assert len(plain_lines(status)) == 21
    if "markup" in evil:
        assert "[bold]markup[/bold]" in drawn(status)


def test_json_says_the_same() -> None:
    content = json.loads(json.dumps(as_json(midway()), allow_nan=False))
    assert content["counts"] == {
        "current": 2, "stored": 1, "running": 3, "stopped": 1, "waiting": 9, "failed": 1, "outdated": 1
    }  # fmt: skip
    assert (content["complete"], content["seconds_left"], content["report"]) == (False, 190.0, None)
    cell = content["cells"][2]
    assert (cell["cell"], cell["size"], cell["method"], cell["seed"]) == ("n20/non/seed2", 20, "non", 2)
    assert (cell["state"], cell["iteration"], cell["iterations"], cell["rate"]) == ("running", 129, 300, 21.34)
    assert content["cells"][3]["log"] == "logs/demo/cells/n20/data-mix/seed0.log"


def test_the_answer_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = build_synthetic_study(tmp_path, sizes=(100,), seeds=(0, 1), test_images=60)
    monkeypatch.setattr("smallmix.tables.collect.training_code", lambda cell: made.code_fingerprint)
    assert str(answer_line(made.layout)).startswith("label-mix came out ahead of non at the one size tried")
    for cell in made.study.cells:
        made.remove(cell.id)
    assert answer_line(made.layout) is None
