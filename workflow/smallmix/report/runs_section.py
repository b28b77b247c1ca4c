"""The sections of runs and of their provenance.

Which runs are finished, which are not and why, and the command that finishes the rest. Then machines, versions and
times behind the numbers, and what identifies code and data.
"""

from __future__ import annotations

import math
import os
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from smallmix.report.tables_section import Entry, TableView, number_entry, size_entry
from smallmix.study.layout import Folders, Layout
from smallmix.study.study import cell_id
from smallmix.tables.columns import selections_of
from smallmix.tables.study_tables import StudyTables
from smallmix.wording import NO_NUMBER, count_of, duration, percent_number

STATUSES = ("current", "stale", "failed", "stored", "resumable", "missing")
STATUS_NAMES = {
    "current": "finished",
    "stale": "outdated",
    "failed": "failed",
    "stored": "trained, not copied yet",
    "resumable": "begun",
    "missing": "waiting",
}
STATUS_MARKS = {
    "current": "good",
    "stale": "warn",
    "failed": "bad",
    "stored": "quiet",
    "resumable": "quiet",
    "missing": "quiet",
}
HEADS = {"best": "Best", "last": "Last", "last_tenth": "Last tenth", "validation": "At best validation"}
CAPTURED = {
    "graph": "{} replayed whole steps as CUDA graphs.",
    "graph-compiled": "{} replayed compiled steps as CUDA graphs (recipe.executor: graph-compiled), which round "
    "differently from plain ones.",
}
FALLBACKS = {
    "fallback": "steps started one by one",
    "evaluation_fallback": "evaluations started kernel by kernel",
}
CELLS_NAMED = 20
NO_LOGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Trouble:
    """A run that failed or is outdated, with the reason, the last lines of its log, and the address of the log."""

    cell_id: str
    status: str
    reason: str
    log_tail: tuple[str, ...]
    log: str = ""


@dataclass(frozen=True)
class Runs:
    """The runs of a study: counts by status, a matrix, the troubled ones, every one, and what to type."""

    counts: tuple[tuple[str, str, int], ...]
    matrix: TableView
    troubles: tuple[Trouble, ...]
    every: TableView
    command: str | None


def find_logs(layout: Layout, page: Path) -> dict[str, str]:
    """Return the addresses of the logs that are there, as seen from the file `page`, by the ids of their cells."""
    folder = layout.root / layout.folders.logs / layout.study.name / "cells"
    found = {}
    for cell in layout.study.cells:
        log = folder / f"{cell.id}.log"
        if log.exists():
            found[cell.id] = quote(os.path.relpath(log, page.parent).replace(os.sep, "/"))
    return found


def compose_runs(tables: StudyTables, command: str | None = None, logs: Mapping[str, str] = NO_LOGS) -> Runs:
    """Compose the section. `command` is the call that runs the study, `logs` what `find_logs` found."""
    statuses = _statuses(tables)
    counts = Counter(status for status, _ in statuses.values())
    return Runs(
        counts=tuple((STATUS_NAMES[one], STATUS_MARKS[one], counts[one]) for one in STATUSES if counts[one]),
        matrix=_matrix(tables, statuses),
        troubles=tuple(_troubles(tables, statuses, logs)),
        every=_every(tables, statuses, logs),
        command=finish_command(tables, statuses, command),
    )


CellKey = tuple[int, str, int]  # size, method, seed


def _statuses(tables: StudyTables) -> dict[CellKey, tuple[str, str]]:
    """Return status and reason of every cell of the study; a cell that cells.csv does not know is missing."""
    known = {
        (int(row["size"]), str(row["method"]), int(row["seed"])): (str(row["status"]), str(row["reason"]))
        for row in tables.cells.to_dict("records")
    }
    found = {}
    for cell in sorted(tables.study.cells, key=lambda one: one.size):
        status, reason = known.get((cell.size, cell.method, cell.seed), ("missing", "not collected yet"))
        found[cell.size, cell.method, cell.seed] = (status if status in STATUS_NAMES else "missing", reason)
    return found


def finish_command(tables: StudyTables, statuses: dict[CellKey, tuple[str, str]], command: str | None) -> str | None:
    """Return what to type to finish the study: `command`, and outdated and failed runs by name.

    None where nothing is left, and where nobody knows the files that made the study: a made-up name helps nobody.
    """
    if command is None or all(status == "current" for status, _ in statuses.values()):
        return None
    name = tables.study.name
    again = [
        f"{Folders.of_this_process().results}/{name}/cells/{cell_id(*key)}/metrics.json"
        for key, (status, _) in statuses.items()
        if status in ("stale", "failed")
    ]
    if again:
        command += " --forcerun " + shlex.join(again if len(again) <= CELLS_NAMED else ["train_cell"])
    return command


def _matrix(tables: StudyTables, statuses: dict[CellKey, tuple[str, str]]) -> TableView:
    seeds = tables.study.seeds
    rows = []
    for size in tables.sizes:
        row = [size_entry(size)]
        for method in tables.study.methods:
            counts = Counter(statuses[size, method, seed][0] for seed in seeds)
            others = [f"{counts[one]} {STATUS_NAMES[one]}" for one in STATUSES[1:] if counts[one]]
            worst = next(
                (one for one in ("failed", "stale", "missing", "resumable", "stored") if counts[one]), "current"
            )
            text = f"{counts['current']} of {len(seeds)}" + (f" ({', '.join(others)})" if others else "")
            row.append(Entry(text, mark=STATUS_MARKS[worst]))
        rows.append(tuple(row))
    return TableView(
        name="table-matrix",
        caption="Finished runs by size and method.",
        columns=("Training images", *tables.study.methods),
        rows=tuple(rows),
        stacks=True,
    )


def _troubles(tables: StudyTables, statuses: dict[CellKey, tuple[str, str]], logs: Mapping[str, str]) -> list[Trouble]:
    failures: dict[str, dict[str, Any]] = {
        str(one.get("cell")): one for one in tables.provenance.get("failures", []) if isinstance(one, dict)
    }
    found = []
    for key, (status, reason) in statuses.items():
        if status in ("failed", "stale"):
            lines = failures.get(cell_id(*key), {}).get("log_tail", [])
            log = logs.get(cell_id(*key), "")
            found.append(Trouble(cell_id(*key), STATUS_NAMES[status], reason, tuple(map(str, lines)), log))
    return found


def _every(tables: StudyTables, statuses: dict[CellKey, tuple[str, str]], logs: Mapping[str, str]) -> TableView:
    numbers = {
        (int(row["size"]), str(row["method"]), int(row["seed"])): row for row in tables.metrics.to_dict("records")
    }
    seconds = _seconds(tables)
    selections = selections_of(tables.study.validation_images)
    rows = []
    for key, (status, _) in statuses.items():
        row = numbers.get(key, {})
        accuracies = [_percent(row, column) for column in selections.values()]
        best_at, taken = float(row.get("best_iteration", math.nan)), seconds.get(cell_id(*key), math.nan)
        rows.append(
            (
                size_entry(key[0]),
                Entry(key[1]),
                Entry(str(key[2]), key[2]),
                Entry(STATUS_NAMES[status], mark=STATUS_MARKS[status]),
                *accuracies,
                number_entry(f"{best_at:,.0f}" if math.isfinite(best_at) else NO_NUMBER, best_at),
                _percent(row, "final_clean_train_accuracy"),
                number_entry(duration(taken), taken),
                *(
                    [Entry("log" if cell_id(*key) in logs else NO_NUMBER, link=logs.get(cell_id(*key), ""))]
                    if logs
                    else []
                ),
            )
        )
    return TableView(
        name="table-runs",
        caption="Every run; test accuracies in percent. The files of a run lie in "
        f"{Folders.of_this_process().results}/{tables.study.name}/cells/n<size>/<method>/seed<seed>/.",
        columns=(
            "Images", "Method", "Seed", "Status", *(HEADS[name] for name in selections), "Best at iteration",
            "Clean training, last", "Time", *(["Log"] if logs else []),
        ),
        rows=tuple(rows),
        sortable=True,
        filter_by="Status",
    )  # fmt: skip


def _log_entry(address: str) -> Entry:
    return Entry("log", link=address) if address else Entry(NO_NUMBER)


def _percent(row: dict[Any, Any], key: str) -> Entry:
    value = float(row.get(key, math.nan))
    return number_entry(percent_number(value), value)


def _seconds(tables: StudyTables) -> dict[str, float]:
    """Return the wall-clock seconds of each run, by cell id."""
    found: dict[str, float] = {}
    for group in tables.provenance.get("environments", []):
        for cell, timing in group.get("timing", {}).items():
            value = timing.get("total_seconds")
            if isinstance(value, int | float):
                found[str(cell)] = float(value)
    return found


def hardware_sentences(tables: StudyTables) -> list[str]:
    """Return one sentence per group of runs: device, versions, time."""
    sentences = []
    for group in tables.provenance.get("environments", []):
        machine: dict[str, Any] = group.get("environment", {})
        device = str(machine.get("device", "an unknown device"))
        processor = str(machine.get("processor", "")).strip()
        described = (
            f"{device} ({processor}, {count_of(int(machine.get('threads', 1)), 'thread')})"
            if device == "cpu"
            else device
        )
        memory = f", memory {machine['memory']}" if "memory" in machine else ""
        peak = int(group.get("peak_memory_bytes", 0))
        used = f", at most {peak / 1e9:.1f} GB of memory a process" if peak else ""
        sentences.append(
            f"{len(group.get('cells', []))} runs on {described}: torch {machine.get('torch', '?')}, "
            f"Python {machine.get('python', '?')}, {machine.get('precision', '?')}, {machine.get('platform', '?')}"
            f"{memory}; {duration(float(group.get('total_seconds', 0)))} of computing{used}."
        )
    return sentences


def executor_sentences(tables: StudyTables) -> list[str]:
    """Return what readers of the times should know: captured and compiled steps, and runs that fell back from them."""
    executors: dict[str, set[str]] = {}
    fallbacks: dict[tuple[str, str], dict[str, None]] = {}
    for one in tables.provenance.get("executions", []):
        execution: dict[str, str] = one["execution"]
        executors.setdefault(str(execution.get("executor")), set()).update(one["cells"])
        for key in FALLBACKS:
            if execution.get(key):
                fallbacks.setdefault((key, execution[key]), {}).update(dict.fromkeys(one["cells"]))
    sentences = [
        sentence.format(count_of(len(executors[executor]), "run"))
        for executor, sentence in CAPTURED.items()
        if executor in executors
    ]
    for (key, reason), cells in fallbacks.items():
        more = f" and {len(cells) - CELLS_NAMED:,} more" if len(cells) > CELLS_NAMED else ""
        sentences.append(
            f"{count_of(len(cells), 'run')} fell back to {FALLBACKS[key]}, with the same numbers in more time: "
            f"{', '.join(list(cells)[:CELLS_NAMED])}{more}. The reason: {reason.rstrip('.')}."
        )
    return sentences


def provenance_rows(tables: StudyTables) -> list[tuple[str, str]]:
    """Return (what, value) of everything that identifies code, data and configuration."""
    rows = [("Study", tables.study.name), *_source_rows(tables)]
    rows += [
        ("Code fingerprint of the trained runs", str(one)) for one in tables.provenance.get("code_fingerprints", [])
    ]
    rows += _adoption_rows(tables)
    if tables.dataset is not None:
        rows += [(f"sha256 of {name}", value) for name, value in sorted(tables.dataset.checksums.items())]
        rows += [(f"Source of the images: {name}", value) for name, value in tables.dataset.source.items()]
    for position, group in enumerate(tables.provenance.get("environments", []), start=1):
        title = f"Environment {position}"
        rows += [(f"{title}: {key}", str(value)) for key, value in sorted(group.get("environment", {}).items())]
        rows.append((f"{title}: runs", str(len(group.get("cells", [])))))
        for key, label in (("first_started", "first run started"), ("last_started", "last run started")):
            if group.get(key):
                rows.append((f"{title}: {label}", str(group[key])))
        rows.append((f"{title}: computing time", duration(float(group.get("total_seconds", 0)))))
        if group.get("resumed_cells"):
            rows.append((f"{title}: interrupted and resumed runs", str(group["resumed_cells"])))
    return rows


def _source_rows(tables: StudyTables) -> list[tuple[str, str]]:
    """Return one sentence on the code that collected the tables. Tables of older versions do not say."""
    source: dict[str, Any] = tables.provenance.get("collected_by", {})
    if not source:
        return []
    commit = f", git commit {source['commit']}" if "commit" in source else ", outside of a git checkout"
    modified = ", with uncommitted changes" if source.get("modified") else ""
    return [("Code", f"The tables were collected by smallmix {source.get('version', '?')}{commit}{modified}.")]


def _adoption_rows(tables: StudyTables) -> list[tuple[str, str]]:
    """Return a row for each older version of the training code whose results were adopted after a replay."""
    total = int(tables.provenance.get("current_cells", len(tables.metrics)))
    counts: Counter[tuple[str, str, int]] = Counter()
    for adoption in tables.provenance.get("adopted", []):  # one for each replayed sample
        origin = str(adoption["code_fingerprint"]), str(adoption["version"]), int(adoption["iterations"])
        counts[origin] += len(adoption["cells"])
    return [
        (
            f"Adopted from code fingerprint {fingerprint}",
            f"{count:,} of {count_of(total, 'cell')}, trained by smallmix {version}, after a replay of "
            f"{count_of(iterations, 'iteration')} gave equal weights",
        )
        for (fingerprint, version, iterations), count in counts.items()
    ]
