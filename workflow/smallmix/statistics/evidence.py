"""Everything that a study's tables say, in one place for the rules that judge claims."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from smallmix.collection.subset_table import SubsetRow, count_classes, read_subset_table
from smallmix.statistics.intervals import MeanInterval, mean_interval
from smallmix.statistics.results import SELECTIONS, History, Result, by_seed, read_histories, read_results
from smallmix.study.layout import Layout
from smallmix.study.study import Study

# The sizes that the article calls small data are far below; loss curves of larger ones are not judged.
LARGEST_SMALL_SIZE = 1000


@dataclass(frozen=True)
class Evidence:
    """A study with its results; classes are names, if known.

    Histories, and the images of every class by size and seed, are those of sizes up to LARGEST_SMALL_SIZE.
    """

    study: Study
    results: tuple[Result, ...]
    histories: tuple[History, ...] = ()
    subset_rows: tuple[SubsetRow, ...] = ()
    classes: tuple[str, ...] = ()
    class_counts: Mapping[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)

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
    classes = _class_names(layout.dataset / "dataset.json")
    return Evidence(
        study=study,
        results=read_results(folder / "metrics.csv"),
        histories=read_histories(folder / "history.csv", LARGEST_SMALL_SIZE),
        subset_rows=tuple(read_subset_table(subset_table)) if subset_table.exists() else (),
        classes=classes,
        class_counts=_class_counts(layout, len(classes)),
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


def _class_names(path: Path) -> tuple[str, ...]:
    try:
        return tuple(str(name) for name in json.loads(path.read_text(encoding="utf-8"))["classes"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()
