"""All tables of one study, read once: what figures and the report know, and nothing else is read by them.

A table that is not there yet is an empty one with the right columns, so that an unfinished study can be drawn.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from smallmix.errors import SmallmixError
from smallmix.study.layout import Layout
from smallmix.study.method_roles import method_for
from smallmix.study.published import Published, find_published, load_published
from smallmix.study.study import Study

COLUMNS: dict[str, tuple[str, ...]] = {
    "metrics": (
        "study",
        "dataset",
        "size",
        "method",
        "seed",
        "iterations",
        "final_test_accuracy",
        "best_test_accuracy",
        "last_tenth_test_accuracy",
        "last_tenth_readings",
        "final_test_loss",
        "best_iteration",
        "final_train_loss",
        "final_clean_train_loss",
        "final_clean_train_accuracy",
        "expected_calibration_error",
        "calibration_gap",
        "brier_score",
        "negative_log_likelihood",
        "largest_early_loss",
        "largest_early_loss_iteration",
        "calibration_error_by_chance",
    ),
    "history": (
        "study",
        "size",
        "method",
        "seed",
        "iteration",
        "epoch",
        "learning_rate",
        "train_loss",
        "clean_train_loss",
        "clean_train_accuracy",
        "test_loss",
        "test_accuracy",
    ),
    "cells": ("size", "method", "seed", "status", "reason"),
    "comparison": (
        "size",
        "method",
        "reference",
        "selection",
        "seeds",
        "difference",
        "low",
        "high",
        "standard_error",
        "p_value",
        "note",
        "t_test_p_value",
        "holm_p_value",
        "role",
        "smallest_p_value",
        "holm_rows",
        "variance_ratio",
    ),
    "claims": (
        "kind",
        "id",
        "statement",
        "published",
        "found",
        "difference",
        "tolerance",
        "verdict",
        "reason",
    ),
    "subset_table": ("size", "smallest_class", "largest_class"),
}
TEXT_COLUMNS = {
    "metrics": frozenset({"study", "dataset", "method"}),
    "history": frozenset({"study", "method"}),
    "cells": frozenset({"method", "status", "reason"}),
    "comparison": frozenset({"size", "method", "reference", "selection", "note", "role"}),
    "claims": frozenset(COLUMNS["claims"]),
    "subset_table": frozenset[str](),
}


@dataclass(frozen=True)
class StudyTables:
    """The tables of a study. Data frames have the columns of COLUMNS; `dataset` and `provenance` are JSON objects.

    `published` is None where the study names no published numbers.
    """

    study: Study
    metrics: pd.DataFrame
    history: pd.DataFrame
    cells: pd.DataFrame
    comparison: pd.DataFrame
    claims: pd.DataFrame
    subset_table: pd.DataFrame
    dataset: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    published: Published | None = None

    @property
    def published_accuracy(self) -> dict[tuple[int, str], float]:
        """(size, the study's own method) -> published test accuracy as a fraction; empty where nothing is published."""
        if self.published is None:
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
        """size -> published number of images of the smallest and of the largest class."""
        if self.published is None:
            return {}
        return {row.size: (row.smallest_class, row.largest_class) for row in self.published.class_counts}

    def methods_present(self) -> list[str]:
        """The methods that have a finished cell, in the study's order."""
        finished = set(self.metrics["method"])
        return [method for method in self.study.methods if method in finished]

    def seeds_of(self, size: int, method: str) -> pd.DataFrame:
        """The rows of `metrics` of one size and method, by seed."""
        chosen = self.metrics[(self.metrics["size"] == size) & (self.metrics["method"] == method)]
        return chosen.sort_values("seed")


def load_tables(study: Study, root: Path, tables: Path | None = None) -> StudyTables:
    """Read the tables of `study` below `root` (its results folder, unless the folder `tables` is named)."""
    layout = Layout(study, root)
    folder = tables or layout.results
    published = study.configuration["published"]
    frames = {name: read_table(folder / f"{name}.csv", name) for name in COLUMNS}
    return StudyTables(
        study=study,
        dataset=_read_json(layout.dataset / "dataset.json"),
        provenance=_read_json(folder / "provenance.json"),
        published=load_published(find_published(published, root)) if published else None,
        **frames,
    )


def read_table(path: Path, name: str) -> pd.DataFrame:
    """One CSV table; empty where the file is not there. Raises SmallmixError where it is damaged or lacks columns."""
    if not path.exists():
        return empty_table(name)
    text = dict.fromkeys(TEXT_COLUMNS[name], str)
    empty = {column: [""] for column in COLUMNS[name] if column not in text}
    try:
        table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=empty)
    except (OSError, ValueError) as fault:
        raise SmallmixError(f"cannot read the table {path}: {fault}. Delete it and collect the study again.") from fault
    lacking = [column for column in COLUMNS[name] if column not in table.columns]
    if lacking:
        raise SmallmixError(
            f"the table {path} has no column {', '.join(lacking)}. Delete it and collect the study again."
        )
    return table


def empty_table(name: str) -> pd.DataFrame:
    """A table without rows, with the columns and types of `name`."""
    return pd.DataFrame(
        {column: pd.Series(dtype=str if column in TEXT_COLUMNS[name] else float) for column in COLUMNS[name]}
    )


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise SmallmixError(f"cannot read {path}: {fault}. Delete it and run the same command again.") from fault
    return value if isinstance(value, dict) else {}


def dataset_classes(tables: StudyTables) -> list[str]:
    """The classes' names as the data set gives them; foreign text."""
    return [str(name) for name in tables.dataset.get("classes", [])]
