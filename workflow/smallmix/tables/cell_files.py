"""Read the three files of a finished cell, and check that they agree with each other.

The summary in metrics.json must follow from history.csv and from predictions.npz: this finds edited numbers and errors
of the trainer. Every problem becomes a sentence.
"""

from __future__ import annotations

import itertools
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallmix.science.calibration import CALIBRATION_BINS, LARGEST_STORED_LOGIT, calibrate, calibration_bin
from smallmix.science.early_loss import early_steps
from smallmix.study.iterations import in_last_tenth
from smallmix.study.study import StudyCell
from smallmix.tables.cell_status import CellStatus, UnusableFile, WantedFingerprints, find_other_origins, read_metrics
from smallmix.tables.columns import CELL_HISTORY, CELL_NUMBERS, VALIDATION_NUMBERS
from smallmix.tables.table_files import Columns, TableError, read_columns

# Accuracies are k/N_test: two different ones differ by far more, two writings of one by far less.
ACCURACY_TOLERANCE = 2e-6
# A loss may be summed in another order or written with six digits; an edited one is further off.
LOSS_TOLERANCE = 1e-4
# Logits are stored as float16 (relative precision 2^-11): what they give back of a mean over all test images.
STORED_LOGITS_TOLERANCE = 0.01
FLOAT16_ROUNDING = 2.0**-11  # relative
# The trainer's number in metrics.json and the column of history.csv whose last row it is.
LAST_OF_COLUMN = {
    "final_test_accuracy": "test_accuracy",
    "final_test_loss": "test_loss",
    "final_train_loss": "train_loss",
    "final_clean_train_loss": "clean_train_loss",
    "final_clean_train_accuracy": "clean_train_accuracy",
}
# The numbers of metrics.json that follow from the predictions.
CALIBRATION_NUMBERS = ("expected_calibration_error", "calibration_gap", "brier_score", "negative_log_likelihood")
# What numpy and zipfile raise for files that are cut off, altered, or no archives of arrays.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class CellHistory:
    """One history.csv: its rows as the text they are, and the same numbers by column (NaN where a field is empty)."""

    rows: tuple[str, ...]
    columns: Columns


def examine_files(cell: StudyCell, folder: Path, wanted: WantedFingerprints) -> CellStatus:
    """Judge a cell's folder, in which metrics.json is: current, with its numbers, or stale, with the reason.

    Never raises for what the folder holds.
    """
    try:
        metrics = read_metrics(folder / "metrics.json")
        problems = find_other_origins(cell.value, metrics, wanted)
        if wanted.data is None:
            problems.append(f"its training images cannot be checked: {wanted.data_problem}")
        if problems:
            return _stale(cell, "; ".join(problems))
        images = cell.value.evaluation.validation_images
        check_numbers(metrics, images)
        history = read_history(folder / "history.csv", images)
        logits, labels = read_predictions(folder / "predictions.npz")
    except UnusableFile as error:
        return _stale(cell, str(error))
    problems = [
        *compare_with_history(metrics, history.columns, cell.value.iterations),
        *compare_with_predictions(metrics, logits, labels),
    ]
    if problems:
        return _stale(cell, "its files contradict each other: " + "; ".join(problems))
    by_chance = float(f"{calibration_error_by_chance(logits):.6g}")  # the same digits on every processor
    return CellStatus(
        cell, "current", metrics=metrics, history_rows=history.rows, calibration_error_by_chance=by_chance
    )


def check_numbers(metrics: dict[str, Any], validation_images: int = 0) -> None:
    """Raise UnusableFile where a declared number is missing or not finite, or where no origin is recorded."""
    numbers = (*CELL_NUMBERS, *(VALIDATION_NUMBERS if validation_images else ()))
    wanted = [*(column.name for column in numbers), "environment", "timing"]
    missing = [key for key in wanted if key not in metrics]
    if missing:
        raise UnusableFile(f"metrics.json lacks {', '.join(missing)}")
    wrong = [
        one.name
        for one in numbers
        if not _is_number(metrics[one.name], optional=one.may_be_empty and not one.of_validation)
    ]
    if wrong:
        raise UnusableFile(f"metrics.json: no finite number under {', '.join(wrong)}")
    for key in ("environment", "timing"):
        if not isinstance(metrics[key], dict):
            raise UnusableFile(f"metrics.json: {key} is no mapping")


def read_history(path: Path, validation_images: int = 0) -> CellHistory:
    """Return the rows of a cell's history.csv.

    Raises UnusableFile where a row is cut off, out of order, or not made of numbers, and where the file lacks the
    columns of validation images that the cell has, or has some that it should not have.
    """
    names = CELL_HISTORY.of_study(validation_images).names
    if not path.exists():
        raise UnusableFile("history.csv is missing")
    try:
        columns = read_columns(path, CELL_HISTORY)
        text = path.read_text(encoding="utf-8")
    except TableError as error:
        raise UnusableFile(f"history.csv: {error.problem}") from error
    rows = text.splitlines()
    if tuple(rows[0].split(",")) != names:
        raise UnusableFile(f"history.csv does not begin with the columns {','.join(names)}")
    if len(rows) < 2:
        raise UnusableFile("history.csv has no rows")
    if '"' in text or len(rows) != 1 + len(columns["iteration"]):  # the rows are copied as they are
        raise UnusableFile("history.csv does not hold plain numbers, one row per line")
    if any(later <= earlier for earlier, later in itertools.pairwise(columns["iteration"])):
        raise UnusableFile("history.csv: the iterations do not ascend")
    return CellHistory(tuple(rows[1:]), columns)


def read_predictions(path: Path) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Return logits float16 [N_test, classes] and labels int64 [N_test] of a predictions.npz; nothing is unpickled.

    Raises UnusableFile where the file is damaged or its arrays do not fit each other.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            logits, labels = arrays["logits"], arrays["labels"]
    except FileNotFoundError as error:
        raise UnusableFile("predictions.npz is missing") from error
    except _DAMAGE as error:
        raise UnusableFile(f"predictions.npz is cut off or damaged ({error})") from error
    classes = logits.shape[1] if logits.ndim == 2 else 0
    if classes < 2 or labels.shape != logits.shape[:1] or len(labels) == 0 or labels.dtype.kind not in "iu":
        raise UnusableFile(f"predictions.npz: logits {logits.shape} and labels {labels.shape} do not fit each other")
    if logits.dtype.kind != "f" or np.isnan(logits).any():
        raise UnusableFile("predictions.npz: the logits are not all numbers")
    if labels.min() < 0 or labels.max() >= classes:
        raise UnusableFile(f"predictions.npz: labels outside 0 to {classes - 1}")
    return logits, labels.astype(np.int64)


def compare_with_history(metrics: dict[str, Any], history: Columns, iterations: int) -> list[str]:
    """Name every number of metrics.json that its history contradicts.

    `history` has the columns of history.csv, `iterations` is the cell's whole budget.
    """
    accuracies, moments = history["test_accuracy"], history["iteration"]
    best = int(np.argmax(accuracies))
    late = [accuracy for accuracy, moment in zip(accuracies, moments, strict=True) if in_last_tenth(moment, iterations)]
    found: list[str] = []
    if moments[-1] != iterations or metrics["iterations"] != iterations:
        found.append(
            f"the training stops at iteration {moments[-1]} in history.csv and at {metrics['iterations']} in "
            f"metrics.json, not at {iterations}"
        )
    recomputed = {key: float(history[column][-1]) for key, column in LAST_OF_COLUMN.items()}
    recomputed["best_test_accuracy"] = float(accuracies[best])
    recomputed["best_iteration"] = float(moments[best])
    recomputed["last_tenth_test_accuracy"] = float(median(late or accuracies[-1:]))
    recomputed["last_tenth_readings"] = len(late)
    if "validation_best_iteration" in metrics:
        chosen = int(np.argmax(history["validation_accuracy"]))
        recomputed["validation_best_test_accuracy"] = float(accuracies[chosen])
        recomputed["validation_best_iteration"] = float(moments[chosen])
    for key, value in recomputed.items():
        stored = math.nan if metrics[key] is None else metrics[key]
        same = math.isnan(stored) and math.isnan(value)
        if not same and not abs(stored - value) <= _tolerance(key, value):
            found.append(f"{key} is {stored:g} in metrics.json, but {value:g} by history.csv")
    return [*found, *_compare_early_steps(metrics, history, early_steps(iterations))]


def compare_with_predictions(
    metrics: dict[str, Any], logits: NDArray[np.float16], labels: NDArray[np.int64]
) -> list[str]:
    """Name every number of metrics.json that the predictions contradict; logits [N, classes], labels [N]."""
    found: list[str] = []
    low, high = accuracy_bounds(logits, labels)
    stored = metrics["final_test_accuracy"]
    if not low - ACCURACY_TOLERANCE <= stored <= high + ACCURACY_TOLERANCE:
        found.append(f"final_test_accuracy is {stored:g} in metrics.json, but {low:g} by predictions.npz")
    if not np.abs(logits).max() < LARGEST_STORED_LOGIT:
        return found  # the trainer clips what float16 cannot hold: the order is kept, the likelihood is lost
    recomputed = calibrate(logits.astype(np.float32), labels)
    ties = high - low
    # One image in another bin, or taken for right instead of wrong, changes two parts of the sum over bins.
    further = {"expected_calibration_error": 2 * (ties + share_between_bins(logits)), "calibration_gap": ties}
    for key in CALIBRATION_NUMBERS:
        value = recomputed[key]
        tolerance = STORED_LOGITS_TOLERANCE * max(1.0, abs(value)) + further.get(key, 0.0)
        if not abs(metrics[key] - value) <= tolerance:
            found.append(f"{key} is {metrics[key]:g} in metrics.json, but {value:g} by predictions.npz")
    return found


def accuracy_bounds(logits: NDArray[np.float16], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Return the smallest and the largest accuracy that the logits had before they were rounded to float16.

    Rounding keeps the order of two numbers or makes them equal, so only ties at the top are open. logits are
    [N, classes], labels [N]; the accuracies are fractions.
    """
    rows = np.arange(len(labels))
    of_label = logits[rows, labels]
    others = logits.copy()
    others[rows, labels] = -np.inf
    strongest = others.max(axis=1)
    return float(np.mean(of_label > strongest)), float(np.mean(of_label >= strongest))


def share_between_bins(logits: NDArray[np.float16]) -> float:
    """Return the share of images whose bin of confidence is open, because the logits were rounded to float16.

    Rounding moves a logit by 2^-11 of its size at most, and so the confidence by a factor of at most the exponential of
    twice the largest such movement. logits are [N, classes].
    """
    wide = logits.astype(np.float64)
    largest = wide.max(axis=1)
    confidence = 1 / np.exp(wide - largest[:, None]).sum(axis=1)
    factor = np.exp(2 * FLOAT16_ROUNDING * np.abs(wide).max(axis=1))
    low, high = confidence / factor, np.minimum(confidence * factor, 1.0)
    return float(np.mean(calibration_bin(low) != calibration_bin(high)))


def calibration_error_by_chance(logits: NDArray[np.float16]) -> float:
    """Return the mean expected calibration error if each image were right with the probability of its confidence.

    This is what a perfectly calibrated network would show. The expected calibration error is a mean of absolute values
    and so above zero for every network: the fewer test images, the more. On 500 it is some points, on 10,000 about one.

    logits are [N, classes]. Within a bin, all images are taken to have the bin's mean confidence; the exact mean over
    the binomial distribution then overstates the error by a few hundredths of its value at most.
    """
    wide = logits.astype(np.float32)
    confidence = (1 / np.exp(wide - wide.max(axis=1, keepdims=True)).sum(axis=1)).astype(np.float64)
    bins = calibration_bin(confidence)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    sums = np.bincount(bins, weights=confidence, minlength=CALIBRATION_BINS)
    deviations = [
        binomial_deviation(int(count), float(total) / int(count))
        for count, total in zip(counts, sums, strict=True)
        if count
    ]
    return math.fsum(deviations) / len(logits)


def binomial_deviation(count: int, probability: float) -> float:
    """Return the mean absolute deviation of a binomial number of successes from its mean (De Moivre 1730)."""
    if not 0 < probability < 1:
        return 0.0
    above = math.floor(count * probability) + 1
    if above > count:  # the mean is within rounding of count
        return 0.0
    choices = math.lgamma(count + 1) - math.lgamma(above + 1) - math.lgamma(count - above + 1)
    chance = choices + above * math.log(probability) + (count - above + 1) * math.log1p(-probability)
    return 2 * above * math.exp(chance)


def _stale(cell: StudyCell, reason: str) -> CellStatus:
    return CellStatus(cell, "stale", reason, files_problem=reason)


def _compare_early_steps(metrics: dict[str, Any], history: Columns, early: int) -> list[str]:
    """Check that the largest early loss is that of an early step, and that no mean over some of them is above it."""
    found: list[str] = []
    largest, where = metrics["largest_early_loss"], metrics["largest_early_loss_iteration"]
    if not 0 <= where <= early:
        found.append(f"largest_early_loss_iteration is {where:g} in metrics.json, but early are {early:,} iterations")
    mean = max(history["train_loss"][history["iteration"] <= early], default=-math.inf)
    if largest < mean - _tolerance("loss", mean):
        found.append(f"largest_early_loss is {largest:g} in metrics.json, but a mean of {mean:g} stands in history.csv")
    return found


def _tolerance(key: str, value: float) -> float:
    if key.endswith("accuracy"):
        return ACCURACY_TOLERANCE
    return LOSS_TOLERANCE * max(1.0, abs(value)) if key.endswith("loss") else 0.0


def _is_number(value: Any, *, optional: bool) -> bool:
    if value is None:
        return optional
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
