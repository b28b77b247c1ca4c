"""The lines of a run: one for each cell and step as it ends, and the last lines."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_smallmix.job_logs import (
    Saved,
    find_message,
    find_saved,
    read_tail,
    shorten_list,
    was_stopped,
    without_places,
)
from snakemake_logger_plugin_smallmix.live import LiveLines

if TYPE_CHECKING:
    from smallmix.planning.run_view import CurrentRun

TRAINING = "train_cell"
# What Snakemake says on its way and nobody needs: the run's own lines say it, or the end does.
UNNEEDED = (
    *("Building DAG of jobs", "Using shell:", "Provided ", "Rules claiming more", "Conda environments: ignored"),
    *("Singularity containers: ignored", "Group jobs: inactive", "Select jobs to execute", "Execute ", "Elapsed time:"),
    *("Complete log(s):", "Shutting down, this", "Exiting because a job execution failed", "Processed "),
    *("Assuming unrestricted shared", "host:", "Removing output files of failed job", "Workflow has started"),
    *("This was a dry-run", "Some jobs were triggered by provenance", "Reasons:"),
)
CLOCKS_DIFFER = 5.0  # seconds: a node's clock may be behind
STOP_NOW = "Terminating processes on user request"
STOP_LATER = "Will exit after finishing currently running jobs"
NOTHING_TO_DO = "Nothing to be done"
AGAIN = re.compile(r"Trying to restart job (\d+)")
JOBS_FAILED = "At least one job did not complete successfully"
STATUS = re.compile(r"(?:non-zero exit status (\d+)|died with <Signals\.\w+: (\d+)>)")
NO_RULE = re.compile(r"No rule to produce (.+?) \(if you use input")
# `WorkflowError in file "…", line 5:` before a message of ours, and the places of the call behind it.
HEADING = re.compile(r'\A(WorkflowError|ConfigurationError)( in (rule \w+ in )?file "[^"]*", line \d+)?:\n')
PLACES = re.compile(r'(\n\s*File "[^"]*", line \d+, in .*)+\s*\Z')


@dataclass
class Job:
    """A job as Snakemake announced it."""

    rule: str
    wildcards: dict[str, str]
    logs: list[str]
    outputs: list[str]
    command: str
    started: float

    @property
    def trains(self) -> bool:
        """Return whether it trains a cell; a module's rules may have a prefix."""
        return self.rule.endswith(TRAINING)

    @property
    def name(self) -> str:
        """Return the cell (n100/label-mix/seed3), or the rule with its wildcards."""
        known = self.wildcards
        if self.trains and {"size", "method", "seed"} <= set(known):
            return f"n{known['size']}/{known['method']}/seed{known['seed']}"
        return " ".join([self.rule, *known.values()])


@dataclass
class Failure:
    """A job that failed."""

    job: Job
    message: str


@dataclass
class RunDisplay:
    """Turns the records of a run into lines on `stream`. `quiet` are the kinds of output that are not wanted."""

    stream: TextIO
    dry: bool = False
    quiet: set[str] = field(default_factory=set)
    jobs: dict[int, Job] = field(default_factory=dict)
    running: dict[int, Job] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)
    stopped: dict[int, tuple[Job, Saved | None]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    stopping: str = ""
    nothing_to_do: bool = False
    plan: str = ""
    _texts: list[str] = field(default_factory=list)
    _live: LiveLines = field(init=False)

    def __post_init__(self) -> None:
        self._live = LiveLines(self.stream)

    def show(self, record: logging.LogRecord) -> None:
        """Take in one record; print what it has to say."""
        match getattr(record, "event", None):
            case LogEvent.JOB_INFO:
                self._begin(record)
            case LogEvent.JOB_FINISHED:
                self._finish(record)
            case LogEvent.JOB_ERROR:
                self._fail(record)
            case LogEvent.GROUP_ERROR:
                for info in getattr(record, "job_error_info", ()):
                    self._fail_by(int(info["jobid"]), list(info.get("log", ())), None, record.created)
            case LogEvent.RUN_INFO:
                self.counts = dict(getattr(record, "stats", None) or {})
                self.plan = record.getMessage()
            case LogEvent.ERROR:
                self._take_error(record)
            case None:
                self._take_text(record)

    def end(self) -> None:
        """Print the last lines: the plan of a dry run, what was stopped, what failed, or where the result is."""
        self._live.stop()
        from_rules = current_run()
        if self.dry:
            if self.plan and not self.errors:
                self.write(*self._cells_to_train(), *self.plan.rstrip().splitlines())
            elif self.nothing_to_do:
                self.write(f"{NOTHING_TO_DO} (all requested files are present and up to date).")
            self.write(*self.errors)
            return
        if self.stopping or (self.stopped and not self.failures):
            self.write(*self._failed(), *self._stopped(from_rules))
        elif self.failures or self.errors:
            self.write(*self.errors, *self._failed())
        else:
            if self.nothing_to_do:
                self.write(f"{NOTHING_TO_DO} (all requested files are present and up to date).")
            if from_rules and (self.nothing_to_do or {"all", "report", "render_report"} & set(self.counts)):
                self.write(*from_rules.closing_lines())

    def write(self, *lines: str) -> None:
        """Print lines."""
        left = [line for line in lines if not self._live.print(line)]
        if left:
            self.stream.write("".join(f"{line}\n" for line in left))
            self.stream.flush()

    def _begin(self, record: logging.LogRecord) -> None:
        fields = record.__dict__
        job = Job(
            rule=fields["rule_name"],
            wildcards=dict(fields.get("wildcards") or {}),
            logs=list(fields.get("log") or ()),
            outputs=list(fields.get("output") or ()),
            command=str(fields.get("shellcmd") or ""),
            started=record.created,
        )
        self.jobs[fields["jobid"]] = self.running[fields["jobid"]] = job
        if job.trains and not self.dry:
            self._live.start(current_run())

    def _finish(self, record: logging.LogRecord) -> None:
        number = int(record.__dict__["job_id"])
        job = self.running.pop(number, None)
        if job is None or self.dry:
            return
        self._stop_live_without_cells()
        self.done[job.rule] += 1
        took = _duration(record.created - job.started)
        count, done = self.counts.get(job.rule, 0), self.done[job.rule]
        if job.trains:
            metrics = _read_metrics(job.outputs)
            accuracy = _accuracy(metrics)
            shown = f"  {100 * accuracy:.1f} %" if accuracy is not None else ""
            how = "from the store" if _was_finished(metrics, job.started) else f"in {took}"
            self.write(f"{job.name}{shown}  {how}  ({done} of {count})")
        elif job.command and count > 1:
            # Many small steps, such as the subsets: one line when the last of them is done.
            if done == count:
                self.write(f"{job.rule}  {count} done")
        elif job.command:
            self.write(f"{job.name}  in {took}")

    def _fail(self, record: logging.LogRecord) -> None:
        number = int(record.__dict__["jobid"])
        command = str(record.__dict__.get("shellcmd") or "")
        status = None
        for text in [text for text in self._texts if command and command.strip() in text]:
            self._texts.remove(text)
            found = STATUS.search(text.rpartition(command.strip())[2])
            status = (int(found[1]) if found[1] else -int(found[2])) if found else None
        self._fail_by(number, list(record.__dict__.get("log") or ()), status, record.created)

    def _fail_by(self, number: int, logs: list[str], status: int | None, when: float) -> None:
        job = self.running.pop(number, None) or self.jobs.get(number)
        if job is None:
            return
        self._stop_live_without_cells()
        tail = read_tail(logs or job.logs)
        if self.stopping == "now" or was_stopped(tail):
            self.stopped[number] = (job, find_saved(tail))
            return
        self.failures[number] = Failure(job, find_message(tail, status))
        others = "; the others go on" if self.running or job.trains else ""
        self.write(f"{job.name}  failed after {_duration(when - job.started)}{others}")

    def _take_error(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if JOBS_FAILED in text:
            return
        if "CalledProcessError" in text:
            self._texts.append(text)
            return
        text = explain_usual_slip(text) or PLACES.sub("", HEADING.sub("", text.strip()))
        if text and text not in self.errors:
            self.errors.append(text)

    def _take_text(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip()
        if STOP_NOW in text:
            self.stopping = "now"
            self._live.stop()
            self.write("stopping: running cells save what they have …")
        elif STOP_LATER in text:
            if not self.stopping:
                self.write(
                    f"asked to stop: nothing new starts, {_count(len(self.running), 'job')} may finish "
                    "(Ctrl-C saves and stops them now)"
                )
            self.stopping = self.stopping or "later"
        elif NOTHING_TO_DO in text:
            self.nothing_to_do = True
        elif found := AGAIN.match(text):
            failed = self.failures.pop(int(found[1]), None) or self.stopped.pop(int(found[1]), (None,))[0]
            if failed:
                self.write(f"{failed.job.name if isinstance(failed, Failure) else failed.name}  is tried again")
        elif text and not text.startswith(UNNEEDED):
            self.write(text)

    def _stop_live_without_cells(self) -> None:
        """Leave the terminal to the steps that print something themselves."""
        if not any(job.trains for job in self.running.values()):
            self._live.stop()

    def _stopped(self, run: CurrentRun | None) -> list[str]:
        """Return what was saved, and how to go on."""
        cut = list(self.stopped.values())
        cut += [(job, find_saved(read_tail(job.logs))) for job in self.running.values()]
        saved = [where for job, where in cut if job.trains and where is not None]
        lines = [f"stopped; {_describe_saved(saved)}; continue with:" if saved else "stopped; continue with:"]
        return [*lines, f"  {run.command if run else 'the same command'}"]

    def _failed(self) -> list[str]:
        """Return what failed: for each message once, the jobs, their logs, and the message with its remedy last."""
        groups: dict[str, list[Failure]] = {}
        for failure in self.failures.values():
            groups.setdefault(without_places(failure.message), []).append(failure)
        lines = []
        for failures in groups.values():
            names = [failure.job.name for failure in failures]
            logs = [log for failure in failures for log in failure.job.logs]
            lines += [
                "",
                f"failed: {shorten_list(names)}" + (f" ({len(names)})" if len(names) > 1 else ""),
                f"log: {shorten_list(logs, 3)}",
                *failures[0].message.splitlines(),
            ]
        return lines

    def _cells_to_train(self) -> list[str]:
        """Return the cells of a dry run, by size and method, and why; nothing where no cell is trained."""
        cells = [job.wildcards for job in self.jobs.values() if job.trains and "size" in job.wildcards]
        if not cells:
            return []
        found = Counter((int(cell["size"]), cell["method"]) for cell in cells)
        methods = list(dict.fromkeys(cell["method"] for cell in sorted(cells, key=lambda cell: cell["method"])))
        run = current_run()
        if run is not None:
            methods.sort(key=list(run.layout.study.methods).index)
        rows = [["cells to run", *methods]]
        rows += [
            [f"{size:,} images", *(str(found[size, method] or "-") for method in methods)]
            for size in sorted({size for size, _ in found})
        ]
        reasons = [] if run is None else run.reasons({job.name for job in self.jobs.values() if job.trains})
        return [*_table(rows), *(f"- {reason}" for reason in reasons), ""]


def explain_usual_slip(text: str) -> str | None:
    """Return what was probably meant where Snakemake knows no target or no configuration file; None elsewhere."""
    import sys

    from smallmix.study.targets import TARGETS, explain_configfiles, explain_target

    unknown = NO_RULE.search(text)
    run = current_run()
    if unknown and run is not None:
        return explain_target(unknown[1], TARGETS, run.layout.study)
    return explain_configfiles(sys.argv, TARGETS, Path()) if "FileNotFoundError" in text else None


def current_run() -> CurrentRun | None:
    """Return what the rules told of this run; None where another workflow runs, or none was read."""
    import sys

    module = sys.modules.get("smallmix.planning.run_view")
    return module.current() if module else None


def _describe_saved(saved: Sequence[Saved]) -> str:
    where = sorted(saved, key=lambda one: -one.at)
    cells = f"{_count(len(saved), 'cell')} saved"
    if len({one.of for one in where}) == 1 and len(where) <= 6:
        at = [f"{one.at:,}" for one in where]
        return f"{cells}, at {' and '.join(filter(None, [', '.join(at[:-1]), at[-1]]))} of {where[0].of:,}"
    return f"{cells}, at {shorten_list([f'{one.at:,} of {one.of:,}' for one in where], 4)}"


def _read_metrics(outputs: Sequence[str]) -> Mapping[str, Any]:
    """Return the content of a finished cell's metrics.json; nothing where that file is not here."""
    for path in outputs:
        if Path(path).name == "metrics.json":
            with contextlib.suppress(OSError, ValueError):
                content = json.loads(Path(path).read_text(encoding="utf-8"))
                return content if isinstance(content, dict) else {}
    return {}


def _accuracy(metrics: Mapping[str, Any]) -> float | None:
    """Return a finished cell's test accuracy as the study selects it, from 0 to 1; None where it is not known."""
    run = current_run()
    column = "best_test_accuracy" if run is None else run.declared_metric
    try:
        return float(metrics[column])
    except (ValueError, KeyError, TypeError):
        return None


def _was_finished(metrics: Mapping[str, Any], started: float) -> bool:
    """Return whether a cell's training had come to its end before the job was started (seconds since 1970)."""
    try:
        finished = datetime.fromisoformat(str(metrics["timing"]["finished"])).timestamp()
    except (ValueError, KeyError, TypeError):
        return False
    return finished < started - CLOCKS_DIFFER


def _duration(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
