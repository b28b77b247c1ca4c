"""Find the status of every cell of a study: from its folder, from the store, and from the log of its last training.

`find_statuses` looks at where results come from, which is quick. `collect` also reads every file of every cell.
Numpy is needed by `collect` alone.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from smallmix.code_fingerprint import fingerprint_training
from smallmix.datasets.data_fingerprint import fingerprint_data
from smallmix.errors import DatasetError, SmallmixError
from smallmix.study.cell import Cell
from smallmix.study.layout import CELL_FILES, WEIGHTS_FILE, Folders, Layout
from smallmix.study.study import Study, StudyCell
from smallmix.tables.cell_status import (
    OTHER_CODE,
    STATUS_WORDS,
    CellStatus,
    Collection,
    UnusableFile,
    WantedFingerprints,
    find_other_origins,
    read_metrics,
)
from smallmix.training.log_reading import ENDS
from smallmix.training.store import StoreEntry, store_key

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (.*)")
NOT_TRAINED = "not trained yet"
TRAINED_WITHOUT_WEIGHTS = "trained without keeping its network; the next run trains it again, to the same weights"
TRAINING_RULE = "train_cell"
CELLS_SHOWN = 20

Judge = Callable[[StudyCell, Path, WantedFingerprints], CellStatus]


def collect(study: Study, layout: Layout, code_fingerprint: str | None = None) -> Collection:
    """Find every cell's status and read the files of those that are current.

    code_fingerprint is that of the training code, by default as it is now. Raises nothing for what cells' folders or
    the data's files hold: each problem becomes a status and a reason.
    """
    from smallmix.tables.cell_files import examine_files

    wanted = find_wanted(study.cells, layout, code_fingerprint)
    return Collection(study, tuple(find_status(layout, cell, wanted[cell.id], examine_files) for cell in study.cells))


def collect_into(layout: Layout, folder: Path, *, require_complete: bool = False) -> Collection:
    """Find every cell's status, write the study's tables and provenance.json into `folder`, and return the statuses.

    Raises SmallmixError, and writes nothing, where completeness is required and cells are not current.
    """
    from smallmix.source_commit import describe_source
    from smallmix.tables.collected_tables import write_provenance, write_study_tables

    collection = collect(layout.study, layout)
    if require_complete and collection.not_current:
        raise SmallmixError(explain_incomplete(collection))
    write_study_tables(collection, folder)
    write_provenance(collection, folder / "provenance.json", describe_source())
    return collection


def list_cells(collection: Collection) -> list[str]:
    """Return one line for each of the first cells that are not current, and how many more there are."""
    lines = [
        f"  {one.cell.id}: {STATUS_WORDS[one.status]}: {one.reason}" for one in collection.not_current[:CELLS_SHOWN]
    ]
    more = len(collection.not_current) - CELLS_SHOWN
    return lines if more <= 0 else [*lines, f"  ... and {more} more"]


def explain_incomplete(collection: Collection) -> str:
    """Return what is wrong with which cells, and the command that trains them again."""
    return "\n".join(
        [
            f"{collection.summary()}. No tables were written, because these cells are not current:",
            *list_cells(collection),
            "(`collect-metrics` without --require-complete lists all of them in cells.csv.)",
            "Train them again: type your last Snakemake command once more, with this at its end:",
            f"  {retraining_options(collection)}",
        ]
    )


def retraining_options(collection: Collection) -> str:
    """Return what to add to a Snakemake call so that it makes the cells again that are not current.

    Files given to --forcerun are made again whatever Snakemake knows of them, which is needed where results were
    copied or edited. Where they are many, the rule stands for them: cells that are trained already are then taken
    from the store, not trained twice. Copies of the user's code go before cells of other code, which they train.
    """
    results = Folders.of_this_process().results / collection.study.name
    forced = [f"{results}/cells/{record.cell.id}/metrics.json" for record in collection.not_current]
    if len(forced) > CELLS_SHOWN:
        forced = [TRAINING_RULE]
    other_code = [record.cell for record in collection.not_current if OTHER_CODE in record.reason]
    files = dict.fromkeys(Path(file).name for cell in other_code for file in cell.own_code)
    return f"--forcerun {shlex.join([*(f'{results}/own_code/{file}' for file in files), *forced])}"


def find_statuses(layout: Layout) -> dict[str, CellStatus]:
    """Return the status of every cell of the study, by cell id, without reading its history and predictions."""
    wanted = find_wanted(layout.study.cells, layout)
    return {cell.id: find_status(layout, cell, wanted[cell.id], compare_origins) for cell in layout.study.cells}


def find_wanted(
    cells: Iterable[StudyCell], layout: Layout, code_fingerprint: str | None = None
) -> dict[str, WantedFingerprints]:
    """Return what each cell must be made from, by cell id."""
    data: dict[Path, tuple[str | None, str]] = {}
    wanted: dict[str, WantedFingerprints] = {}
    for cell in cells:
        subset = layout.subset(cell)
        if subset not in data:
            try:
                data[subset] = fingerprint_data(subset, layout.dataset, layout.validation), ""
            except DatasetError as error:
                data[subset] = None, str(error)
        code = code_fingerprint or training_code(cell.value)
        wanted[cell.id] = WantedFingerprints(code, *data[subset], weights=layout.study.keeps_weights)
    return wanted


def training_code(cell: Cell) -> str:
    """Return the fingerprint of the code that trains the cell, as it is now."""
    return fingerprint_training(cell)


def known_data(subset: Path, dataset: Path, validation: Path | None = None) -> str | None:
    """Return the fingerprint of a cell's data; None where the files for it are missing or damaged."""
    try:
        return fingerprint_data(subset, dataset, validation)
    except DatasetError:
        return None


def compare_origins(cell: StudyCell, folder: Path, wanted: WantedFingerprints) -> CellStatus:
    """Judge a cell's folder, in which metrics.json is, by where its metrics say that they come from."""
    try:
        found = find_other_origins(cell.value, read_metrics(folder / "metrics.json"), wanted)
    except UnusableFile as error:
        found = [str(error)]
    if wanted.data is None:
        found.append(f"its training images cannot be checked: {wanted.data_problem}")
    files = (*CELL_FILES, WEIGHTS_FILE) if wanted.weights else CELL_FILES
    found += [f"{name} is missing" for name in files if not (folder / name).exists()]
    reason = "; ".join(found)
    return CellStatus(cell, "stale", reason, files_problem=reason) if found else CellStatus(cell, "current")


def find_status(layout: Layout, cell: StudyCell, wanted: WantedFingerprints, judge: Judge) -> CellStatus:
    """Return the status of one cell. `judge` says of a folder with a metrics.json whether it is current or stale.

    The first that holds is the status: current, stored, failed, stale, resumable, missing.
    """
    folder = layout.cell(cell)
    of_files = judge(cell, folder, wanted) if (folder / "metrics.json").exists() else None
    if of_files is not None and of_files.status == "current":
        return of_files
    files_problem = of_files.reason if of_files is not None else None
    entry: StoreEntry | None = None
    if wanted.data is not None:
        entry = StoreEntry(layout.store / store_key(cell.value, wanted.data, wanted.code))
    attempt = _find_attempt(folder, cell.value, entry)
    has_checkpoint = entry is not None and entry.has_checkpoint
    about = CellStatus(cell, "missing", attempt.reason, files_problem, has_checkpoint, attempt.log_tail)
    is_trained = entry is not None and entry.has_record
    if entry is not None and is_trained and (entry.keeps_weights or not wanted.weights):
        why = files_problem or (attempt.reason if attempt.ended == "failed" else "")
        reason = "trained already; the next run copies it from the store" + (f" ({why})" if why else "")
        return replace(about, status="stored", reason=reason, log_tail=())
    if attempt.ended == "failed":
        return replace(about, status="failed")
    if files_problem is not None:
        return replace(about, status="stale", reason=files_problem)
    if has_checkpoint:
        reason = attempt.reason if attempt.reason != NOT_TRAINED else "its training continues from a checkpoint"
        return replace(about, status="resumable", reason=reason)
    if is_trained:
        return replace(about, reason=TRAINED_WITHOUT_WEIGHTS)
    return about


@dataclass(frozen=True)
class _Attempt:
    """How the last training of a cell ended, as far as files tell."""

    ended: Literal["failed", "stopped", "not", "unknown"]
    reason: str
    log_tail: tuple[str, ...] = ()


def _find_attempt(folder: Path, cell: Cell, entry: StoreEntry | None) -> _Attempt:
    """Read failure.json in the cell's folder, else the lasting log in the store.

    A training that nobody can catch (killed for its memory, a power cut) leaves a log without an end and a free lock.
    """
    failure = _read_failure(folder / "failure.json")
    if failure is not None and failure.get("cell_fingerprint") == cell.fingerprint:
        tail = failure.get("log_tail")
        lines = tuple(str(line) for line in tail) if isinstance(tail, list) else ()
        return _Attempt("failed", str(failure.get("reason", "no reason was recorded")), lines)
    log = entry.log_tail() if entry is not None else []
    messages = [match[1] for match in map(LOG_LINE.fullmatch, log) if match]
    if entry is not None and messages:
        kind, _, rest = messages[-1].partition(": ")
        ended = kind in ("failed", "stopped") or messages[-1].startswith(ENDS)
        trainer = entry.find_trainer()
        if trainer is not None and (trainer.by_lock or not ended):
            return _Attempt("not", "it is being trained now")
        if kind == "failed":
            return _Attempt("failed", rest, tuple(log))
        if kind == "stopped":
            return _Attempt("stopped", f"its training was stopped: {rest}", tuple(log))
        if not ended:
            what = "continues from the last checkpoint" if entry.has_checkpoint else "trains it from the beginning"
            reason = (
                "its last training ended without a message (killed, out of memory, or the machine stopped); "
                f"the next run {what}"
            )
            return _Attempt("failed", reason, tuple(log))
    earlier = "" if failure is None else " (an earlier attempt failed under another configuration)"
    return _Attempt("unknown", NOT_TRAINED + earlier)


def _read_failure(path: Path) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        failure = json.loads(path.read_text(encoding="utf-8"))
        return failure if isinstance(failure, dict) else None
    return None
