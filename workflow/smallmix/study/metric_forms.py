"""The metrics that a configuration can name besides the user's functions; `statistics/ready_metrics.py` has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from smallmix.errors import ConfigurationError
from smallmix.own_code import load_own, names_own_code, own_file, own_name

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


def load_own_metrics(metrics: Mapping[str, str]) -> dict[str, Callable[..., Any]]:
    """Return the functions of the user's files among the metrics, by the metrics' names.

    `metrics` are as the configuration has them. Raises ConfigurationError where a file cannot be run, lacks the
    function, or has something else there.
    """
    return {
        name: load_own_metric(name, named, own_file(named)) for name, named in metrics.items() if names_own_code(named)
    }


def load_own_metric(name: str, named: str, file: str) -> Callable[..., Any]:
    """Return the function of one metric; `named` is FILE.py:FUNCTION, `file` where that file lies. Raises as above."""
    function = load_own(named, file)
    if not callable(function):
        raise ConfigurationError(
            f"{file}: {own_name(named)}, which metrics.{name} names, is no function but a {type(function).__name__}. "
            f"Expected is {EXPECTED}."
        )
    loaded: Callable[..., Any] = function
    return loaded
