"""Records of Snakemake become short lines, and the last lines say what to do."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from smallmix.planning import run_view
from smallmix.planning.run_view import CurrentRun
from smallmix.study.study import Study
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_logger_plugin_smallmix.job_logs import Saved, find_message, find_saved, was_stopped
from snakemake_logger_plugin_smallmix.live import LiveLines
from snakemake_logger_plugin_smallmix.run_display import RunDisplay

from tests.tiny_study import TinyStudy

PACKAGE_PARENT = Path(__file__).resolve().parents[3] / "workflow"
SHELL = "exec python -m smallmix train-cell --cell '{\"budget\":1}' --output {0}"


class Run:
    """A display, and the records that Snakemake would send."""

    def __init__(self, folder: Path, **choices: Any) -> None:
        self.folder, self.clock = folder, 1000.0
        self.stream = io.StringIO()
        self.display = RunDisplay(self.stream, **choices)

    def send(self, text: str = "", event: LogEvent | None = None, seconds: float = 0.0, **fields: Any) -> None:
        self.clock += seconds
        record = logging.makeLogRecord({"msg": text, "levelno": logging.INFO, "event": event, **fields})
        record.created = self.clock
        self.display.show(record)

    def begin(self, number: int, rule: str = "train_cell", size: int = 20, **fields: Any) -> dict[str, Any]:
        job = {
            "jobid": number,
            "rule_name": rule,
            "wildcards": {"size": str(size), "method": "non", "seed": str(number)} if rule == "train_cell" else {},
            "log": [str(self.folder / f"{number}.log")],
            "output": [str(self.folder / str(number) / "metrics.json")],
            "shellcmd": SHELL.replace("{0}", f"cell{number}"),
            **fields,
        }
        self.send(event=LogEvent.JOB_INFO, **job)
        return job

    def fail(self, job: dict[str, Any], log: str, status: int = 1) -> None:
        Path(job["log"][0]).write_text(log, encoding="utf-8")
        command = f"set -euo pipefail;  {job['shellcmd']}"
        error = (
            f"RuleException:\nCalledProcessError in file x, line 3:\nCommand '{command}' returned non-zero exit status"
        )
        self.send(f"{error} {status}.", LogEvent.ERROR, exception="RuleException")
        self.send("Error in rule", LogEvent.JOB_ERROR, seconds=3, **job)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    def end(self) -> list[str]:
        before = len(self.lines)
        self.display.end()
        return self.lines[before:]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_a_cell_ends_with_accuracy_time_and_count(run: Run) -> None:
    run.send("Job stats:", LogEvent.RUN_INFO, stats={"train_cell": 36, "collect_metrics": 1, "total": 38})
    job = run.begin(3, size=100)
    Path(job["output"][0]).parent.mkdir()
    Path(job["output"][0]).write_text(json.dumps({"best_test_accuracy": 0.382}), encoding="utf-8")
    run.send("Select jobs to execute...")
    run.send("Finished", LogEvent.JOB_FINISHED, seconds=72, job_id=3)
    run.begin(4, "collect_metrics")
    run.send("Finished", LogEvent.JOB_FINISHED, seconds=2, job_id=4)
    run.begin(0, "all", shellcmd=None)
    run.send("Finished", LogEvent.JOB_FINISHED, job_id=0)
    assert run.lines == ["n100/non/seed3  38.2 %  in 1 min 12 s  (1 of 36)", "collect_metrics  in 2 s"]


@pytest.mark.parametrize(
    ("finished", "shown"),
    [("1970-01-01T00:16:35Z", "in 4 s"), ("1970-01-01T00:16:34Z", "from the store"), (7, "in 4 s")],
)
def test_a_cell_that_was_trained_before_is_not_said_to_train(tmp_path: Path, finished: Any, shown: str) -> None:
    """The job starts at second 1,000. A clock may be five seconds behind."""
    run = Run(tmp_path)
    run.send("", LogEvent.RUN_INFO, stats={"train_cell": 2})
    job = run.begin(3)
    metrics = Path(job["output"][0])
    metrics.parent.mkdir()
    metrics.write_text(json.dumps({"best_test_accuracy": 0.4, "timing": {"finished": finished}}), encoding="utf-8")
    run.send(event=LogEvent.JOB_FINISHED, seconds=4, job_id=3)
    assert run.lines == [f"n20/non/seed3  40.0 %  {shown}  (1 of 2)"]


def test_many_small_steps_are_one_line(run: Run) -> None:
    run.send("Job stats:", LogEvent.RUN_INFO, stats={"extract_subset": 2})
    for number in (1, 2):
        run.begin(number, "extract_subset")
        run.send("Finished", LogEvent.JOB_FINISHED, job_id=number)
    assert run.lines == ["extract_subset  2 done"]


def test_warnings_and_unknown_texts_are_shown_whole(run: Run) -> None:
    run.send("The job was lost.\nIts node is down.", levelno=logging.WARNING)
    run.send("Job 7 has been submitted with SLURM jobid 12 (log: x).")
    run.send("Using shell: /bin/bash")
    assert run.lines == [
        "The job was lost.",
        "Its node is down.",
        "Job 7 has been submitted with SLURM jobid 12 (log: x).",
    ]


def test_equal_failures_are_said_once_and_last(run: Run) -> None:
    for number in (1, 2):
        message = f"the loss became nan at iteration {number}0 of 300. Lower recipe.learning_rate."
        run.fail(run.begin(number), f"iteration 1\nsmallmix train-cell: {message}\n")
    run.send("WorkflowError: At least one job did not complete successfully.", LogEvent.ERROR)
    assert run.lines == [f"n20/non/seed{number}  failed after 3 s; the others go on" for number in (1, 2)]
    said = run.end()
    assert said[1] == "failed: n20/non/seed1, n20/non/seed2 (2)"
    assert said[2].startswith("log: ")
    assert said[3:] == ["the loss became nan at iteration 10 of 300. Lower recipe.learning_rate."]


def test_other_failures_are_groups_of_their_own(run: Run) -> None:
    run.fail(run.begin(1), "smallmix train-cell: no space left. Make room.\n")
    run.fail(run.begin(2), "", status=137)
    said = "\n".join(run.end())
    assert "no space left. Make room." in said
    assert said.endswith("Run fewer jobs at once (--cores), then start the same command again.")
    assert "{" not in said


def test_a_job_that_is_tried_again_has_not_failed(run: Run) -> None:
    run.fail(run.begin(1), "smallmix train-cell: no space left.\n")
    run.send("Trying to restart job 1.")
    assert run.lines[-1] == "n20/non/seed1  is tried again"
    run.begin(1)
    run.send("Finished", LogEvent.JOB_FINISHED, job_id=1)
    assert run.end() == []


def test_a_stop_says_what_was_saved(run: Run) -> None:
    jobs = [run.begin(1), run.begin(2)]
    run.send("Terminating processes on user request, this might take some time.")
    for job, at in zip(jobs, ("451", "519"), strict=True):
        run.fail(job, f"smallmix train-cell: SIGINT received: saved at iteration {at} of 1,400. Run it again.\n", 6)
    said = run.end()
    assert said[0] == "stopped; 2 cells saved, at 519 and 451 of 1,400; continue with:"
    assert len(said) == 2
    assert not any("failed" in line for line in run.lines)


def test_jobs_that_ended_without_a_record_are_read_at_the_end(run: Run) -> None:
    job = run.begin(1)
    Path(job["log"][0]).write_text("smallmix train-cell: SIGINT received: saved at iteration 7 of 9. Again.", "utf-8")
    run.send("Terminating processes on user request, this might take some time.")
    assert run.end()[0] == "stopped; 1 cell saved, at 7 of 9; continue with:"


def test_a_failure_before_the_stop_is_not_lost(run: Run) -> None:
    run.fail(run.begin(1), "smallmix train-cell: no space left. Make room.\n")
    run.send("Terminating processes on user request, this might take some time.")
    said = "\n".join(run.end())
    assert "no space left. Make room." in said
    assert "stopped; continue with:" in said


def test_a_message_of_ours_stands_without_snakemakes_heading(run: Run) -> None:
    heading = 'WorkflowError in file "/x/study.smk", line 56:\n'
    run.send(
        f'{heading}The configuration has one problem:\n  - seeds\n  File "/x/study.smk", line 56, in <module>',
        LogEvent.ERROR,
    )
    assert run.end() == ["The configuration has one problem:", "  - seeds"]


def test_a_dry_run_counts_cells_by_size_and_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_view, "_current", [])  # as where another workflow runs
    run = Run(tmp_path, dry=True)
    for number, size in ((1, 100), (2, 20), (3, 20)):
        run.begin(number, size=size)
    run.send("Job stats:\njob  count\n---\ntotal  3\n", LogEvent.RUN_INFO, stats={"total": 3})
    run.send("This was a dry-run (flag -n). The order of jobs does not reflect the order of execution.")
    said = run.end()
    assert [line.split() for line in said[:4]] == [
        ["cells", "to", "run", "non"],
        ["20", "images", "2"],
        ["100", "images", "1"],
        [],
    ]
    assert said[4:] == ["Job stats:", "job  count", "---", "total  3"]


def test_a_dry_run_says_why_finished_cells_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = TinyStudy.write(tmp_path)
    made.train("n20/non/seed0")
    values = made.layout.study.configuration
    longer = Study.from_configuration({**values, "budgets": {"default": {"iterations": 8}}})
    monkeypatch.setattr(run_view, "_current", [CurrentRun(replace(made.layout, study=longer), "the command")])
    run = Run(tmp_path, dry=True)
    for number in (0, 1):
        run.begin(number)
    run.send("Job stats:\ntotal  2\n", LogEvent.RUN_INFO, stats={"total": 2})
    said = run.end()
    assert said[1].split() == ["20", "images", "2"]
    assert said[2].startswith("- 1 outdated: budget.amount is 6, wanted 8")
    assert said[3:] == ["", "Job stats:", "total  2"]


def test_logs_are_read_by_their_last_message() -> None:
    tail = "smallmix train-cell: SIGTERM received: saved at iteration 1,200 of 1,400. Run the same command again.\n"
    assert find_saved(tail) == Saved(1200, 1400)
    assert was_stopped(tail)
    again = tail + "continued\nsmallmix train-cell: no space left.\nMake room.\n"
    assert find_saved(again) is None
    assert not was_stopped(again + "\nmore\nlines\n")
    assert find_message(again, 3) == "no space left.\nMake room."
    trace = 'Traceback (most recent call last):\n  File "x"\nValueError: odd'
    assert (
        find_message(trace, 1)
        == "it ended with exit status 1: ValueError: odd (unexpected: the log has the whole traceback)"
    )


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_cells_that_only_start_are_not_said_not_to_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    live = LiveLines(stream)
    live.start(CurrentRun(TinyStudy.write(tmp_path).layout, "the command"))
    live.stop()
    assert "study tiny: 0 of 6 cells done, 6 waiting" in stream.getvalue()
    assert "no cell trains now" not in stream.getvalue()


def test_lines_of_running_cells_load_no_library_for_tables() -> None:
    """A run's first reading would take seconds, and the drawn lines would stay old for ten times as long."""
    program = (
        "import sys; import smallmix.planning.status, smallmix.planning.status_view; "
        "heavy = {'torch', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules); assert not heavy, heavy"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
