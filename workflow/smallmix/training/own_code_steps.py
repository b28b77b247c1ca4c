"""Real steps of a user's method or network, on images of noise: equal steps must give equal numbers."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from smallmix.own_code import names_own_code
from smallmix.science.arithmetic import choose_memory_format
from smallmix.science.batch_plan import BatchPlan
from smallmix.science.batch_row import BatchRow
from smallmix.science.evaluation import EvaluationImages
from smallmix.science.losses import one_hot_of
from smallmix.science.method import Method, find_method
from smallmix.science.steps import EagerSteps, StepExecutor, upload
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.science.training_step import NonFiniteLoss, Normalization, StepStats, TrainingImages, crop_windows
from smallmix.study.cell import Cell
from smallmix.training.own_code_faults import ImageKind, OwnPlace

# Rows of a target may miss 1 by the rounding of float32, and by no more.
SUM_TOLERANCE = 1e-4


def try_real_steps(cell: Cell, kind: ImageKind) -> None:
    """Take two real steps, then the second one again from equal weights; raise Fault where the results differ.

    Raises Fault also where the loss is not finite.
    """
    name, file = (cell.method.mix, cell.method.file) if names_own_code(cell.method.mix) else (cell.model.name, None)
    place = OwnPlace(name, str(file or cell.model.file))
    data = _noise_data(cell, kind)
    method = find_method(cell.method)
    before = _random_states()
    try:
        both = _after(cell, data, None, [0, 1])
        one = _after(cell, data, None, [0])
        two = _after(cell, data, one, [1])
    except NonFiniteLoss as error:
        raise place.fault(
            f"the loss of a first step is {error.value}, on images of noise; expected a finite number. Look for a "
            "division by zero or a logarithm of zero",
            type(method).loss if names_own_code(cell.method.mix) else None,
        ) from error
    except Exception as error:
        raise place.explain(error) from error
    difference = both.first_difference(two)
    if difference is not None:
        drawn = [source for source, state in _random_states().items() if state != before[source]]
        cause = (
            f"random numbers of {' and '.join(drawn)} are drawn inside of the step. Draw them ahead, with "
            "draws.generator(name) in `draw`"
            if drawn
            else "something is carried from step to step. Keep nothing in the object or in the module"
        )
        raise place.fault(
            f"two equal steps from equal weights gave different weights ({difference.name}, {difference.numbers:,} of "
            f"{difference.of:,} numbers); expected the same bits: {cause}"
        )


def require_shares(method: Method, place: OwnPlace, cell: Cell, kind: ImageKind) -> None:
    """Raise Fault where a row of the target of a first batch does not sum to 1."""
    row = BatchRow.of(first_tables(cell)).with_side(kind.shape[0])
    labels = row.rows % kind.classes
    target = method.target(one_hot_of(labels, torch.zeros((len(labels), kind.classes))), row)
    sums = target.sum(dim=1)
    wrong = ~((sums - 1).abs() <= SUM_TOLERANCE)  # not a number is wrong, too
    if bool(wrong.any()):
        raise place.fault(
            f"a row of the target sums to {float(sums[wrong][0]):.6g}; expected 1, for every image. Let the shares of "
            "own and partner's labels be lambda and 1 - lambda",
            method.target,
        )


def _after(cell: Cell, data: TrainingData, start: TrainingState | None, positions: Sequence[int]) -> TrainingState:
    """Return a training after the steps at these positions of the first chunk."""
    state = TrainingState.fresh(cell, data, torch.device("cpu")) if start is None else start.copy(data)
    stats = StepStats.fresh(torch.device("cpu"))
    executor = StepExecutor(state, EagerSteps(data, state, stats), stats, synchronize_each_step=False)
    executor.take_rows(BatchPlan(cell).chunk(0), positions)
    executor.synchronize()
    return state


def first_tables(cell: Cell) -> dict[str, Tensor]:
    """Return the first row of every table of a cell's batch plan, on the CPU, by name."""
    chunk = BatchPlan(cell).chunk(0)
    size = int(chunk.batch_sizes[0])
    tables = upload(chunk, torch.device("cpu"))
    return {name: table[0, :size] if table.ndim > 1 else table[0] for name, table in tables.items()}


def noise_images(kind: ImageKind, count: int) -> Tensor:
    """Return images uint8 [count, C, H, W], the same every time."""
    height, width, channels = kind.shape
    generator = np.random.Generator(np.random.PCG64(0))
    return torch.from_numpy(generator.integers(0, 256, (count, channels, height, width), dtype=np.uint8))


def _noise_data(cell: Cell, kind: ImageKind) -> TrainingData:
    cpu, channels = torch.device("cpu"), kind.shape[2]
    images, labels = noise_images(kind, cell.size), torch.arange(cell.size) % kind.classes
    normalization = Normalization.of([0.5] * channels, [0.25] * channels, cpu)
    layout = choose_memory_format(cpu, cell.model.width, kind.shape[0])
    evaluated = EvaluationImages(images, labels, normalization, layout)
    windows = crop_windows(images, cell.recipe.crop_padding)
    return TrainingData(
        training=TrainingImages(windows, labels, normalization, layout),
        clean_train=evaluated,
        test=evaluated,
        image_shape=kind.shape,
        classes=kind.classes,
    )


def _random_states() -> Mapping[str, bytes]:
    """Return the states of the generators that a step must not draw from, by their names."""
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy.random": repr(np.random.get_state()).encode(),  # the position in it changes with every number
        "random": repr(random.getstate()).encode(),
    }
