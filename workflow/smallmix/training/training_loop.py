"""The training loop: steps, evaluations, checkpoints, from a given state to the end of the budget.

It hands over after each step, so that several trainings of one process can take turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

from smallmix.errors import Interrupted, TrainingError
from smallmix.science.arithmetic import UnusableWorkspace
from smallmix.science.batch_plan import learning_rates
from smallmix.science.captures import BrokenContext, CaptureFailed
from smallmix.science.evaluation import Evaluation, EvaluationStopped, evaluate
from smallmix.science.results import NonFiniteEvaluation, evaluate_training
from smallmix.science.steps import DrawingLayers, NeedsCudaDevice, StepExecutor, build_executor
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.science.training_step import NonFiniteLoss
from smallmix.training.execution import note_execution
from smallmix.training.messages import (
    describe_broken_context,
    describe_drawing_layers,
    describe_executor,
    describe_failed_capture,
    describe_missing_gpu,
    describe_non_finite,
    describe_non_finite_evaluation,
    describe_unusable_workspace,
    progress_line,
    warn_of_early_loss,
)
from smallmix.training.out_of_memory import is_out_of_memory
from smallmix.training.resumable import ResumableTraining
from smallmix.training.signals import StopRequest

Result = TypeVar("Result")
# What is done piece by piece: each `next` does one, and the last one returns the result.
Turns: TypeAlias = Generator[None, None, Result]


def train(
    data: TrainingData,
    training: ResumableTraining,
    save: Callable[[ResumableTraining], None],
    save_every_seconds: float,
    stop: StopRequest,
    log: Callable[[str], None],
    note_progress: Callable[[TrainingState], None] = lambda state: None,
) -> Turns[Evaluation]:
    """Train to the end of the cell's budget, a step a turn; return the final evaluation of the test images.

    Calls `note_progress` after each step. Saves every `save_every_seconds` and when asked to stop, which is heard
    between steps and within evaluations. Raises Interrupted after a stop, TrainingError on a loss that is not finite.
    """
    state = training.state
    cell = state.cell
    began, first_iteration = time.perf_counter(), state.iteration
    last_save, interval_began, interval_images = began, began, 0
    evaluation: Evaluation | None = None
    state.model.train()
    executor = begin(data, state, log)
    note_execution(training, executor, log)

    while True:
        save_is_due = time.perf_counter() - last_save >= save_every_seconds
        stopping = bool(stop)
        if stopping or save_is_due or state.evaluation_is_due or state.digest_is_due:
            # Until then, sums of losses and whether they are finite may be known to the device alone.
            synchronizing_began = time.perf_counter()
            take(state, executor, executor.synchronize)
            if state.digest_is_due:
                state.note_digest()
            training.training_seconds += time.perf_counter() - synchronizing_began
        if stopping:
            save(training)
            raise Interrupted(
                f"{stop.signal_name} received: saved at iteration {state.iteration:,} of {cell.iterations:,}. "
                "Run the same command again to continue from there."
            )
        if state.evaluation_is_due:
            evaluation_began = time.perf_counter()
            try:
                evaluation = evaluate_finite(data, state, executor, stop)
            except EvaluationStopped:
                continue
            note_execution(training, executor, log)
            now = time.perf_counter()
            training.evaluation_seconds += now - evaluation_began
            rate = interval_images / max(evaluation_began - interval_began, 1e-9)
            done = max(state.iteration - first_iteration, 1)
            log(progress_line(cell, state, rate, (now - began) / done * (cell.iterations - state.iteration)))
            warning = warn_of_early_loss(cell, state, data.classes)
            if warning is not None:
                log(warning)
            interval_began, interval_images = now, 0
        if state.iteration == cell.iterations:
            return evaluation or evaluate(state.model, data.test, cell.recipe.precision)
        if save_is_due:
            save(training)
            last_save = time.perf_counter()

        step_began = time.perf_counter()
        interval_images += take(state, executor, executor.step)
        training.training_seconds += time.perf_counter() - step_began
        note_progress(state)
        yield


def finish(turns: Turns[Result]) -> Result:
    """Take all turns, one after the other; return the result."""
    while True:
        try:
            next(turns)
        except StopIteration as end:
            result: Result = end.value
            return result


def begin(data: TrainingData, state: TrainingState, log: Callable[[str], None]) -> StepExecutor:
    """Build the executor of the cell's recipe and log which it is. Raises TrainingError where it cannot be had here."""
    try:
        executor = build_executor(data, state)
    except NeedsCudaDevice as error:
        raise TrainingError(describe_missing_gpu(state.cell)) from error
    except DrawingLayers as error:
        raise TrainingError(describe_drawing_layers(state.cell)) from error
    except UnusableWorkspace as error:
        raise TrainingError(describe_unusable_workspace(error.value)) from error
    except BrokenContext as error:
        raise TrainingError(describe_broken_context("step", error.causes)) from error
    except CaptureFailed as error:
        if is_out_of_memory(error):
            raise
        raise TrainingError(describe_failed_capture(state.cell, error.causes)) from error
    if executor.check is not None:
        log(describe_executor(executor.check))
    return executor


def take(state: TrainingState, executor: StepExecutor, action: Callable[[], Result]) -> Result:
    """Let the executor step or synchronize; turn a loss that is not finite into a TrainingError."""
    try:
        return action()
    except NonFiniteLoss as error:
        rate = float(learning_rates(state.cell, state.iteration, 1)[0])
        raise TrainingError(
            describe_non_finite(state.cell, error.value, state.iteration + 1, rate, executor.last_loss)
        ) from error


def evaluate_finite(data: TrainingData, state: TrainingState, executor: StepExecutor, stop: StopRequest) -> Evaluation:
    """Evaluate as `evaluate_training` does; a loss that is not finite becomes a TrainingError."""
    try:
        return evaluate_training(data, state, stop.__bool__, executor.forward)
    except BrokenContext as error:
        raise TrainingError(describe_broken_context("evaluation", error.causes)) from error
    except NonFiniteEvaluation as error:
        rate = float(learning_rates(state.cell, state.iteration - 1, 1)[0])
        raise TrainingError(
            describe_non_finite_evaluation(
                state.cell, error.images, error.value, state.iteration, rate, executor.last_loss
            )
        ) from error
