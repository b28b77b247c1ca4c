"""Everything that a study's tables say, in one place for the rules that judge claims."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smallmix.statistics.intervals import MeanInterval, mean_interval
from smallmix.statistics.results import SELECTIONS, History, Result, by_seed, read_histories, read_results
from smallmix.study.layout import Layout
from smallmix.study.study import Study
from smallmix.tables.subset_table import SubsetRow, count_classes, read_subset_table

# The sizes that the article calls small data are far below; loss curves of larger ones are not judged.
LARGEST_SMALL_SIZE = 1000


@dataclass(frozen=True)
class Evidence:
    """A study with its results; classes are names, if known.

    Histories, and the images of every class by size and seed, are those of sizes up to LARGEST_SMALL_SIZE.
    label_checksums are the sha256 of the training and of the test labels as stored; empty where they are not known.
    """

    study: Study
    results: tuple[Result, ...]
    histories: tuple[History, ...] = ()
    subset_rows: tuple[SubsetRow, ...] = ()
    classes: tuple[str, ...] = ()
    class_counts: Mapping[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    label_checksums: tuple[str, ...] = ()

    def accuracies(self, size: int, method: str, selection: str = "best") -> dict[int, float]:
        """Test accuracies (fractions) by seed."""
        return by_seed(self.results, size, method, SELECTIONS[selection])

    def mean_accuracy(self, size: int, method: str, selection: str = "best") -> MeanInterval | None:
        """The mean accuracy over seeds, or None without any cell."""
        values = list(self.accuracies(size, method, selection).values())
        return mean_interval(values) if values else None

    def histories_of(self, method: str, size: int | None = None) -> list[History]:
        """The histories of a method, of one size or of all small ones."""
        return [one for one in self.histories if one.method == method and size in (None, one.size)]


def load_evidence(study: Study, root: Path, tables: Path | None = None) -> Evidence:
    """Read a study's tables, from `tables` or else from results/<study>.

    subset_table.csv, the subsets and the dataset's description may be absent (a partial report); raises SmallmixError
    where metrics.csv or history.csv is, or where any of them is damaged.
    """
    layout = Layout(study, root)
    folder = tables or layout.results
    subset_table = folder / "subset_table.csv"
    description = _read_description(layout.dataset / "dataset.json")
    classes = class_names(description)
    return Evidence(
        study=study,
        results=read_results(folder / "metrics.csv"),
        histories=read_histories(folder / "history.csv", LARGEST_SMALL_SIZE),
        subset_rows=tuple(read_subset_table(subset_table)) if subset_table.exists() else (),
        classes=classes,
        class_counts=_class_counts(layout, len(classes)),
        label_checksums=label_checksums(description),
    )


def _class_counts(layout: Layout, classes: int) -> dict[tuple[int, int], tuple[int, ...]]:
    """The images of every class in the small subsets that are there, by size and seed."""
    study = layout.study
    places = {
        (size, seed): layout.subset_of(size, seed)
        for size in study.sizes
        for seed in study.seeds
        if classes and size <= LARGEST_SMALL_SIZE
    }
    counts = {path: tuple(count_classes(path, classes, size)) for (size, _), path in places.items() if path.exists()}
    return {place: counts[path] for place, path in places.items() if path in counts}


def class_names(description: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes that a dataset.json names; empty where it names none."""
    names = description.get("classes")
    return tuple(map(str, names)) if isinstance(names, list) else ()


def label_checksums(description: Mapping[str, Any]) -> tuple[str, ...]:
    """The sha256 of the training and of the test labels that a dataset.json vouches for; empty where it lacks them."""
    checksums = description.get("checksums")
    if not isinstance(checksums, dict) or not {"train_labels.npy", "test_labels.npy"} <= checksums.keys():
        return ()
    return str(checksums["train_labels.npy"]), str(checksums["test_labels.npy"])


def _read_description(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
