"""The check before anything runs: do the files on the disk belong to what the study asks for now?

Snakemake compares with its own records, and these may be missing (copied results), switched off (rerun-triggers of a
user's profile) or wrong (--touch). So every start asks the files themselves: study.json, the subsets, and each
metrics.json. What differs is made again, as if it were incomplete, or refused. It is never shown as the configured
study.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smallmix.code_fingerprint import fingerprint_code
from smallmix.datasets.originals import explain_foreign, find_changes
from smallmix.datasets.stray_files import explain_strays
from smallmix.errors import SmallmixError
from smallmix.planning.images_suffice import refuse_too_large, refuse_unfit_network
from smallmix.planning.own_code_copies import copies_of, outdated_copies
from smallmix.planning.verified_files import Verified
from smallmix.snakemake_files.records import has_record, mark
from smallmix.study.command_lines import smallmix_command
from smallmix.study.layout import CELL_FILES, DATASET_FILES, WEIGHTS_FILE, Layout
from smallmix.study.study import StudyCell
from smallmix.study.study_names import words_for
from smallmix.tables.cell_status import UnusableFile, WantedFingerprints, find_other_origins, read_metrics
from smallmix.tables.collect import collect, find_wanted, known_data, training_code
from smallmix.training.store import StoreEntry, store_key

SHOWN = 10
DATASET_FILE = "dataset.json"


def check_start(layout: Layout) -> dict[Path, str]:
    """Have Snakemake make again what is outdated; return what is refused, with the reason where it needs one.

    Refused are results that Snakemake has no record of having made (copied, cloned, unpacked) and that do not fit:
    they may be all that there is of a training. Such results that fit are taken over, whatever their times.
    Print what came into a folder of class folders and is no part of its arrays.
    Raises DatasetError where the user's folder is out of reach and the arrays are not those of the configuration, and
    where the dataset's folder holds the user's own files.
    """
    explain_foreign(layout.dataset)
    changed = find_changes(layout.study.configuration["dataset"], layout.dataset)
    strays = None if changed else explain_strays(layout.study.configuration["dataset"], layout.dataset)
    if strays:
        print(f"smallmix: {strays}", file=sys.stderr)
    refuse_too_large(layout, fetched=not changed)
    refuse_unfit_network(layout, fetched=not changed)
    verified = Verified(layout.root)
    outdated = find_outdated(layout)
    # study.json is written again from the configuration; nothing is lost with it.
    refused = {path: "" for path in outdated if path != layout.study_file and not _is_recorded(layout, path)}
    copied = [cell for cell in layout.study.cells if _is_copied(layout, cell) and _metrics(layout, cell) not in refused]
    refused |= _contradicted(layout, copied, verified)
    if not refused:
        again = [*outdated, *outdated_copies(layout), *_other_subsets(layout, verified)]
        if changed:
            again.append(layout.dataset / DATASET_FILE)
        else:
            _order_times(layout, copied)
        _mark(layout, again)
    verified.keep()
    return refused


def check_storage(layout: Layout, prefix: str) -> bool:
    """Have Snakemake judge the cells in a storage again, unless it has a record here of having made all of them.

    Return whether they are judged again.

    `prefix` is that of --default-storage-prefix. A storage outlasts the folder where Snakemake ran, and its files are
    not here to be read. So study.json is written again. The collection that follows reads every cell, and refuses those
    that are not current. Raises ConfigurationError where sizes exceed the images of the user's list, and where the
    network cannot take the images.
    """
    refuse_too_large(layout, fetched=False)
    refuse_unfit_network(layout, fetched=False)
    start = f"{prefix.rstrip('/')}/" if prefix else ""
    study_file = f"{start}{layout.study_file}"
    unknown = not all(has_record(f"{start}{_metrics(layout, cell)}") for cell in layout.study.cells)
    mark([study_file] if unknown else [], [study_file])
    return unknown


def explain_refused(refused: Mapping[Path, str], configuration_files: Sequence[Path]) -> str:
    """Return a message: which files are not current, and the command that lets the same call make them again."""
    more = len(refused) - SHOWN
    discard = f"{smallmix_command()} {shlex.join(['discard', *words_for(configuration_files)])}"
    lines = [
        f"{len(refused)} result{'s' if len(refused) > 1 else ''} on the disk belong to another configuration, other "
        "data or other code, or contradict themselves, and Snakemake has no record of having made them (were they "
        "copied?):",
        *(f"  {path}{': ' if reason else ''}{reason}" for path, reason in list(refused.items())[:SHOWN]),
        *([f"  ... and {more} more"] if more > 0 else []),
        "They must not be shown as current. Discard them (the store of trained cells stays), then run the same command "
        "again; it makes them anew:",
        f"  {discard}",
    ]
    return "\n".join(lines)


def keep_copied(layout: Layout) -> int:
    """Put copied results into the store, so that they are found if their files go; return how many.

    Their data may not be there yet: the store's key names the data that they were made from.
    """
    try:
        from smallmix.tables.cell_files import examine_files
    except ImportError:  # Snakemake without numpy cannot judge them
        return 0
    kept = 0
    for cell in layout.study.cells:
        code, metrics = training_code(cell.value), _origin(layout, cell) if _is_copied(layout, cell) else {}
        if metrics.get("code_fingerprint") != code:
            continue
        data = str(metrics.get("data_fingerprint"))
        entry = StoreEntry(layout.store / store_key(cell.value, data, code))
        if entry.is_finished or entry.has_checkpoint:
            continue
        folder = layout.cell(cell)
        if examine_files(cell, folder, WantedFingerprints(code, data)).status != "current":
            continue
        with contextlib.suppress(SmallmixError, OSError):  # another process, a full disk: it stays where it is
            entry.acquire()
            try:
                names = (*CELL_FILES, WEIGHTS_FILE) if _has_own_weights(folder, metrics) else CELL_FILES
                entry.finish({name: (folder / name).read_bytes() for name in names})
                entry.log("taken over from results that were copied here")
                kept += 1
            finally:
                entry.release()
    return kept


def _has_own_weights(folder: Path, metrics: Mapping[str, Any]) -> bool:
    """Return whether a cell's folder has the trained network that its numbers are of, undamaged."""
    if not (folder / WEIGHTS_FILE).exists():
        return False
    try:
        from smallmix.training.weights import read_weights

        return read_weights(folder / WEIGHTS_FILE).description.weights_sha256 == metrics.get("weights_sha256")
    except (ImportError, SmallmixError):  # Snakemake without PyTorch cannot judge it
        return False


def find_outdated(layout: Layout) -> list[Path]:
    """Return study.json and every metrics.json that belong to another configuration, other data or other code.

    Where the images are not there, a cell's data are not judged. A metrics.json that is no such file is outdated.
    """
    outdated = _outdated_study(layout)
    wanted = find_wanted(layout.study.cells, layout)
    for cell in layout.study.cells:
        path = _metrics(layout, cell)
        if not path.exists():
            continue
        try:
            if find_other_origins(cell.value, read_metrics(path), wanted[cell.id]):
                outdated.append(path)
        except UnusableFile:
            outdated.append(path)
    return outdated


def find_contradicted(layout: Layout) -> dict[Path, str]:
    """Return every outdated or damaged metrics.json, and those of edited numbers, each with the reason.

    Judge as `collect-metrics` does, by all files of all cells. Where the images are not there, no cell is judged.
    """
    found: dict[Path, str] = dict.fromkeys(_outdated_study(layout), "it belongs to another configuration")
    wanted = find_wanted(layout.study.cells, layout)
    for record in collect(layout.study, layout).records:
        if record.files_problem is not None and wanted[record.cell.id].data is not None:
            found[_metrics(layout, record.cell)] = record.files_problem
    return found


def _contradicted(layout: Layout, copied: Sequence[StudyCell], verified: Verified) -> dict[Path, str]:
    """Return copied cells whose files are damaged or contradict each other; each is read whole once."""
    found: dict[Path, str] = {}
    for cell in copied:
        code = training_code(cell.value)
        files = [layout.cell(cell) / name for name in CELL_FILES]
        if verified.knows(files, cell.value.fingerprint, code):
            continue
        try:
            from smallmix.tables.cell_files import examine_files
        except ImportError:  # Snakemake without numpy: collection judges them
            break
        wanted = WantedFingerprints(code, str(_origin(layout, cell).get("data_fingerprint")))
        record = examine_files(cell, layout.cell(cell), wanted)
        if record.status == "current":
            verified.note(files, cell.value.fingerprint, code)
        else:
            found[_metrics(layout, cell)] = record.reason
    return found


def _other_subsets(layout: Layout, verified: Verified) -> list[Path]:
    """Return subsets that are not what the rule gives; each is drawn again once for a dataset, a rule and the code."""
    code = fingerprint_code("smallmix.science.subsets", "smallmix.science.validation")
    description = layout.dataset / DATASET_FILE
    rules: dict[Path, str] = {}
    for cell in layout.study.cells:
        rules.setdefault(layout.subset(cell), layout.study.subset_rule(cell.size, cell.seed))
    draw = layout.study.validation_draw
    if layout.validation is not None and draw is not None:
        rules[layout.validation] = draw.to_json()
    checks = {
        path: rule
        for path, rule in rules.items()
        if path.exists() and not verified.knows([path, description], rule, code)
    }
    outdated = _outdated_subsets(layout) if checks and description.exists() else []
    for path, rule in checks.items():
        if path not in outdated and description.exists():
            verified.note([path, description], rule, code)
    return outdated


def _outdated_subsets(layout: Layout) -> list[Path]:
    """Return the subsets on the disk that are not what the study's rule gives; none where the data set is not there.

    Where Snakemake runs without numpy (its jobs bring their own environment), subsets are checked by the training.
    """
    try:
        from smallmix.training.subset_tables import explain_other_subset
        from smallmix.training.validation_table import explain_other_draw
    except ImportError:
        return []
    tables = {layout.subset(cell): cell.value.subset for cell in layout.study.cells}
    outdated = []
    for path, rule in tables.items():
        try:
            if path.exists() and explain_other_subset(rule, layout.dataset, path):
                outdated.append(path)
        except SmallmixError:
            continue  # the data set is not whole, or the rule cannot be met: the extraction says so
    draw, table = layout.study.validation_draw, layout.validation
    with contextlib.suppress(SmallmixError):
        if draw is not None and table is not None and table.exists():
            outdated += [table] if explain_other_draw(draw, layout.dataset, table) else []
    return outdated


def _outdated_study(layout: Layout) -> list[Path]:
    try:
        written_for = layout.study_file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return []
    return [] if written_for == layout.study.to_json() else [layout.study_file]


def _order_times(layout: Layout, copied: Sequence[StudyCell]) -> None:
    """Make what copied cells were made from no newer than they are: copying gives times in the order of copying."""
    earliest: dict[Path, int] = {}
    for cell in copied:
        if known_data(layout.subset(cell), layout.dataset, layout.validation) is None:
            continue
        with contextlib.suppress(OSError):
            time = min(os.stat(layout.cell(cell) / name).st_mtime_ns for name in CELL_FILES)
            for table in filter(None, (layout.subset(cell), layout.validation)):
                earliest[table] = min(time, earliest.get(table, time))
    for table, time in earliest.items():
        _set_back(table, time)
    for name in DATASET_FILES if earliest else ():
        _set_back(layout.dataset / name, min(earliest.values()))


def _set_back(path: Path, time: int) -> None:
    with contextlib.suppress(OSError):  # another user's file: Snakemake then finds the cells in the store
        now = os.stat(path)
        if now.st_mtime_ns > time:
            os.utime(path, ns=(now.st_atime_ns, time))


def _mark(layout: Layout, again: Sequence[Path]) -> None:
    known = [
        layout.dataset / DATASET_FILE,
        layout.study_file,
        *copies_of(layout),
        *(_metrics(layout, cell) for cell in layout.study.cells),
        *(layout.subset(cell) for cell in layout.study.cells),
        *([layout.validation] if layout.validation else []),
    ]
    mark(again, known, layout.root)


def _is_copied(layout: Layout, cell: StudyCell) -> bool:
    path = _metrics(layout, cell)
    return path.exists() and not _is_recorded(layout, path)


def _is_recorded(layout: Layout, path: Path) -> bool:
    return has_record(path.relative_to(layout.root) if layout.root != Path() else path, layout.root)


def _metrics(layout: Layout, cell: StudyCell) -> Path:
    return layout.cell(cell) / "metrics.json"


def _origin(layout: Layout, cell: StudyCell) -> dict[str, Any]:
    """Return the content of a cell's metrics.json; empty where it is missing or damaged."""
    try:
        return read_metrics(_metrics(layout, cell))
    except UnusableFile:
        return {}
