"""How a training's steps and evaluations were started, for its record and its log."""

from __future__ import annotations

from collections.abc import Callable

from smallmix.science.steps import StepExecutor
from smallmix.training.messages import describe_evaluation_fallback, describe_fallback, describe_plain_evaluation
from smallmix.training.resumable import ResumableTraining


def note_execution(training: ResumableTraining, executor: StepExecutor, log: Callable[[str], None]) -> None:
    """Enter what is known by now into the training's record; log it when evaluations turn out not to be captured.

    executor: eager, graph or graph-compiled, as it was used. evaluation: eager or graph, from the first evaluation on.
    fallback and evaluation_fallback: why something was not captured although it should have been.
    """
    facts = {"executor": str(executor.kind)}
    if executor.check is not None and not executor.check.passed:
        facts["fallback"] = describe_fallback(executor.check)
    forward = executor.forward
    if forward is None:
        facts["evaluation"] = "eager"
    elif forward.fell_back:
        facts["evaluation"] = "eager"
        facts["evaluation_fallback"] = describe_evaluation_fallback(forward.causes)
        if facts != training.executions[-1]:
            log(describe_plain_evaluation(forward.causes))
    elif forward.is_captured:
        facts["evaluation"] = "graph"
    training.executions[-1] = facts
