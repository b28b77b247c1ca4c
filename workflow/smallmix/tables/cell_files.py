"""The three files of a finished cell, read with suspicion: whatever is wrong with them becomes a sentence."""

from __future__ import annotations

import itertools
import json
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HISTORY_COLUMNS = (
    "iteration",
    "epoch",
    "learning_rate",
    "train_loss",
    "clean_train_loss",
    "clean_train_accuracy",
    "test_loss",
    "test_accuracy",
)
NUMBERS = (
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
)
# Not read where the study's clean_train_limit is 0: null in metrics.json, empty in history.csv.
OPTIONAL_NUMBERS = frozenset({"final_clean_train_loss", "final_clean_train_accuracy"})
OPTIONAL_COLUMNS = frozenset({"clean_train_loss", "clean_train_accuracy"})


# What numpy and zipfile raise for files that are cut off, altered, or no archives of arrays.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)


class UnusableFile(Exception):
    """A cell's file that cannot be used; the message is the reason that people read. Never leaves this floor."""


@dataclass(frozen=True)
class CellHistory:
    """One history.csv: its rows as the text they are, and the same numbers by column (NaN where a field is empty)."""

    rows: tuple[str, ...]
    columns: dict[str, list[float]]


def read_metrics(path: Path) -> dict[str, Any]:
    """The content of a metrics.json, with what says from where it is. Raises UnusableFile where it is no such file.

    Its numbers are not looked at yet: results of another version, whose numbers have other names, must be told as such.
    """
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as fault:
        raise UnusableFile(f"metrics.json cannot be read: {fault.strerror}") from fault
    except ValueError as fault:
        raise UnusableFile(f"metrics.json is cut off or damaged ({fault})") from fault
    if not isinstance(metrics, dict):
        raise UnusableFile("metrics.json holds no mapping")
    wanted = ("cell", "cell_fingerprint", "data_fingerprint", "code_fingerprint", "environment", "timing")
    _check_keys(metrics, wanted)
    for key in ("cell", "environment", "timing"):
        if not isinstance(metrics[key], dict):
            raise UnusableFile(f"metrics.json: {key} is no mapping")
    return metrics


def check_numbers(metrics: dict[str, Any]) -> None:
    """Raise UnusableFile where one of the NUMBERS is missing or is no finite number."""
    _check_keys(metrics, NUMBERS)
    wrong = [key for key in NUMBERS if not _is_number(metrics[key], optional=key in OPTIONAL_NUMBERS)]
    if wrong:
        raise UnusableFile(f"metrics.json: no finite number under {', '.join(wrong)}")


def _check_keys(metrics: dict[str, Any], wanted: Sequence[str]) -> None:
    missing = [key for key in wanted if key not in metrics]
    if missing:
        raise UnusableFile(f"metrics.json lacks {', '.join(missing)}")


def read_history(path: Path) -> CellHistory:
    """The rows of a history.csv. Raises UnusableFile where a row is cut off, out of order, or not made of numbers."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as fault:
        raise UnusableFile("history.csv is missing") from fault
    except (OSError, ValueError) as fault:
        raise UnusableFile(f"history.csv cannot be read ({fault})") from fault
    if not lines or tuple(lines[0].split(",")) != HISTORY_COLUMNS:
        raise UnusableFile(f"history.csv does not begin with the columns {','.join(HISTORY_COLUMNS)}")
    if len(lines) < 2:
        raise UnusableFile("history.csv has no rows")
    columns: dict[str, list[float]] = {name: [] for name in HISTORY_COLUMNS}
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split(",")
        if len(fields) != len(HISTORY_COLUMNS):
            raise UnusableFile(f"history.csv, line {number}: {len(fields)} fields instead of {len(HISTORY_COLUMNS)}")
        for name, field in zip(HISTORY_COLUMNS, fields, strict=True):
            columns[name].append(_number_of(field, name, number))
    iterations = columns["iteration"]
    if any(later <= earlier for earlier, later in itertools.pairwise(iterations)):
        raise UnusableFile("history.csv: the iterations do not ascend")
    return CellHistory(rows=tuple(lines[1:]), columns=columns)


def read_predictions(path: Path) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Logits float16 [N_test, classes] and labels int64 [N_test] of a predictions.npz; nothing is unpickled.

    Raises UnusableFile where the file is damaged or its arrays do not fit each other.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            logits, labels = arrays["logits"], arrays["labels"]
    except FileNotFoundError as fault:
        raise UnusableFile("predictions.npz is missing") from fault
    except _DAMAGE as fault:
        raise UnusableFile(f"predictions.npz is cut off or damaged ({fault})") from fault
    classes = logits.shape[1] if logits.ndim == 2 else 0
    if classes < 2 or labels.shape != logits.shape[:1] or len(labels) == 0 or labels.dtype.kind not in "iu":
        raise UnusableFile(f"predictions.npz: logits {logits.shape} and labels {labels.shape} do not fit each other")
    if logits.dtype.kind != "f" or np.isnan(logits).any():
        raise UnusableFile("predictions.npz: the logits are not all numbers")
    if labels.min() < 0 or labels.max() >= classes:
        raise UnusableFile(f"predictions.npz: labels outside 0 to {classes - 1}")
    return logits, labels.astype(np.int64)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name} where a number belongs")


def _is_number(value: Any, *, optional: bool) -> bool:
    if value is None:
        return optional
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number_of(field: str, column: str, line: int) -> float:
    if not field and column in OPTIONAL_COLUMNS:
        return math.nan
    try:
        value = float(field)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UnusableFile(f"history.csv, line {line}: {column} is {field!r}, not a finite number")
    return value
