"""A study's results in Python, as data frames.

    import smallmix
    study = smallmix.load("demo")
    study.summary
    study.explain("summary")

Nothing is trained or written. Libraries are imported when a table is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from smallmix.errors import SmallmixError
from smallmix.study.layout import Layout
from smallmix.study.named_study import find_results
from smallmix.study.study import Study
from smallmix.tables.columns import CELLS, CONFUSION, HISTORY, METRICS, PER_CLASS, SUBSET, SUBSET_TABLE
from smallmix.tables.statistics_columns import (
    CLAIMS,
    CLASS_BALANCE,
    CLASS_SUMMARY,
    COMPARISON,
    OWN_METRIC_SUMMARY,
    OWN_METRICS,
    SUBSET_SCATTER,
    SUMMARY,
)
from smallmix.tables.table_form import Table
from smallmix.wording import count_of

if TYPE_CHECKING:
    import pandas as pd


TableName = Literal[
    "metrics",
    "history",
    "cells",
    "summary",
    "comparison",
    "claims",
    "subset_table",
    "per_class",
    "class_summary",
    "class_balance",
    "subset_scatter",
    "confusion",
    "own_metrics",
    "own_metric_summary",
]
_TABLES: dict[str, Table] = {
    "metrics": METRICS,
    "history": HISTORY,
    "cells": CELLS,
    "summary": SUMMARY,
    "comparison": COMPARISON,
    "claims": CLAIMS,
    "subset_table": SUBSET_TABLE,
    "per_class": PER_CLASS,
    "class_summary": CLASS_SUMMARY,
    "class_balance": CLASS_BALANCE,
    "subset_scatter": SUBSET_SCATTER,
    "confusion": CONFUSION,
    "own_metrics": OWN_METRICS,
    "own_metric_summary": OWN_METRIC_SUMMARY,
}


def load(study: str | Path, root: str | Path = ".") -> StudyFrames:
    """Return the results of a study: a name (`demo`), a YAML file, or a folder with study.json. `root` is the project.

    A folder of kept results, such as reports/reference/small-end, is a study as well. A name that has no results here
    means the kept study of that name, by whatever overlays it was run.
    Raises SmallmixError where there is no such study, where its configuration has errors, and where the results here
    are those of another configuration than the one that the name or the file means now.
    """
    from smallmix.tables.configuration_of_results import require_results_meant

    found = find_results(study, Path(root))
    require_results_meant(found)
    return StudyFrames(found.study, found.layout, found.tables, found.kept)


@dataclass(frozen=True, repr=False)
class StudyFrames:
    """The tables of one study. Accuracies are fractions, losses are in nats. `explain` has a row for every column.

    Columns of type int are int64 (float64 where fields may be empty), those of type float are float64, texts are str.
    `tables` is the folder that they are read from. `kept` says that it has kept results: there, columns that an older
    version did not write are empty.
    Every table raises SmallmixError where it has not been written yet, or was not kept.
    """

    study: Study
    layout: Layout
    tables: Path
    kept: bool = False

    @property
    def name(self) -> str:
        """Return the name of the study."""
        return self.study.name

    def __repr__(self) -> str:
        """Return the name, the sizes, the methods and the number of seeds, and where the tables lie."""
        sizes = ", ".join(f"{size:,}" for size in self.study.sizes)
        seeds = count_of(len(self.study.seeds), "seed")
        return (
            f"<study {self.name}: {sizes} training images, methods {', '.join(self.study.methods)}, {seeds}; "
            f"tables in {self.tables}>"
        )

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Return one row per finished cell: its accuracies by every selection, losses and calibration."""
        return self._read(METRICS)

    @cached_property
    def history(self) -> pd.DataFrame:
        """Return one row per evaluation of every finished cell: the learning curves."""
        return self._read(HISTORY)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Return one row per cell of the study with its status when it was collected."""
        return self._read(CELLS)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Return means over seeds with 95 % t intervals, by size, method and metric."""
        return self._read(SUMMARY)

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """Return paired differences between methods, with intervals and tests."""
        return self._read(COMPARISON)

    @cached_property
    def claims(self) -> pd.DataFrame:
        """Return each published claim or number, what was found, and the verdict."""
        return self._read(CLAIMS)

    @cached_property
    def subset_table(self) -> pd.DataFrame:
        """Return the smallest and the largest class of every training-set size."""
        return self._read(SUBSET_TABLE)

    @cached_property
    def per_class(self) -> pd.DataFrame:
        """Return the accuracy of every finished cell on each class, at the end of its budget."""
        return self._read(PER_CLASS)

    @cached_property
    def class_summary(self) -> pd.DataFrame:
        """Return means over seeds of the accuracy on each class, and differences from the reference method."""
        return self._read(CLASS_SUMMARY)

    @cached_property
    def class_balance(self) -> pd.DataFrame:
        """Return how the accuracy on a class goes with its number of training images, by size and method."""
        return self._read(CLASS_BALANCE)

    @cached_property
    def subset_scatter(self) -> pd.DataFrame:
        """Return how much of the scatter over seeds is the subset's, where a study under compare_with tells."""
        return self._read(SUBSET_SCATTER)

    @cached_property
    def confusion(self) -> pd.DataFrame:
        """Return how many test images of each class were taken for which class, by size and method, over all seeds."""
        return self._read(CONFUSION)

    @cached_property
    def own_metrics(self) -> pd.DataFrame:
        """Return the metrics under `metrics` of the configuration, of every finished cell."""
        return self._read(OWN_METRICS)

    @cached_property
    def own_metric_summary(self) -> pd.DataFrame:
        """Return means over seeds of these metrics, and differences from the reference method."""
        return self._read(OWN_METRIC_SUMMARY)

    def explain(self, table: TableName) -> pd.DataFrame:
        """Return the columns of a table, each with its type, its unit and its meaning: column, type, unit, meaning.

        Raises SmallmixError for a name that is no table.
        """
        import pandas as pd

        if table not in _TABLES:
            raise SmallmixError(f"there is no table {table}. The tables are: {', '.join(get_args(TableName))}.")
        columns = _TABLES[table].of_study(self.study.validation_images).columns
        rows = [(column.name, column.dtype, column.unit, column.meaning) for column in columns]
        return pd.DataFrame(rows, columns=["column", "type", "unit", "meaning"])

    def subset(self, size: int, seed: int = 0) -> pd.DataFrame:
        """Return the training images of a size and seed: row in train_images.npy, label, class.

        Raises SmallmixError where the study has no such size or seed, and where the subset is not there. Of kept
        results, those of the largest sizes are not.
        """
        from smallmix.tables.table_files import read_table

        for word, value, known in (("size", size, self.study.sizes), ("seed", seed, self.study.seeds)):
            if value not in known:
                raise SmallmixError(f"study {self.name} has no {word} {value}. It has {', '.join(map(str, known))}.")
        path = self.tables / "subsets" / self.layout.subset_of(size, seed).name
        if self.kept and not path.exists():
            raise SmallmixError(
                f"the images of size {size} and seed {seed} are not kept in {self.tables}. Run the study to have them."
            )
        return read_table(path if self.kept else self.layout.subset_of(size, seed), SUBSET)

    def predictions(self, cell: str) -> pd.DataFrame:
        """Return image, label, predicted class and logits of every test image. `cell` is n500/label-mix/seed0.

        Raises SmallmixError where the study has no such cell, where it is not trained, and of kept results.
        """
        from smallmix.tables.predictions import predictions_table

        place = self.study.cell(cell)
        if self.kept:
            raise SmallmixError(f"predictions are not kept in {self.tables}. Run the study to have them.")
        return predictions_table(self.layout.cell(place) / "predictions.npz")

    def _read(self, table: Table) -> pd.DataFrame:
        from smallmix.tables.table_files import read_kept_table, read_table

        table = table.of_study(self.study.validation_images)
        path = self.tables / table.file
        if path.exists():
            return read_kept_table(path, table) if self.kept else read_table(path, table)
        if self.kept:
            raise SmallmixError(f"{table.file} is not kept in {self.tables}. Run the study to have it.")
        raise SmallmixError(
            f"study {self.name} has no {table.file} yet (looked for {path}). Run the study to its report first."
        )
