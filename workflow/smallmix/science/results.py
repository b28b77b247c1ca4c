"""What a finished training amounts to: its evaluations entered into the history, and the numbers of its record."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallmix.science.batch_plan import learning_rates, schedule_sha256
from smallmix.science.calibration import calibrate
from smallmix.science.evaluation import Evaluation, Forward, evaluate
from smallmix.science.history import HistoryRow, summarize
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState


class NonFiniteEvaluation(Exception):
    """The loss on the `images` (training, validation or test images) is infinite or not a number."""

    def __init__(self, images: str, value: float) -> None:
        super().__init__(images, value)
        self.images, self.value = images, value


def evaluate_training(
    data: TrainingData,
    state: TrainingState,
    stop: Callable[[], bool] = lambda: False,
    forward: Forward | None = None,
) -> Evaluation:
    """Evaluate on clean training, validation and test images; add the row to the history; return the last one.

    Validation images are those of `data`, if any. `forward` as in `evaluate`.

    Raises EvaluationStopped when `stop` says so and NonFiniteEvaluation, both with the state untouched.
    """
    cell = state.cell
    learning_rate = float(learning_rates(cell, state.iteration - 1, 1)[0])
    state.seed_layers()  # a network may draw in evaluations, too
    clean = evaluate(state.model, data.clean_train, cell.recipe.precision, stop, forward)
    validation = None
    if data.validation is not None:
        validation = evaluate(state.model, data.validation, cell.recipe.precision, stop, forward)
    test = evaluate(state.model, data.test, cell.recipe.precision, stop, forward)
    for images, evaluation in (("clean_train", clean), ("validation", validation), ("test", test)):
        if evaluation is not None and not math.isfinite(evaluation.loss):
            raise NonFiniteEvaluation(images, evaluation.loss)
    state.history.append(
        HistoryRow(
            iteration=state.iteration,
            epoch=state.iteration / cell.batches_per_epoch,
            learning_rate=float(f"{learning_rate:.6g}"),  # without the tail that float32 gives to 0.1
            train_loss=state.loss_sum / state.loss_images,
            clean_train_loss=clean.loss,
            clean_train_accuracy=clean.accuracy,
            test_loss=test.loss,
            test_accuracy=test.accuracy,
            validation_loss=None if validation is None else validation.loss,
            validation_accuracy=None if validation is None else validation.accuracy,
        )
    )
    state.loss_sum, state.loss_images = 0.0, 0
    return test


def final_numbers(state: TrainingState, evaluation: Evaluation, labels: NDArray[np.int64]) -> dict[str, Any]:
    """Return the numbers of a finished training, as JSON types; `evaluation` of the test images, labels int64 [N]."""
    cell = state.cell
    return {
        "iterations": cell.iterations,
        "epochs": cell.iterations / cell.batches_per_epoch,
        "images_seen": cell.images_seen,
        "parameters": sum(parameter.numel() for parameter in state.model.parameters()),
        "largest_early_loss": float(f"{state.largest_early_loss:.9g}"),
        "largest_early_loss_iteration": state.largest_early_loss_iteration,
        **summarize(state.history),
        **calibrate(evaluation.logits.numpy(), labels),
        "weights_sha256": state.weights_sha256(),
        "schedule_sha256": schedule_sha256(cell),
        "early_weights_sha256": {str(iteration): digest for iteration, digest in state.early_digests.items()},
    }
