"""What people read while a study runs: short lines, a clean stop, errors with their remedy last."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.workflow.pseudo_terminal import CTRL_C, PseudoTerminal
from tests.workflow.study_run import StudyRun

COMMAND = ("cells", "--cores", "2", "--configfile", "tiny.yaml")
TYPED = "continue with:\n  python -m snakemake cells --cores 2 --configfile tiny.yaml\n"
LONG = "{default: {iterations: 400000}, 500: ~"


def with_plugin(study: StudyRun) -> StudyRun:
    """Return the study with the project's `workflow/` in the environment, where Snakemake finds the plugin."""
    return StudyRun(study.folder, (("PYTHONPATH", "workflow"), ("TERM", "dumb")))


def make_long(study: StudyRun) -> StudyRun:
    """Let cells train for minutes, so that a test can stop them."""
    study.edit("tiny.yaml", "{default: {iterations: 4}, 500: ~", LONG)
    study.edit("tiny.yaml", "{every: 2}", "{every: 500}")
    return with_plugin(study)


def on_terminal(study: StudyRun, *arguments: str) -> PseudoTerminal:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", **dict(study.environment)}
    return PseudoTerminal([sys.executable, "-m", "snakemake", *arguments], study.folder, environment)


def wait_for_steps(study: StudyRun, terminal: PseudoTerminal, cells: int) -> None:
    """Wait until cells have evaluated once."""

    def taking_steps(text: str) -> bool:
        logs = [log.read_text(encoding="utf-8") for log in study.folder.glob("results/store/*/log.txt")]
        return sum("| train loss" in log and "finished" not in log for log in logs) >= cells

    terminal.read_until(taking_steps)


def test_a_run_prints_a_line_a_cell_and_ends_with_the_answer(study: StudyRun) -> None:
    study.edit("tiny.yaml", "iterations: 4", "iterations: 6")
    done = with_plugin(study).snakemake("--cores", "2")
    lines = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 0, lines
    cells = [re.fullmatch(r"(n\d+/[\w-]+/seed0)  (\d+\.\d) %  in \d+ s  \((\d) of 6\)", line) for line in lines]
    found = [cell for cell in cells if cell]
    assert {cell[1] for cell in found} == {
        f"n{n}/{m}/seed0" for n in (20, 40) for m in ("non", "data-mix", "label-mix")
    }
    assert [int(cell[3]) for cell in found] == [1, 2, 3, 4, 5, 6]
    assert "No difference" in lines[-2] or "of the 2 training-set sizes" in lines[-2]
    assert lines[-1] == "the report: reports/tiny/report.html"
    assert len(lines) <= 25, lines
    assert not any(word in "\n".join(lines) for word in ("jobid", "Select jobs", "{", "\x1b"))

    again = with_plugin(study).snakemake("--cores", "2")
    assert again.stderr.splitlines()[-1] == "the report: reports/tiny/report.html"
    assert "Nothing to be done" in again.stderr


def test_without_the_plugin_the_answer_stands_last_too(study: StudyRun) -> None:
    (study.folder / "reports/tiny/report.html").unlink()
    done = study.snakemake("--cores", "2")
    assert done.returncode == 0
    assert done.stderr.splitlines().count("the report: reports/tiny/report.html") == 1


def test_ctrl_c_saves_and_says_how_to_go_on(study: StudyRun) -> None:
    make_long(study)
    terminal = on_terminal(with_plugin(study), *COMMAND)
    wait_for_steps(study, terminal, 2)
    before = len(terminal.text)
    terminal.type(CTRL_C)
    assert terminal.wait() == 1
    said = terminal.text[before:]
    assert re.search(r"stopped; 2 cells saved, at [\d,]+ and [\d,]+ of 400,000; " + re.escape(TYPED), said), said
    assert said.endswith(TYPED)
    assert len(said.splitlines()) <= 15
    assert not any(word in said for word in ("Traceback", "{", "RuleException", "message: None", "Error"))
    assert "\x1b[31m" not in terminal.raw.decode()


def test_a_second_ctrl_c_ends_at_once_without_a_traceback(study: StudyRun) -> None:
    make_long(study)
    study.edit("tiny.yaml", "{width: 4}", "{width: 128}")  # the trainers are still in their step when it comes
    terminal = on_terminal(with_plugin(study), *COMMAND)
    terminal.read_until(lambda text: len(list(study.folder.glob("results/store/*/progress.json"))) == 2)
    before = len(terminal.text)
    terminal.type(CTRL_C)
    terminal.read_until(lambda text: "stopping: " in text[before:])
    terminal.type(CTRL_C)
    assert terminal.wait() == -signal.SIGINT, terminal.text[before:]
    said = terminal.text[before:]
    assert said.endswith(TYPED), said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 15


def test_failed_cells_stand_last_with_one_message(tmp_path: Path) -> None:
    study = with_plugin(StudyRun.create(tmp_path / "project"))
    study.block_in_store(20)
    done = study.snakemake("--cores", "2")
    assert done.returncode == 1
    text = done.stdout + done.stderr
    end = done.stderr[done.stderr.index("\nfailed: ") :]
    assert re.search(
        r"failed: (n20/[\w-]+/seed0(, )?){3} \(3\)\nlog: (logs/tiny/cells/n20/[\w-]+/seed0.log(, )?){3}\n", end
    )
    assert end.count("cannot use the store") == 1
    assert not any(word in text for word in ("message: None", "RuleException", "{", "Traceback", "exec ", "wrote "))
    assert text.count("so-far/report.html") == 1


def test_the_page_so_far_goes_with_the_last_cell(tmp_path: Path) -> None:
    study = with_plugin(StudyRun.create(tmp_path / "project"))
    blocked = study.block_in_store(20)
    assert study.snakemake("--cores", "2").returncode == 1
    assert (study.folder / "reports/tiny/so-far/report.html").exists()
    for path in blocked:
        path.unlink()
    study.run()
    assert not (study.folder / "reports/tiny/so-far").exists()
    assert not (study.folder / "results/tiny/so-far").exists()


@pytest.mark.parametrize("environment", [(), (("PYTHONPATH", "workflow"),)], ids=["without the plugin", "with it"])
def test_a_dry_run_ends_with_a_short_table(study: StudyRun, environment: tuple[tuple[str, str], ...]) -> None:
    study.edit("tiny.yaml", "iterations: 4", "iterations: 6")
    run = StudyRun(study.folder, environment)
    assert run.planned()["train_cell"] == 6
    if environment:
        lines = run.snakemake("-n", "--cores", "2").stdout.splitlines()
        assert [line.split() for line in lines[:3]] == [
            ["cells", "to", "run", "non", "data-mix", "label-mix"],
            ["20", "images", "1", "1", "1"],
            ["40", "images", "1", "1", "1"],
        ]
        assert len(lines) <= 25
        assert "Reason:" in run.snakemake("-n", "--cores", "2", "--quiet", "host").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("results/demo/cells/n20/non/seed0/metrics.json",), "Add --configfile workflow/studies/demo.yaml"),
        (("results/tiny/cells/n20/non/seed5/metrics.json",), "Choose one of 0, or add it to seeds"),
        (("status",), "status is no target. It is a command: smallmix status"),
        (("--configfile", "tiny.yaml", "report"), "Put targets first: snakemake report --cores all --configfile …"),
    ],
)
def test_usual_slips_end_with_the_remedy(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    study = with_plugin(StudyRun.create(tmp_path / "project"))
    done = study.snakemake("--cores", "1", *arguments)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith(said), done.stderr
    assert len(done.stderr.splitlines()) <= 3
    assert "Traceback" not in done.stderr


def test_on_a_terminal_running_cells_are_drawn_below_the_lines(study: StudyRun) -> None:
    make_long(study)
    run = StudyRun(study.folder, (("PYTHONPATH", "workflow"), ("TERM", "xterm"), ("COLUMNS", "60"), ("NO_COLOR", "1")))
    terminal = on_terminal(run, *COMMAND)
    terminal.read_until(lambda text: "seed0 running, iteration" in text and "study tiny: 0 of 6 cells done" in text)
    terminal.type(CTRL_C)
    assert terminal.wait() == 1
    assert terminal.text.endswith(TYPED)
    assert "\x1b[31m" not in terminal.raw.decode()


def test_a_dataset_that_cannot_be_fetched_says_so_once_at_the_end(tmp_path: Path) -> None:
    study = with_plugin(StudyRun.create(tmp_path / "project"))
    closed = "http://127.0.0.1:9/cifar-10-python.tar.gz"
    study.edit("tiny.yaml", "dataset: {name: digits}", f"dataset: {{name: cifar10, cifar10: {{sources: [{closed}]}}}}")
    done = study.snakemake("fetch_dataset", "--cores", "1", timeout=500)
    text = done.stdout + done.stderr
    assert done.returncode == 1
    message = (
        (study.folder / "logs/datasets/cifar10.log")
        .read_text(encoding="utf-8")
        .partition("smallmix fetch-dataset: ")[2]
    )
    assert message
    assert done.stderr.endswith(message), done.stderr
    assert text.count(message.splitlines()[0]) == 1
    assert "so-far" not in text
