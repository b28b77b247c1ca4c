"""own_metrics.csv and own_metric_summary.csv: the further metrics of the configuration, computed after the training.

A metric is a function of the logits and labels of the test images, as predictions.npz has them: of the network at the
end of the budget, rounded to float16. So a metric that is added, changed or removed trains nothing.
"""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallmix.errors import SmallmixError
from smallmix.own_code import describe_place, names_own_code, own_file
from smallmix.statistics.against_reference import MeanAgainstReference, means_against_reference
from smallmix.statistics.ready_metrics import READY, Metric
from smallmix.study.layout import Layout
from smallmix.study.metric_forms import EXPECTED, load_own_metric
from smallmix.study.study import Study, StudyCell
from smallmix.tables.predictions import PREDICTIONS_FILE, load_predictions
from smallmix.tables.statistics_columns import OWN_METRIC_SUMMARY, OWN_METRICS
from smallmix.tables.table_files import write_table


@dataclass(frozen=True)
class OwnMetric:
    """A metric of the configuration by its name. `file` is the user's file, None for one that is ready."""

    name: str
    compute: Metric
    file: str | None = None


@dataclass(frozen=True)
class MetricValue:
    """A metric of one run."""

    size: int
    method: str
    seed: int
    metric: str
    value: float


def find_metrics(study: Study, files: Iterable[str] = ()) -> list[OwnMetric]:
    """Return the study's metrics, sorted by name. `files` say where the user's files lie, if elsewhere than it says.

    Raises ConfigurationError where a user's file cannot be run, lacks the function, or has something else there.
    """
    brought = [str(file) for file in files]
    return [find_metric(name, meaning, brought) for name, meaning in study.metrics.items()]


def find_metric(name: str, meaning: str, files: Sequence[str] = ()) -> OwnMetric:
    """Return one metric; `meaning` is as the configuration has it. Raises as `find_metrics`."""
    if not names_own_code(meaning):
        return OwnMetric(name, READY[meaning])
    stated = own_file(meaning)
    same_name = [file for file in files if Path(file).name == Path(stated).name]
    file = stated if stated in files or not same_name else same_name[0]
    return OwnMetric(name, load_own_metric(name, meaning, file), file)


def compute_metrics(layout: Layout, cells: Iterable[StudyCell], metrics: Sequence[OwnMetric]) -> list[MetricValue]:
    """Return every metric of trained cells, in the order of the cells.

    Raises SmallmixError where predictions are missing or damaged, and where a user's function raises, returns no finite
    number, changes its inputs, or returns another number for the same inputs.
    """
    values: list[MetricValue] = []
    checked: set[str] = set()
    if not metrics:
        return values
    for cell in cells:
        stored, labels = load_predictions(layout.cell(cell) / PREDICTIONS_FILE)
        logits = stored.astype(np.float32)
        for metric in metrics:
            given = f"the predictions of {cell.id}"
            value = compute_metric(metric, logits, labels, given)
            if metric.name not in checked:
                checked.add(metric.name)
                require_equal(metric, logits, labels, given, value)
            values.append(MetricValue(cell.size, cell.method, cell.seed, metric.name, value))
    return values


def compute_metric(metric: OwnMetric, logits: NDArray[np.float32], labels: NDArray[np.int64], given: str) -> float:
    """Return the metric of logits float32 [N, classes] and labels int64 [N]; `given` says whose they are in messages.

    The function gets copies. Raises SmallmixError as `compute_metrics` does.
    """
    own_logits, own_labels = logits.copy(), labels.copy()
    try:
        value: Any = metric.compute(own_logits, own_labels)
    except SmallmixError:
        raise
    except Exception as error:
        where = describe_place(error, str(Path(metric.file or "").resolve()))
        raise _refusal(metric, given, f"raised an error.\n{where}") from error
    if not (np.array_equal(own_logits, logits) and np.array_equal(own_labels, labels)):
        raise _refusal(metric, given, "changed its inputs. Let it work on copies.")
    plain = _plain_number(value)
    if plain is None or not math.isfinite(plain):
        raise _refusal(metric, given, f"returned {_shown(value)}.")
    return plain


def summarize_metrics(study: Study, values: Sequence[MetricValue]) -> list[tuple[str, MeanAgainstReference]]:
    """Return each metric's name with its means, sorted by metric, then in the study's order."""
    rows = []
    for name in study.metrics:
        of_metric: dict[tuple[int, str], dict[int, float]] = {}
        for value in values:
            if value.metric == name:
                of_metric.setdefault((value.size, value.method), {})[value.seed] = value.value
        rows += [(name, row) for row in means_against_reference(study, of_metric)]
    return rows


def write_metric_tables(study: Study, values: Sequence[MetricValue], folder: Path) -> None:
    """Write own_metrics.csv and own_metric_summary.csv into `folder`, each atomically; without rows for no metrics."""
    write_table(
        folder / OWN_METRICS.file,
        OWN_METRICS,
        ([value.size, value.method, value.seed, value.metric, value.value] for value in values),
    )
    write_table(
        folder / OWN_METRIC_SUMMARY.file,
        OWN_METRIC_SUMMARY,
        ([row.size_text, row.method, name, *row.fields()] for name, row in summarize_metrics(study, values)),
    )


def require_equal(
    metric: OwnMetric, logits: NDArray[np.float32], labels: NDArray[np.int64], given: str, first: float
) -> None:
    """Raise SmallmixError where the metric of these is not the `first` one again; see `compute_metric`."""
    second = compute_metric(metric, logits, labels, given)
    if second != first:
        raise _refusal(
            metric, given, f"returned {first:g} and then {second:g} for the same inputs. Seed what it draws."
        )


def _plain_number(value: Any) -> float | None:
    """Return a number, or an array or tensor of a single one without dimensions, as a float; None for all else."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_):
        return float(value)
    return None


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return f"{text[:60]}{'…' if len(text) > 60 else ''}, a {type(value).__name__}"


def _refusal(metric: OwnMetric, given: str, what: str) -> SmallmixError:
    """Return the error of a metric that cannot be used, with the line where the user's function begins."""
    line = ""
    code = getattr(inspect.unwrap(metric.compute), "__code__", None)
    if metric.file is not None and code is not None:
        line = f"{metric.file}, line {code.co_firstlineno}: "
    return SmallmixError(
        f"{line}the function of metrics.{metric.name} {what}\nExpected is {EXPECTED}. It was given {given}. "
        "Correct the function and run again: no cell is trained anew."
    )
