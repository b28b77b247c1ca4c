"""All tables of one study behind one object. Figures and report read numbers from it and nowhere else.

A table that is not there yet is an empty one with the right columns, so that an unfinished study can be drawn.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from smallmix.datasets.description import DatasetDescription, find_description
from smallmix.errors import SmallmixError
from smallmix.study.layout import Layout
from smallmix.study.published import SELECTION_OF, Published, find_published, load_published, method_for
from smallmix.study.study import Study
from smallmix.tables.columns import CELLS, CONFUSION, HISTORY, METRICS, PER_CLASS, SELECTIONS, SUBSET_TABLE
from smallmix.tables.provenance_file import read_provenance
from smallmix.tables.statistics_columns import (
    ALL_METHODS,
    CLAIMS,
    CLASS_BALANCE,
    CLASS_SUMMARY,
    COMPARISON,
    OWN_METRIC_SUMMARY,
    OWN_METRICS,
    SUBSET_SCATTER,
    SUMMARY,
)
from smallmix.tables.table_files import empty_table, read_kept_table, read_table

SELECTION_GAP = "selection_gap"  # the metric of `summary`: best minus last test accuracy, a fraction
LARGEST_SMALL_SIZE = 10_000  # images; the sizes above are left out of the figure of small sizes
# Seeds. The t interval of two reaches 12.7 standard errors to either side: it covers what it claims, and shows nothing.
FEWEST_FOR_AN_INTERVAL = 3
# All tables of a study, by their names in StudyTables.
TABLES_READ = {
    "metrics": METRICS,
    "history": HISTORY,
    "cells": CELLS,
    "summary": SUMMARY,
    "comparison": COMPARISON,
    "claims": CLAIMS,
    "subset_table": SUBSET_TABLE,
    "per_class": PER_CLASS,
    "confusion": CONFUSION,
    "class_summary": CLASS_SUMMARY,
    "class_balance": CLASS_BALANCE,
    "subset_scatter": SUBSET_SCATTER,
    "own_metrics": OWN_METRICS,
    "own_metric_summary": OWN_METRIC_SUMMARY,
}

PROVENANCE = "provenance"
# What figures are drawn of, and what the report is written of: the inputs of the rules plot_figures and render_report.
DRAWN = ("metrics", "history", "cells", "summary", "comparison", "class_summary", "confusion")
WRITTEN_OUT = (
    *("metrics", "history", "cells", "summary", "comparison", "claims", "subset_table", "subset_scatter"),
    *("per_class", "class_summary", "class_balance", "own_metric_summary", PROVENANCE),
)


class _WithInterval:
    """A mean over seeds with the ends of its 95 % t interval; both are NaN where there is none.

    Tables have the interval from two seeds on. It is shown from three on.
    """

    seeds: int
    low: float
    high: float

    @property
    def has_interval(self) -> bool:
        """Return whether there were seeds enough to show an interval."""
        return self.seeds >= FEWEST_FOR_AN_INTERVAL and math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True)
class SeedMean(_WithInterval):
    """The mean of one metric over `seeds` seeds with its 95 % t interval; low and high are NaN where there is none."""

    seeds: int
    mean: float
    low: float
    high: float


NO_MEAN = SeedMean(0, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class PairedDifference(_WithInterval):
    """The mean over seeds of (method minus reference) at one size; low and high are NaN where there is no interval."""

    size: int
    seeds: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class StudyTables:
    """The tables of a study. Data frames have the columns that TABLES_READ declares, as far as a study has them.

    `dataset` is None where it is not fetched yet, `published` where the study names no published numbers. `provenance`
    is a JSON object.
    Accuracies and their differences are fractions.
    """

    study: Study
    metrics: pd.DataFrame
    history: pd.DataFrame
    cells: pd.DataFrame
    summary: pd.DataFrame
    comparison: pd.DataFrame
    claims: pd.DataFrame
    subset_table: pd.DataFrame
    per_class: pd.DataFrame = field(default_factory=partial(empty_table, PER_CLASS))
    confusion: pd.DataFrame = field(default_factory=partial(empty_table, CONFUSION))
    class_summary: pd.DataFrame = field(default_factory=partial(empty_table, CLASS_SUMMARY))
    class_balance: pd.DataFrame = field(default_factory=partial(empty_table, CLASS_BALANCE))
    subset_scatter: pd.DataFrame = field(default_factory=partial(empty_table, SUBSET_SCATTER))
    own_metrics: pd.DataFrame = field(default_factory=partial(empty_table, OWN_METRICS))
    own_metric_summary: pd.DataFrame = field(default_factory=partial(empty_table, OWN_METRIC_SUMMARY))
    dataset: DatasetDescription | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    published: Published | None = None

    def versions_of(self, software: str) -> list[str]:
        """Return the versions of `software`, a key of the recorded environments, that trained cells; sorted by text."""
        groups = self.provenance.get("environments", [])
        return sorted({str(group.get("environment", {}).get(software, "")) for group in groups} - {""})

    @property
    def sizes(self) -> list[int]:
        """Return the study's training-set sizes, ascending."""
        return sorted(self.study.sizes)

    @property
    def small_sizes(self) -> list[int]:
        """Return the sizes up to LARGEST_SMALL_SIZE, ascending."""
        return [size for size in self.sizes if size <= LARGEST_SMALL_SIZE]

    @functools.cached_property
    def sizes_with_history(self) -> list[int]:
        """Return the sizes that have a learning curve, ascending."""
        present = set(self.history["size"].astype(int))
        return [size for size in self.sizes if size in present]

    @property
    def classes(self) -> list[str]:
        """Return the names of the classes as the data set gives them; foreign text."""
        return [] if self.dataset is None else list(self.dataset.classes)

    @property
    def dataset_title(self) -> str:
        """Return the data set's title for people, or its name in the configuration where it is not fetched yet."""
        return self.study.dataset if self.dataset is None else self.dataset.title

    @functools.cached_property
    def published_accuracy(self) -> dict[tuple[int, str], float]:
        """(size, the study's own method) -> published test accuracy; empty where nothing is published.

        Empty as well where the study declares another selection than the source's: numbers of different rules do not
        stand side by side.
        """
        if self.published is None or SELECTION_OF[self.published.selection] != self.study.selection:
            return {}
        names = {name for row in self.published.accuracies for name in row.percent}
        own = {name: method_for(self.study, name, self.published) for name in names}
        return {
            (row.size, method): value / 100
            for row in self.published.accuracies
            for name, value in row.percent.items()
            if (method := own[name]) is not None
        }

    @property
    def published_classes(self) -> dict[int, tuple[int, int]]:
        """Return size -> published number of images of the smallest and of the largest class."""
        if self.published is None:
            return {}
        return {row.size: (row.smallest_class, row.largest_class) for row in self.published.class_counts}

    @property
    def declared_metric(self) -> str:
        """Return the metric of `summary`, a column of `metrics`, that holds the accuracy that the study declares."""
        return SELECTIONS[self.study.selection]

    def methods_present(self) -> list[str]:
        """Return the methods that have a finished cell, in the study's order."""
        finished = set(self.metrics["method"])
        return [method for method in self.study.methods if method in finished]

    def mean_of(self, metric: str, size: int, method: str) -> SeedMean:
        """Return a row of `summary`; NO_MEAN where no seed of that size and method has a number."""
        return self._means.get((metric, size, method), NO_MEAN)

    def metric_by_seed(self, metric: str) -> pd.DataFrame:
        """Return size, method, seed and the value of a metric (or SELECTION_GAP) for every run that has one."""
        if metric == SELECTION_GAP:
            values = self.metrics["best_test_accuracy"] - self.metrics["final_test_accuracy"]
        else:
            values = self.metrics[metric]
        return self.metrics[["size", "method", "seed"]].assign(value=values).dropna(subset=["value"])

    def means_over_methods(self, metric: str) -> dict[int, float]:
        """Return size -> mean over methods and seeds, ascending; of the metrics that `summary` has for all methods."""
        means = {size: self.mean_of(metric, size, ALL_METHODS) for size in self.sizes}
        return {size: mean.mean for size, mean in means.items() if mean.seeds}

    @functools.cached_property
    def _means(self) -> dict[tuple[str, int, str], SeedMean]:
        return {
            (str(row["metric"]), int(row["size"]), str(row["method"])): SeedMean(
                int(row["seeds"]), float(row["mean"]), float(row["low"]), float(row["high"])
            )
            for row in self.summary.to_dict("records")
        }

    @functools.cached_property
    def size_comparison(self) -> pd.DataFrame:
        """Return the rows of `comparison` that belong to one size and have a difference; sizes as whole numbers.

        The sizes of a pair and a selection ascend.
        """
        sizes = pd.to_numeric(self.comparison["size"], errors="coerce")
        chosen = self.comparison[sizes.notna() & self.comparison["difference"].notna()]
        chosen = chosen.assign(size=sizes[chosen.index].astype(int))
        group = chosen.groupby(["selection", "method", "reference"], sort=False).ngroup()
        return chosen.assign(group=group).sort_values(["group", "size"]).drop(columns="group")

    def differences(self, method: str, reference: str, selection: str | None = None) -> list[PairedDifference]:
        """Return method minus reference at every size that has both, ascending; a pair stored reversed is turned.

        `selection` is by default the one that the study declares.
        """
        table, selection = self.size_comparison, selection or self.study.selection
        found = []
        for row in table[table["selection"] == selection].sort_values("size").to_dict("records"):
            mean, low, high = float(row["difference"]), float(row["low"]), float(row["high"])
            if (row["method"], row["reference"]) == (reference, method):
                mean, low, high = -mean, -high, -low
            elif (row["method"], row["reference"]) != (method, reference):
                continue
            found.append(PairedDifference(int(row["size"]), int(row["seeds"]), mean, low, high))
        return found

    def curves_of(self, size: int, method: str) -> pd.DataFrame:
        """Return the histories of one size and method, all seeds, by seed and iteration."""
        chosen = self.history[(self.history["size"] == size) & (self.history["method"] == method)]
        return chosen.sort_values(["seed", "iteration"])

    def mean_curve(self, size: int, method: str) -> pd.DataFrame:
        """Return the means over seeds of the history's columns, indexed by iteration; empty where there is no curve."""
        table = HISTORY.of_study(self.study.validation_images)
        columns = [column.name for column in table.columns if column.dtype != "text"]
        return self.curves_of(size, method)[columns].groupby("iteration").mean()


def load_tables(
    study: Study,
    root: Path,
    tables: Path | None = None,
    published: Path | None = None,
    *,
    kept: bool = False,
    only: Collection[str] = (*TABLES_READ, PROVENANCE),
) -> StudyTables:
    """Read the tables of `study` below `root` (its results folder, unless the folder `tables` is named).

    `published` is the file of published numbers, by default the one that the study names. Of `kept` tables, columns
    that an older version did not write are empty. Of `only` some tables, the others are as if they were not there.
    """
    read = read_kept_table if kept else read_table
    layout = Layout(study, root)
    folder = tables or layout.results
    named = study.configuration["published"]
    if named and published is None:
        published = find_published(named, root)
    frames = {
        name: read(folder / table.file, table)
        if name in only and (folder / table.file).exists()
        else empty_table(table)
        for name, table in ((name, table.of_study(study.validation_images)) for name, table in TABLES_READ.items())
    }
    return StudyTables(
        study=study,
        dataset=find_description(layout.dataset),
        provenance=_read_provenance(folder / "provenance.json", kept=kept) if PROVENANCE in only else {},
        published=load_published(published) if published else None,
        **frames,
    )


def _read_provenance(path: Path, *, kept: bool) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return read_provenance(path)
    except (OSError, ValueError) as error:
        remedy = "Restore the file from version control" if kept else "Delete it and run the study to its report"
        raise SmallmixError(f"cannot read {path}: {error}. {remedy}.") from error
