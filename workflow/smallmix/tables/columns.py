"""The columns of every CSV file that smallmix writes, declared once.

The writer, the reader and the column reference (docs/columns.md) follow these declarations. Accuracies and their
differences are fractions, losses are in nats. This module needs the standard library alone.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Dtype = Literal["int", "float", "text"]

# In place of a size and of a method. No method can have this name.
ALL_SIZES = "all"
ALL_METHODS = "*"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `unit` is for people, and empty where there is none. Fields of a column that `may_be_empty` read back as NaN (an
    empty text in a text column). `if_absent` is the value of a column that tables of older versions lack; a column
    without it must be there. A column `of_validation` is there in studies with validation images alone.
    """

    name: str
    dtype: Dtype
    unit: str
    meaning: str
    may_be_empty: bool = False
    if_absent: int | float | str | None = None
    of_validation: bool = False


@dataclass(frozen=True)
class Table:
    """One kind of CSV file.

    `file` is its name, with {size} and the like where it varies. `rows` says what a row is, `command` which command
    writes the file. `digits` are the significant digits of a float; None stands for the shortest text that reads back
    as the same number.
    """

    file: str
    rows: str
    command: str
    columns: tuple[Column, ...]
    digits: int | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns, in the order of the file."""
        return tuple(column.name for column in self.columns)

    def of_study(self, validation_images: int) -> Table:
        """Return the table as a study with so many validation images has it: without their columns where it has none.

        A reader takes the whole table: what is not there reads as empty.
        """
        kept = tuple(column for column in self.columns if validation_images or not column.of_validation)
        return dataclasses.replace(self, columns=kept)


_STUDY = Column("study", "text", "", "name of the study")
_SIZE = Column("size", "int", "images", "training-set size")
_METHOD = Column("method", "text", "", "name of the method in the study")
_SEED = Column("seed", "int", "", "seed of the training")
_SELECTION = Column(
    "selection",
    "text",
    "",
    "how a test accuracy is chosen from a training: best, last, last_tenth (the median) or validation",
)
# How an accuracy is chosen from a training, and the column that has it: by the best evaluation (the article's rule,
# chosen on the test images), by the last one, by the median of the last tenth, or by the best validation accuracy.
SELECTIONS = {
    "best": "best_test_accuracy",
    "last": "final_test_accuracy",
    "last_tenth": "last_tenth_test_accuracy",
    "validation": "validation_best_test_accuracy",
}


def selections_of(validation_images: int) -> dict[str, str]:
    """Return the selections that a study with so many validation images has, with their columns."""
    return {name: column for name, column in SELECTIONS.items() if validation_images or name != "validation"}


def _of_validation(name: str, dtype: Dtype, unit: str, meaning: str) -> Column:
    return Column(name, dtype, unit, meaning, may_be_empty=True, if_absent=math.nan, of_validation=True)


_LABEL = Column("label", "int", "", "class of the image as a number from 0")
_CLASS_MEANING = "name of the class; a quote stands before =, +, - and @"

SUBSET = Table(
    "subsets/n{size}.csv",
    "a training image of the subset, in the order of the training",
    "extract-subset",
    (
        Column("row", "int", "", "row of the image in train_images.npy"),
        _LABEL,
        Column("class", "text", "", _CLASS_MEANING),
    ),
)

VALIDATION = Table(
    "subsets/validation.csv",
    "a validation image, which no subset of the study uses; only in studies with evaluation.validation_images",
    "draw-validation",
    SUBSET.columns,
)

SUBSET_TABLE = Table(
    "subset_table.csv",
    "a training-set size",
    "tabulate-subsets",
    (
        _SIZE,
        Column("smallest_class", "int", "images", "images of the smallest class, over all draws"),
        Column("largest_class", "int", "images", "images of the largest class, over all draws"),
        Column("missing_classes", "int", "classes", "classes without an image, the most of all draws", if_absent=0),
    ),
)

CELL_HISTORY = Table(
    "cells/n{size}/{method}/seed{seed}/history.csv",
    "an evaluation of one training",
    "train-cell",
    (
        Column("iteration", "int", "iterations", "steps done at this evaluation"),
        Column("epoch", "float", "epochs", "the same in passes over the subset"),
        Column("learning_rate", "float", "", "learning rate of the last step"),
        Column(
            "train_loss",
            "float",
            "nats",
            "mean training loss since the evaluation before, on images augmented and mixed as they were trained on",
        ),
        Column(
            "clean_train_loss",
            "float",
            "nats",
            "loss on training images that are neither augmented nor mixed",
            may_be_empty=True,
        ),
        Column(
            "clean_train_accuracy",
            "float",
            "fraction",
            "accuracy on training images that are neither augmented nor mixed",
            may_be_empty=True,
        ),
        Column("test_loss", "float", "nats", "loss on the test images"),
        Column("test_accuracy", "float", "fraction", "accuracy on the test images"),
        _of_validation("validation_loss", "float", "nats", "loss on the validation images"),
        _of_validation("validation_accuracy", "float", "fraction", "accuracy on the validation images"),
    ),
    digits=9,
)

HISTORY = Table(
    "history.csv",
    "an evaluation of a current cell",
    "collect-metrics",
    (_STUDY, _SIZE, _METHOD, _SEED, *CELL_HISTORY.columns),
    digits=9,
)

# These stand in the metrics.json of a cell under the same names.
CELL_NUMBERS = (
    Column("iterations", "int", "iterations", "steps of the whole training"),
    Column("final_test_accuracy", "float", "fraction", "test accuracy at the end of the budget"),
    Column(
        "best_test_accuracy",
        "float",
        "fraction",
        "best test accuracy of all evaluations; chosen on the test images, as the article does",
    ),
    Column(
        "last_tenth_test_accuracy",
        "float",
        "fraction",
        "median test accuracy of the evaluations in the last tenth of the budget",
    ),
    Column("last_tenth_readings", "int", "evaluations", "evaluations in the last tenth of the budget"),
    Column("final_test_loss", "float", "nats", "test loss at the end of the budget"),
    Column("best_iteration", "int", "iterations", "first evaluation with the best test accuracy"),
    Column("final_train_loss", "float", "nats", "train_loss of the last evaluation, on mixed and augmented images"),
    Column(
        "final_clean_train_loss", "float", "nats", "clean_train_loss of the last evaluation, if any", may_be_empty=True
    ),
    Column(
        "final_clean_train_accuracy",
        "float",
        "fraction",
        "clean_train_accuracy of the last evaluation, if any",
        may_be_empty=True,
    ),
    Column(
        "expected_calibration_error",
        "float",
        "fraction",
        "expected calibration error at the end, 15 bins of equal width (Guo et al. 2017, equation 3)",
    ),
    Column(
        "calibration_gap", "float", "fraction", "mean confidence minus accuracy at the end; above 0: over-confident"
    ),
    Column("brier_score", "float", "", "Brier score at the end, summed over classes (0 to 2; Brier 1950)"),
    Column("negative_log_likelihood", "float", "nats", "mean negative log-likelihood of the test labels at the end"),
    Column(
        "largest_early_loss",
        "float",
        "nats",
        "largest training loss of a step among the first (a tenth of the budget, 100 steps at most)",
    ),
    Column("largest_early_loss_iteration", "int", "iterations", "the step that had it"),
)
# These as well, where the cell has validation images.
VALIDATION_NUMBERS = (
    _of_validation(
        "validation_best_test_accuracy",
        "float",
        "fraction",
        "test accuracy at the best validation accuracy (the first of equals), which was not chosen on the test images",
    ),
    _of_validation(
        "validation_best_iteration", "int", "iterations", "first evaluation with the best validation accuracy"
    ),
)

METRICS = Table(
    "metrics.csv",
    "a current cell",
    "collect-metrics",
    (
        _STUDY,
        Column("dataset", "text", "", "identifier of the data set"),
        _SIZE,
        _METHOD,
        _SEED,
        *CELL_NUMBERS,
        Column(
            "calibration_error_by_chance",
            "float",
            "fraction",
            "the expected calibration error that a perfectly calibrated network would show by chance, given the number "
            "of test images",
        ),
        *VALIDATION_NUMBERS,
    ),
)

CELLS = Table(
    "cells.csv",
    "a cell of the study",
    "collect-metrics",
    (
        _SIZE,
        _METHOD,
        _SEED,
        Column("status", "text", "", "current, stale, stored, resumable, failed or missing"),
        Column("reason", "text", "", "why it is not current; empty for current cells"),
    ),
)

SUMMARY = Table(
    "summary.csv",
    "a training-set size, method and metric that has a number",
    "summarize-cells",
    (
        _SIZE,
        Column("method", "text", "", f"name of the method in the study, or {ALL_METHODS}: the mean of all methods"),
        Column(
            "metric",
            "text",
            "",
            "the column of metrics.csv that is summarised (one for each selection of a test accuracy), or "
            "selection_gap (best minus last test accuracy), or best_iteration_share (best_iteration over iterations)",
        ),
        Column("seeds", "int", "seeds", "seeds with a number"),
        Column("mean", "float", "as the metric", "mean over the seeds"),
        Column("low", "float", "as the metric", "lower end of the 95 % t interval; empty for one seed", True),
        Column("high", "float", "as the metric", "upper end of the 95 % t interval; empty for one seed", True),
        Column(
            "standard_deviation",
            "float",
            "as the metric",
            "standard deviation over the seeds (divisor: seeds minus 1); empty for one seed",
            may_be_empty=True,
        ),
        Column("minimum", "float", "as the metric", "smallest value of a seed"),
        Column("maximum", "float", "as the metric", "largest value of a seed"),
    ),
    digits=9,
)

COMPARISON = Table(
    "comparison.csv",
    "a pair of methods at a training-set size, by one selection",
    "compare-methods",
    (
        Column("size", "text", "images", f"training-set size, or {ALL_SIZES}: the average over all sizes"),
        _METHOD,
        Column("reference", "text", "", "the method that it is compared with"),
        _SELECTION,
        Column("seeds", "int", "seeds", "seeds that have both methods"),
        Column("difference", "float", "fraction", "mean over seeds of method minus reference", True),
        Column("low", "float", "fraction", "lower end of the 95 % t interval of the difference", True),
        Column("high", "float", "fraction", "upper end of the 95 % t interval of the difference", True),
        Column("standard_error", "float", "fraction", "standard error of the difference", True),
        Column("p_value", "float", "", "p-value of the exact sign-flip test", True),
        Column("note", "text", "", "what to know when reading the row"),
        Column("t_test_p_value", "float", "", "p-value of the paired t test", True),
        Column("holm_p_value", "float", "", "p_value with Holm's correction, in secondary rows", True),
        Column("role", "text", "", "declared (the one hypothesis stated in advance) or secondary"),
        Column("smallest_p_value", "float", "", "smallest p-value that this number of seeds can give", True),
        Column("holm_rows", "int", "rows", "rows that holm_p_value is corrected for", True),
        Column(
            "variance_ratio",
            "float",
            "",
            "variance of the difference over the sum of both methods' variances; below 1 pairing helps",
            may_be_empty=True,
        ),
    ),
    digits=9,
)

CLAIMS = Table(
    "claims.csv",
    "a published claim, number or gain; the first row is the protocol, to which the others refer",
    "judge-claims",
    (
        Column("kind", "text", "", "protocol (how the study differs from the source, once), claim, number or gain"),
        Column("id", "text", "", "identifier of what was published"),
        Column("statement", "text", "", "what was published, as a sentence or a name"),
        Column("published", "text", "percent, points or images", "the published number; empty for claims"),
        Column("found", "text", "percent, points or images", "what the study found"),
        Column("difference", "text", "points or images", "found minus published; empty for claims"),
        Column("tolerance", "text", "points or images", "the difference that still counts as reproduced"),
        Column(
            "verdict",
            "text",
            "",
            "the verdict: reproduced, not reproduced, not tested and the like; as published or differs of the protocol",
        ),
        Column("reason", "text", "", "why, as a sentence"),
    ),
)

PER_CLASS = Table(
    "per_class.csv",
    "a class of the test images in a current cell",
    "tabulate-classes",
    (
        _SIZE,
        _METHOD,
        _SEED,
        _LABEL,
        Column("class", "text", "", _CLASS_MEANING),
        Column("images", "int", "images", "test images of the class"),
        Column("correct", "int", "images", "those of them that the network of the end of the budget gets right"),
        Column("accuracy", "float", "fraction", "correct over images; empty for a class without test images", True),
    ),
    digits=9,
)

CONFUSION = Table(
    "confusion.csv",
    "a class of the test images and a class that was predicted for one of them, at a training-set size by a method",
    "tabulate-classes",
    (
        _SIZE,
        _METHOD,
        _LABEL,
        Column("class", "text", "", _CLASS_MEANING),
        Column("predicted", "int", "", "predicted class as a number from 0: that of the largest logit"),
        Column("predicted_class", "text", "", "its name, written as the class"),
        Column("count", "int", "images", "such test images, summed over the seeds; pairs without any have no row"),
        Column("share", "float", "fraction", "count over all test images of the class, of all seeds"),
    ),
    digits=9,
)

# A mean over seeds beside the paired difference against the study's reference method.
_AGAINST_REFERENCE = (
    Column("seeds", "int", "seeds", "seeds with a number"),
    Column("mean", "float", "as the value", "mean over the seeds"),
    Column("low", "float", "as the value", "lower end of the 95 % t interval; empty for one seed", True),
    Column("high", "float", "as the value", "upper end of the 95 % t interval; empty for one seed", True),
    Column("reference", "text", "", "the method that it is compared with: plain training, else the first method"),
    Column("pairs", "int", "seeds", "seeds that have both methods; 0 for the reference itself"),
    Column("difference", "float", "as the value", "mean over these seeds of method minus reference", True),
    Column("difference_low", "float", "as the value", "lower end of the 95 % t interval of the difference", True),
    Column("difference_high", "float", "as the value", "upper end of the 95 % t interval of the difference", True),
)
_SIZE_OR_ALL = Column("size", "text", "images", f"training-set size, or {ALL_SIZES}: the average over all sizes")

CLASS_SUMMARY = Table(
    "class_summary.csv",
    "a class at a training-set size by a method; the value is the accuracy on the test images of the class",
    "tabulate-classes",
    (_SIZE_OR_ALL, _METHOD, _LABEL, Column("class", "text", "", _CLASS_MEANING), *_AGAINST_REFERENCE),
    digits=9,
)

_METRIC = Column("metric", "text", "", "name of the metric under metrics in the configuration")

OWN_METRICS = Table(
    "own_metrics.csv",
    "a metric of the configuration in a current cell",
    "compute-metrics",
    (
        _SIZE,
        _METHOD,
        _SEED,
        _METRIC,
        Column(
            "value", "float", "as the metric", "the metric of the logits of the test images at the end of the budget"
        ),
    ),
    digits=9,
)

OWN_METRIC_SUMMARY = Table(
    "own_metric_summary.csv",
    "a metric of the configuration at a training-set size by a method",
    "compute-metrics",
    (_SIZE_OR_ALL, _METHOD, _METRIC, *_AGAINST_REFERENCE),
    digits=9,
)

# Named by whoever asks for it; no step of the workflow writes it.
STUDY_COMPARISON = Table(
    "of two studies, where you say",
    "one method, or one gain, of the second study against the same of the first, at a training-set size",
    "compare --format csv",
    (
        Column("size", "text", "images", f"training-set size, or {ALL_SIZES}: the average over all common sizes"),
        Column("method", "text", "", "name of the method in both studies"),
        Column("reference", "text", "", "empty: the method's accuracy; else its gain over this method"),
        _SELECTION,
        Column("first_seeds", "int", "seeds", "seeds of the first study"),
        Column("first_mean", "float", "fraction", "mean over these seeds"),
        Column("second_seeds", "int", "seeds", "seeds of the second study"),
        Column("second_mean", "float", "fraction", "mean over these seeds"),
        Column("pairing", "text", "", "paired (seed by seed) or unpaired (Welch)"),
        Column("pairs", "int", "seeds", "seeds that both studies have, where paired", True),
        Column("difference", "float", "fraction", "second minus first; where paired, of the paired seeds alone"),
        Column("low", "float", "fraction", "lower end of the 95 % t interval of the difference", True),
        Column("high", "float", "fraction", "upper end of the 95 % t interval of the difference", True),
        Column("p_value", "float", "", "p-value of the exact sign-flip test, where paired; not corrected", True),
        Column("smallest_p_value", "float", "", "smallest p-value that this number of pairs can give", True),
        Column("note", "text", "", "what to know when reading the row"),
    ),
    digits=9,
)

TABLES = (
    *(SUBSET, VALIDATION, SUBSET_TABLE, CELL_HISTORY, METRICS, HISTORY, CELLS, SUMMARY, COMPARISON, CLAIMS),
    *(PER_CLASS, CONFUSION, CLASS_SUMMARY, OWN_METRICS, OWN_METRIC_SUMMARY),
    STUDY_COMPARISON,
)


def describe_columns() -> str:
    """Return the column reference, docs/columns.md."""
    parts = [
        "# Columns of the tables",
        "<!-- Written by `make columns` from workflow/smallmix/tables/columns.py. -->",
        "Files lie in `results/<study>/`. They are CSV in UTF-8 with line feeds. Accuracies and their differences are "
        "fractions, losses are in nats.",
    ]
    for table in TABLES:
        lines = ["| column | type | unit | meaning |", "|---|---|---|---|"]
        lines += [f"| `{one.name}` | {one.dtype} | {one.unit} | {_with_notes(one)} |" for one in table.columns]
        parts += [f"## `{table.file}`", f"A row is {table.rows}. Written by `{table.command}`.", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _with_notes(column: Column) -> str:
    meaning = column.meaning
    if column.of_validation:
        return f"{meaning}; only in studies with validation images".replace("|", "\\|")
    if column.may_be_empty and "empty" not in meaning:
        meaning += "; empty where there is none"
    if column.if_absent is not None:
        meaning += f"; tables of older versions lack it, which reads as {column.if_absent}"
    return meaning.replace("|", "\\|")


if __name__ == "__main__":
    print(describe_columns(), end="")
