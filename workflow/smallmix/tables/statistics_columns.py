"""The columns of the CSV files of the statistics, declared once: means, differences, claims.

Accuracies and their differences are fractions, losses are in nats. This module needs the standard library alone.
"""

from __future__ import annotations

import math

from smallmix.tables.columns import CLASS, LABEL, METHOD, OF_A_CELL, SEED, SIZE
from smallmix.tables.table_form import SHARE, Column, Dtype, Table

# In place of a size and of a method. No method can have this name.
ALL_SIZES = "all"
ALL_METHODS = "*"
SELECTION = Column(
    "selection",
    "text",
    "",
    "how a test accuracy is chosen from a training: best, last, last_tenth (the median) or validation",
)

SUMMARY = Table(
    "summary.csv",
    "a training-set size, method and metric that has a number",
    "summarize-cells",
    (
        SIZE,
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
    key=("size", "method", "metric"),
)


def _added(name: str, unit: str, meaning: str, dtype: Dtype = "float") -> Column:
    """Declare a column that tables of older versions lack, and whose fields may be empty."""
    return Column(name, dtype, unit, meaning, may_be_empty=True, if_absent=math.nan)


def _seeds_needed(name: str, what: str) -> tuple[Column, ...]:
    return (
        _added(name, "seeds", f"{what}, if the standard deviation is as observed; from three seeds on"),
        _added(f"{name}_low", "seeds", "the same for the lower end of the standard deviation's interval"),
        _added(f"{name}_high", "seeds", "the same for the upper end"),
    )


# What the seeds of a paired difference say of further seeds.
_EVIDENCE_OF_SEEDS = (
    _added("ahead", SHARE, "share of the seeds where the method is ahead of the reference, equal ones half"),
    _added("ahead_low", "fraction", "lower end of its 95 % interval (Wilson 1927), from two seeds on"),
    _added("ahead_high", "fraction", "upper end of its 95 % interval"),
    _added(
        "standard_deviation", "fraction", "standard deviation over seeds of the difference (divisor: seeds minus 1)"
    ),
    _added("standard_deviation_low", "fraction", "lower end of its 95 % chi-square interval, from three seeds on"),
    _added("standard_deviation_high", "fraction", "upper end of its 95 % chi-square interval"),
    *_seeds_needed("seeds_for_interval", "fewest seeds whose 95 % t interval reaches one point to either side at most"),
    *_seeds_needed("seeds_for_test", "fewest seeds with which the paired t test at 0.05 finds one point in 80 %"),
    _added(
        "best_adds",
        "fraction",
        "how much larger the difference is by the best accuracy than by this selection, mean over seeds",
    ),
    _added("best_adds_low", "fraction", "lower end of its 95 % t interval"),
    _added("best_adds_high", "fraction", "upper end of its 95 % t interval"),
)

COMPARISON = Table(
    "comparison.csv",
    "a pair of methods at a training-set size, by one selection",
    "compare-methods",
    (
        Column("size", "text", "images", f"training-set size, or {ALL_SIZES}: the average over all sizes"),
        METHOD,
        Column("reference", "text", "", "the method that it is compared with"),
        SELECTION,
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
        *_EVIDENCE_OF_SEEDS,
    ),
    digits=9,
    key=("size", "method", "reference", "selection"),
)

CLAIMS = Table(
    "claims.csv",
    "a published claim, number or gain, or an open question; the first row is the protocol, to which the others refer",
    "judge-claims",
    (
        Column(
            "kind",
            "text",
            "",
            "protocol (how the study differs from the source, once), claim, question, number or gain",
        ),
        Column("id", "text", "", "identifier of what was published"),
        Column("statement", "text", "", "what was published, as a sentence or a name"),
        Column(
            "published", "text", "percent, points or images", "the published number; empty for claims and questions"
        ),
        Column("found", "text", "percent, points or images", "what the study found"),
        Column("difference", "text", "points or images", "found minus published; empty for claims and questions"),
        Column("tolerance", "text", "points or images", "the difference that still counts as reproduced"),
        Column(
            "verdict",
            "text",
            "",
            "the verdict: reproduced, not reproduced, not tested and the like; as published or differs of the "
            "protocol; yes, no, in part, undecided or not answered of a question",
        ),
        Column("reason", "text", "", "why, as a sentence"),
    ),
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
SIZE_OR_ALL = Column("size", "text", "images", f"training-set size, or {ALL_SIZES}: the average over all sizes")

CLASS_SUMMARY = Table(
    "class_summary.csv",
    "a class at a training-set size by a method; the value is the accuracy on the test images of the class",
    "tabulate-classes",
    (SIZE_OR_ALL, METHOD, LABEL, CLASS, *_AGAINST_REFERENCE),
    digits=9,
    key=("size", "method", "label"),
)

_METRIC = Column("metric", "text", "", "name of the metric under metrics in the configuration")

OWN_METRICS = Table(
    "own_metrics.csv",
    "a metric of the configuration in a current cell",
    "compute-metrics",
    (
        SIZE,
        METHOD,
        SEED,
        _METRIC,
        Column(
            "value", "float", "as the metric", "the metric of the logits of the test images at the end of the budget"
        ),
    ),
    digits=9,
    key=(*OF_A_CELL, "metric"),
)

OWN_METRIC_SUMMARY = Table(
    "own_metric_summary.csv",
    "a metric of the configuration at a training-set size by a method",
    "compute-metrics",
    (SIZE_OR_ALL, METHOD, _METRIC, *_AGAINST_REFERENCE),
    digits=9,
    key=("size", "method", "metric"),
)

SUBSET_SCATTER = Table(
    "subset_scatter.csv",
    "a method, or its gain, at a training-set size in two studies that differ in redrawing the subset for each seed "
    "alone, one of them this study and the other one under compare_with; no rows where there is no such pair",
    "judge-claims",
    (
        SIZE,
        METHOD,
        Column("reference", "text", "", "empty: the method's accuracy; else its gain over this method"),
        SELECTION,
        Column("redrawn_study", "text", "", "the study that draws a subset for each seed"),
        Column("redrawn_seeds", "int", "seeds", "its seeds with a number"),
        Column("redrawn_deviation", "float", "fraction", "its standard deviation over seeds: subset and training"),
        Column("fixed_study", "text", "", "the study with one subset for all seeds"),
        Column("fixed_seeds", "int", "seeds", "its seeds with a number"),
        Column("fixed_deviation", "float", "fraction", "its standard deviation over seeds: training alone"),
        Column(
            "variance",
            "float",
            "fraction squared",
            "variance of the redrawn study minus that of the fixed one: the subset's share; may be negative by chance",
        ),
        Column(
            "variance_low",
            "float",
            "fraction squared",
            "lower end of its 95 % modified large-sample interval (Ting et al. 1990)",
            may_be_empty=True,
        ),
        Column("variance_high", "float", "fraction squared", "upper end of it", may_be_empty=True),
        Column("subset_deviation", "float", "fraction", "root of the variance; 0 where that is negative"),
        Column("subset_deviation_low", "float", "fraction", "root of variance_low; 0 where that is negative", True),
        Column("subset_deviation_high", "float", "fraction", "root of variance_high; 0 where that is negative", True),
        Column("note", "text", "", "what to know when reading the row", may_be_empty=True),
    ),
    digits=9,
)

CLASS_BALANCE = Table(
    "class_balance.csv",
    "a method at a training-set size whose classes differ by two training images or more",
    "tabulate-classes",
    (
        SIZE,
        METHOD,
        Column("seeds", "int", "seeds", "seeds with a number; each has one, computed over the classes"),
        Column("draws", "int", "subsets", "different subsets among these seeds"),
        Column(
            "correlation",
            "float",
            "",
            "rank correlation (Spearman 1904) of the accuracy on a class with its number of training images, mean over "
            "seeds",
        ),
        Column("correlation_low", "float", "", "lower end of its 95 % t interval, cut at -1; empty for one seed", True),
        Column("correlation_high", "float", "", "upper end of its 95 % t interval, cut at 1; empty for one seed", True),
        Column(
            "slope",
            "float",
            "fraction per image",
            "least-squares slope of the accuracy on a class over its number of training images, mean over seeds",
        ),
        Column(
            "slope_low", "float", "fraction per image", "lower end of its 95 % t interval; empty for one seed", True
        ),
        Column(
            "slope_high", "float", "fraction per image", "upper end of its 95 % t interval; empty for one seed", True
        ),
    ),
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
        SELECTION,
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

PUBLISHED_COMPARISON = Table(
    "of a study and published numbers, where you say",
    "one accuracy, or one gain over plain training, of the study and of the source, at a training-set size",
    "compare STUDY published --format csv",
    (
        SIZE,
        METHOD,
        Column("published_method", "text", "", "what the source calls the method"),
        Column("reference", "text", "", "empty: the method's accuracy; else its gain over this method"),
        SELECTION,
        Column("published", "float", "fraction", "the published accuracy or gain, of one run"),
        Column("seeds", "int", "seeds", "seeds of the study"),
        Column("mean", "float", "fraction", "mean over these seeds"),
        Column("low", "float", "fraction", "lower end of the 95 % t interval of the mean", True),
        Column("high", "float", "fraction", "upper end of the 95 % t interval of the mean", True),
        Column("difference", "float", "fraction", "mean minus published"),
        Column("verdict", "text", "", "as in claims.csv, or not comparable: the study was not trained as published"),
        Column("reason", "text", "", "why, as a sentence"),
    ),
    digits=9,
)
