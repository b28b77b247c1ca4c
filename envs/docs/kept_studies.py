"""Kept studies, read from reports/reference/<study>/ alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from smallmix.errors import SmallmixError
from smallmix.statistics.study_results import SMALL_DATA_LIMIT, StudyResults, read_histories, read_results
from smallmix.study.layout import Layout
from smallmix.study.published import find_published
from smallmix.study.study import Study
from smallmix.tables.study_tables import StudyTables, load_tables
from smallmix.tables.subset_table import count_classes, read_subset_table
from smallmix.wording import joined

CLASSES = 10  # of CIFAR-10 and of the digits, which all kept studies are about
NEEDED = ("metrics.csv", "history.csv", "summary.csv", "comparison.csv")


@dataclass(frozen=True)
class KeptStudy:
    """A kept study: its results as rules read them, and its tables as figures read them."""

    results: StudyResults
    tables: StudyTables


def read_kept(folder: Path) -> KeptStudy:
    """Read a kept study from its folder alone. Raises SmallmixError where it lacks a table or has an older form."""
    study = Study.load(folder / "study.json")
    if lacking := [name for name in NEEDED if not (folder / name).is_file()]:
        raise SmallmixError(
            f"{folder} lacks {joined(lacking)}. Keep the study again with `smallmix keep {study.name}`."
        )
    named = study.configuration.get("published")
    tables = load_tables(study, folder, folder, find_published(named) if named else None)
    subset_table = folder / "subset_table.csv"
    layout = Layout(study)
    counts = {}
    for size in (size for size in study.sizes if size <= SMALL_DATA_LIMIT):
        for seed in study.seeds:
            path = folder / layout.subset_of(size, seed).relative_to(layout.results)
            if path.exists():
                counts[size, seed] = tuple(count_classes(path, CLASSES, size))
    results = StudyResults(
        study=study,
        runs=read_results(folder / "metrics.csv"),
        histories=read_histories(folder / "history.csv", SMALL_DATA_LIMIT),
        subset_rows=tuple(read_subset_table(subset_table)) if subset_table.exists() else (),
        class_counts=counts,
    )
    return KeptStudy(results, tables)


def find_kept(reference: Path, names: Iterable[str]) -> tuple[dict[str, KeptStudy], dict[str, str]]:
    """Return the studies of these names that are kept, and why others that lie there cannot be read."""
    found: dict[str, KeptStudy] = {}
    unreadable: dict[str, str] = {}
    for name in dict.fromkeys(names):
        folder = reference / name
        if not (folder / "study.json").exists():
            continue
        try:
            found[name] = read_kept(folder)
        except SmallmixError as error:
            unreadable[name] = str(error)
    return found, unreadable
