"""Do a cell's files agree with each other? Its summary must follow from its history and from its predictions."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallmix.science.early_loss import early_steps
from smallmix.study.reading_moments import in_last_tenth
from smallmix.tables.cell_files import CellHistory

# Accuracies are k/N_test: two different ones differ by far more, two writings of one by far less.
ACCURACY_TOLERANCE = 2e-6
# A loss may be summed in another order or written with six digits; an edited one is further off.
LOSS_TOLERANCE = 1e-4
# Logits are stored as float16 (relative precision 2^-11): what they give back of a mean over all test images.
STORED_LOGITS_TOLERANCE = 0.01
CALIBRATION_BINS = 15
LARGEST_KEPT_LOGIT = 60000


def find_contradictions(
    metrics: dict[str, Any],
    history: CellHistory,
    logits: NDArray[np.float16],
    labels: NDArray[np.int64],
    iterations: int,
) -> list[str]:
    """Sentences on every number of metrics.json that its history or its predictions contradict; empty where all agree.

    logits are [N_test, classes], labels [N_test]; iterations is the cell's whole budget.
    """
    return [
        *_against_history(metrics, history, iterations),
        *_against_predictions(metrics, logits, labels),
    ]


def _against_history(metrics: dict[str, Any], history: CellHistory, iterations: int) -> list[str]:
    columns = history.columns
    accuracies = columns["test_accuracy"]
    late = [
        accuracy
        for iteration, accuracy in zip(columns["iteration"], accuracies, strict=True)
        if in_last_tenth(iteration, iterations)
    ]
    best = max(range(len(accuracies)), key=lambda row: accuracies[row])
    found: list[str] = []
    if columns["iteration"][-1] != iterations or metrics["iterations"] != iterations:
        found.append(
            f"the training stops at iteration {columns['iteration'][-1]:.0f} in history.csv and at "
            f"{metrics['iterations']} in metrics.json, not at {iterations}"
        )
    recomputed = {
        "final_test_accuracy": (accuracies[-1], ACCURACY_TOLERANCE),
        "best_test_accuracy": (accuracies[best], ACCURACY_TOLERANCE),
        "best_iteration": (columns["iteration"][best], 0.0),
        "last_tenth_test_accuracy": (median(late or accuracies[-1:]), ACCURACY_TOLERANCE),
        "last_tenth_readings": (len(late), 0.0),
        "final_test_loss": (columns["test_loss"][-1], _loss_tolerance(columns["test_loss"][-1])),
        "final_train_loss": (columns["train_loss"][-1], _loss_tolerance(columns["train_loss"][-1])),
        "final_clean_train_loss": (columns["clean_train_loss"][-1], _loss_tolerance(columns["clean_train_loss"][-1])),
        "final_clean_train_accuracy": (columns["clean_train_accuracy"][-1], ACCURACY_TOLERANCE),
    }
    for key, (value, tolerance) in recomputed.items():
        stored = math.nan if metrics[key] is None else metrics[key]
        if math.isnan(stored) and math.isnan(value):
            continue
        if not abs(stored - value) <= tolerance:
            found.append(f"{key} is {stored:g} in metrics.json, but {value:g} by history.csv")
    return [*found, *_against_early_steps(metrics, history, iterations)]


def _against_early_steps(metrics: dict[str, Any], history: CellHistory, iterations: int) -> list[str]:
    """The largest loss of the early steps is one of theirs, and no mean over some of them is above it."""
    found: list[str] = []
    largest, where, early = (
        metrics["largest_early_loss"],
        metrics["largest_early_loss_iteration"],
        early_steps(iterations),
    )
    if not 0 <= where <= early:
        found.append(f"largest_early_loss_iteration is {where:g} in metrics.json, but early are {early:,} iterations")
    losses = zip(history.columns["iteration"], history.columns["train_loss"], strict=True)
    mean = max((loss for iteration, loss in losses if iteration <= early), default=-math.inf)
    if largest < mean - _loss_tolerance(mean):
        found.append(f"largest_early_loss is {largest:g} in metrics.json, but a mean of {mean:g} stands in history.csv")
    return found


def _against_predictions(metrics: dict[str, Any], logits: NDArray[np.float16], labels: NDArray[np.int64]) -> list[str]:
    found: list[str] = []
    low, high = accuracy_bounds(logits, labels)
    stored = metrics["final_test_accuracy"]
    if not low - ACCURACY_TOLERANCE <= stored <= high + ACCURACY_TOLERANCE:
        found.append(f"final_test_accuracy is {stored:g} in metrics.json, but {low:g} by predictions.npz")
    if not np.abs(logits).max() < LARGEST_KEPT_LOGIT:
        return found  # the trainer clips what float16 cannot hold: the order is kept, the likelihood is lost
    for key, value in calibration_of(logits, labels).items():
        if not abs(metrics[key] - value) <= STORED_LOGITS_TOLERANCE * max(1.0, abs(value)):
            found.append(f"{key} is {metrics[key]:g} in metrics.json, but {value:g} by predictions.npz")
    return found


def accuracy_bounds(logits: NDArray[np.float16], labels: NDArray[np.int64]) -> tuple[float, float]:
    """The smallest and the largest accuracy that the logits had before they were rounded to float16.

    Rounding keeps the order of two numbers or makes them equal, so only ties at the top are open. logits are
    [N, classes], labels [N]; the accuracies are fractions.
    """
    rows = np.arange(len(labels))
    of_label = logits[rows, labels]
    others = logits.copy()
    others[rows, labels] = -np.inf
    strongest = others.max(axis=1)
    return float(np.mean(of_label > strongest)), float(np.mean(of_label >= strongest))


def calibration_of(logits: NDArray[np.float16], labels: NDArray[np.int64]) -> dict[str, float]:
    """What the stored logits give for the calibration's numbers, under their names in metrics.json.

    logits are [N, classes], labels [N]. The definitions are the trainer's: Brier 1950, summed over classes; expected
    calibration error after Guo et al. 2017, equation (3), in 15 bins of equal width.
    """
    rows = np.arange(len(labels))
    wide = logits.astype(np.float32)
    wide -= wide.max(axis=1, keepdims=True)
    probabilities = np.exp(wide)
    sums = probabilities.sum(axis=1)
    probabilities /= sums[:, None]
    of_label, confidence = probabilities[rows, labels], probabilities.max(axis=1)
    surplus = confidence - (probabilities.argmax(axis=1) == labels)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    return {
        "negative_log_likelihood": float(np.mean(np.log(sums) - wide[rows, labels])),
        "brier_score": float(np.mean((probabilities**2).sum(axis=1) - 2 * of_label + 1)),
        "calibration_gap": float(np.mean(surplus)),
        "expected_calibration_error": float(np.abs(np.bincount(bins, weights=surplus)).sum() / len(labels)),
    }


def _loss_tolerance(value: float) -> float:
    return LOSS_TOLERANCE * max(1.0, abs(value))
