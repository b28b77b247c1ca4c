"""The columns of the CSV files of the statistics, declared once: means, differences, claims.

Accuracies and their differences are fractions, losses are in nats. This module needs the standard library alone.
"""

from __future__ import annotations

from smallmix.tables.columns import CLASS, LABEL, METHOD, SEED, SIZE
from smallmix.tables.table_form import Column, Table

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
    ),
    digits=9,
)

CLAIMS = Table(
    "claims.csv",
    "a published claim, number or gain",
    "judge-claims",
    (
        Column("kind", "text", "", "claim, number or gain"),
        Column("id", "text", "", "identifier of what was published"),
        Column("statement", "text", "", "what was published, as a sentence or a name"),
        Column("published", "text", "percent, points or images", "the published number; empty for claims"),
        Column("found", "text", "percent, points or images", "what the study found"),
        Column("difference", "text", "points or images", "found minus published; empty for claims"),
        Column("tolerance", "text", "points or images", "the difference that still counts as reproduced"),
        Column("verdict", "text", "", "the verdict: reproduced, not reproduced, not tested and the like"),
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
)

OWN_METRIC_SUMMARY = Table(
    "own_metric_summary.csv",
    "a metric of the configuration at a training-set size by a method",
    "compute-metrics",
    (SIZE_OR_ALL, METHOD, _METRIC, *_AGAINST_REFERENCE),
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
