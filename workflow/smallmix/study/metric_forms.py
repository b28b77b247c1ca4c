"""The metrics that a configuration can name besides the user's functions; `statistics/ready_metrics.py` has them."""

from __future__ import annotations

from collections.abc import Mapping

# What each is, for the schema and for the report.
READY_METRICS: Mapping[str, str] = {
    "balanced-accuracy": "the mean of the accuracies on the classes",
    "macro-f1": "the mean over classes of the F1 score",
    "top-5": "the share of images whose class is among the five with the largest logits",
}
EXAMPLE = "my_metric.py:function"
EXPECTED = (
    "a function of logits (a NumPy array, float32 [images, classes]) and labels (int64 [images]) that returns one "
    "finite number"
)
