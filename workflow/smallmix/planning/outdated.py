"""Which files on the disk were made from something else than what the study asks for now, by what they say themselves.

Snakemake compares with its own records, and these may be missing (copied results), switched off (rerun-triggers of a
user's profile) or wrong (--touch). So every start asks the files: study.json, the subsets, and each metrics.json.
"""

from __future__ import annotations

from pathlib import Path

from smallmix.errors import SmallmixError
from smallmix.study.layout import Layout
from smallmix.tables.cell_status import UnusableFile, find_other_origins, read_metrics
from smallmix.tables.collect import collect, find_wanted


def find_outdated(layout: Layout) -> list[Path]:
    """study.json and every metrics.json that belong to another configuration, other data or other code.

    Where the images are not there, a cell's data are not judged. A metrics.json that is no such file is outdated.
    """
    return [*_outdated_study(layout), *outdated_cells(layout)]


def find_contradicted(layout: Layout) -> dict[Path, str]:
    """As `collect-metrics` judges: every outdated or damaged metrics.json, and edited numbers; each with the reason.

    Reads all files of all cells. Where the images are not there, no cell is judged.
    """
    found: dict[Path, str] = dict.fromkeys(_outdated_study(layout), "it belongs to another configuration")
    wanted = find_wanted(layout.study.cells, layout)
    for record in collect(layout.study, layout).records:
        if record.files_problem is not None and wanted[record.cell.id].data is not None:
            found[layout.cell(record.cell) / "metrics.json"] = record.files_problem
    return found


def outdated_cells(layout: Layout) -> list[Path]:
    """Return every metrics.json that belongs to another cell, other data or other code, or is damaged."""
    wanted = find_wanted(layout.study.cells, layout)
    outdated: list[Path] = []
    for cell in layout.study.cells:
        path = layout.cell(cell) / "metrics.json"
        if not path.exists():
            continue
        try:
            if find_other_origins(cell.value, read_metrics(path), wanted[cell.id]):
                outdated.append(path)
        except UnusableFile:
            outdated.append(path)
    return outdated


def outdated_subsets(layout: Layout) -> list[Path]:
    """The subsets on the disk that are not what the study's rule gives; none where the data set is not there.

    Where Snakemake runs without numpy (its jobs bring their own environment), subsets are checked by the training.
    """
    try:
        from smallmix.training.subset_tables import explain_other_subset
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
    return outdated


def _outdated_study(layout: Layout) -> list[Path]:
    try:
        written_for = layout.study_file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return []
    return [] if written_for == layout.study.to_json() else [layout.study_file]
