"""The columns of the CSV files of subsets and cells, declared once.

Those of the statistics are in `smallmix.tables.statistics_columns`. The writer, the reader and the column reference
(docs/columns.md) follow these declarations. Accuracies and their differences are fractions, losses are in nats. This
module needs the standard library alone.
"""

from __future__ import annotations

import math

from smallmix.tables.table_form import SHARE, Column, Dtype, Table

STUDY = Column("study", "text", "", "name of the study")
SIZE = Column("size", "int", "images", "training-set size")
METHOD = Column("method", "text", "", "name of the method in the study")
SEED = Column("seed", "int", "", "seed of the training")
LABEL = Column("label", "int", "", "class of the image as a number from 0")
CLASS = Column("class", "text", "", "name of the class; a quote stands before =, +, - and @")
OF_A_CELL = ("size", "method", "seed")  # what tells rows of cells apart

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


SUBSET = Table(
    "subsets/n{size}.csv",
    "a training image of the subset, in the order of the training",
    "extract-subset",
    (
        Column("row", "int", "", "row of the image in train_images.npy"),
        LABEL,
        CLASS,
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
        SIZE,
        Column("smallest_class", "int", "images", "images of the smallest class, over all draws"),
        Column("largest_class", "int", "images", "images of the largest class, over all draws"),
        Column("missing_classes", "int", "classes", "classes without an image, the most of all draws", if_absent=0),
    ),
    key=("size",),
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
            SHARE,
            "accuracy on training images that are neither augmented nor mixed",
            may_be_empty=True,
        ),
        Column("test_loss", "float", "nats", "loss on the test images"),
        Column("test_accuracy", "float", SHARE, "accuracy on the test images"),
        _of_validation("validation_loss", "float", "nats", "loss on the validation images"),
        _of_validation("validation_accuracy", "float", SHARE, "accuracy on the validation images"),
    ),
    digits=9,
)

HISTORY = Table(
    "history.csv",
    "an evaluation of a current cell",
    "collect-metrics",
    (STUDY, SIZE, METHOD, SEED, *CELL_HISTORY.columns),
    digits=9,
    key=(*OF_A_CELL, "iteration"),
)

# These stand in the metrics.json of a cell under the same names.
CELL_NUMBERS = (
    Column("iterations", "int", "iterations", "steps of the whole training"),
    Column("final_test_accuracy", "float", SHARE, "test accuracy at the end of the budget"),
    Column(
        "best_test_accuracy",
        "float",
        SHARE,
        "best test accuracy of all evaluations; chosen on the test images, as the article does",
    ),
    Column(
        "last_tenth_test_accuracy",
        "float",
        SHARE,
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
        SHARE,
        "clean_train_accuracy of the last evaluation, if any",
        may_be_empty=True,
    ),
    Column(
        "expected_calibration_error",
        "float",
        SHARE,
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
        SHARE,
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
        STUDY,
        Column("dataset", "text", "", "identifier of the data set"),
        SIZE,
        METHOD,
        SEED,
        *CELL_NUMBERS,
        Column(
            "calibration_error_by_chance",
            "float",
            SHARE,
            "the expected calibration error that a perfectly calibrated network would show by chance, given the number "
            "of test images",
        ),
        *VALIDATION_NUMBERS,
    ),
    key=OF_A_CELL,
)

CELLS = Table(
    "cells.csv",
    "a cell of the study",
    "collect-metrics",
    (
        SIZE,
        METHOD,
        SEED,
        Column(
            "status", "text", "", "current, stale (outdated), stored, resumable (begun), failed or missing (waiting)"
        ),
        Column("reason", "text", "", "why it is not current; empty for current cells"),
    ),
    key=OF_A_CELL,
)

PER_CLASS = Table(
    "per_class.csv",
    "a class of the test images in a current cell",
    "tabulate-classes",
    (
        SIZE,
        METHOD,
        SEED,
        LABEL,
        CLASS,
        Column("images", "int", "images", "test images of the class"),
        Column("correct", "int", "images", "those of them that the network of the end of the budget gets right"),
        Column("accuracy", "float", SHARE, "correct over images; empty for a class without test images", True),
    ),
    digits=9,
    key=(*OF_A_CELL, "label"),
)

CONFUSION = Table(
    "confusion.csv",
    "a class of the test images and a class that was predicted for one of them, at a training-set size by a method",
    "tabulate-classes",
    (
        SIZE,
        METHOD,
        LABEL,
        CLASS,
        Column("predicted", "int", "", "predicted class as a number from 0: that of the largest logit"),
        Column("predicted_class", "text", "", "its name, written as the class"),
        Column("count", "int", "images", "such test images, summed over the seeds; pairs without any have no row"),
        Column("share", "float", SHARE, "count over all test images of the class, of all seeds"),
    ),
    digits=9,
    key=("size", "method", "label", "predicted"),
)
