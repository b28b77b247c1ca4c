"""A study's results in Python, as data frames.

    from smallmix import api
    study = api.load("demo")
    study.summary

Nothing is trained or written. Libraries are imported when a table is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from smallmix.errors import SmallmixError
from smallmix.study.layout import Layout
from smallmix.study.named_study import named_study
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

if TYPE_CHECKING:
    import pandas as pd


def load(study: str | Path, root: str | Path = ".") -> StudyFrames:
    """Return the results of a study: a name (`demo`), a YAML file, or a folder with study.json. `root` is the project.

    Raises SmallmixError where there is no such study, and where its configuration has errors.
    """
    place = Path(root)
    found = named_study(study, place)
    return StudyFrames(found, Layout(found, place))


@dataclass(frozen=True)
class StudyFrames:
    """The tables of one study. docs/columns.md explains every column; accuracies are fractions, losses are in nats.

    Every table raises SmallmixError where it has not been written yet: run the study to its report first.
    """

    study: Study
    layout: Layout

    @property
    def name(self) -> str:
        """Return the name of the study."""
        return self.study.name

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

    def subset(self, size: int, seed: int = 0) -> pd.DataFrame:
        """Return the training images of a size and seed: row in train_images.npy, label, class."""
        from smallmix.tables.table_files import read_table

        return read_table(self.layout.subset_of(size, seed), SUBSET)

    def predictions(self, cell: str) -> pd.DataFrame:
        """Return image, label, predicted class and logits of every test image. `cell` is n500/label-mix/seed0.

        Raises SmallmixError where the study has no such cell, and where it is not trained.
        """
        from smallmix.tables.predictions import predictions_table

        return predictions_table(self.layout.cell(self.study.cell(cell)) / "predictions.npz")

    def _read(self, table: Table) -> pd.DataFrame:
        from smallmix.tables.table_files import read_table

        table, path = table.of_study(self.study.validation_images), self.layout.results / table.file
        if not path.exists():
            raise SmallmixError(
                f"study {self.name} has no {table.file} yet (looked for {path}). Run the study to its report first."
            )
        return read_table(path, table)
