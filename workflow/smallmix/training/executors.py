"""Which executor takes a training's steps: the one that the recipe names, or the fastest that proves itself here."""

from __future__ import annotations

from collections.abc import Callable

from smallmix.errors import TrainingError
from smallmix.science.training_step import NonFiniteLoss, StepLedger
from smallmix.training.graph_executor import GraphSteps
from smallmix.training.step_executor import EagerSteps, StepExecutor, StepLauncher
from smallmix.training.training_data import TrainingData
from smallmix.training.training_state import TrainingState

REHEARSAL_STEPS = 8
BuildLauncher = Callable[[TrainingData, TrainingState, StepLedger], StepLauncher]


def build_executor(data: TrainingData, state: TrainingState, log: Callable[[str], None]) -> StepExecutor:
    """The executor of the cell's recipe. `automatic` is eager on a CPU, and on a card a graph that passed a rehearsal.

    Raises TrainingError where a graph is wanted by name without a CUDA card.
    """
    wanted, device = state.cell.recipe.executor, data.training.labels.device
    if wanted == "automatic":
        wanted = "graph" if device.type == "cuda" and passes_rehearsal(data, state, GraphSteps, log) else "eager"
    ledger = StepLedger.fresh(device)
    if wanted == "eager":
        # On a CPU the loss is at hand at once; a card would have to be waited for.
        launcher: StepLauncher = EagerSteps(data, state, ledger)
        return StepExecutor(state, launcher, ledger, settle_each_step=device.type == "cpu")
    if device.type != "cuda":
        raise TrainingError(
            f"recipe.executor: {wanted} needs a CUDA card, and this training runs on the CPU. "
            "Use recipe.executor: automatic, or --device cuda on a machine with a card."
        )
    launcher = GraphSteps(data, state, ledger, compiled=wanted == "graph-compiled")
    return StepExecutor(state, launcher, ledger, settle_each_step=False)


def passes_rehearsal(
    data: TrainingData, state: TrainingState, build: BuildLauncher, log: Callable[[str], None]
) -> bool:
    """Whether the training's next steps give the same numbers, every bit of them, as eager steps do; logs the verdict.

    Both are taken by twins; `state` is left as it is. Graphs depend on card, driver and library: one that cannot be
    captured, or that computes otherwise, must cost speed and nothing else.
    """
    steps = min(REHEARSAL_STEPS, state.cell.iterations - state.iteration)
    try:
        eager, other = (_twin_after(steps, data, state, way) for way in (EagerSteps, build))
    except NonFiniteLoss:
        return False  # the training itself will say so
    except RuntimeError as fault:
        reason = f"{type(fault).__name__}: {str(fault).partition(chr(10))[0]}"
    else:
        if eager.has_numbers_of(other):
            log(f"whole steps are captured as a CUDA graph ({steps} of them equalled plain ones bit for bit)")
            return True
        reason = f"{steps} of them gave other numbers than plain ones"
    log(f"steps are started one by one: captured ones do not work here ({reason})")
    return False


def _twin_after(steps: int, data: TrainingData, state: TrainingState, build: BuildLauncher) -> TrainingState:
    twin = state.twin(data)
    ledger = StepLedger.fresh(data.training.labels.device)
    executor = StepExecutor(twin, build(data, twin, ledger), ledger, settle_each_step=False)
    for _ in range(steps):
        executor.step()
    executor.settle()
    return twin
