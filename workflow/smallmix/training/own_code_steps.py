"""Real steps of a user's method or network, on images of noise: equal steps must give equal numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from smallmix.own_code import load_own, names_own_code
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
from smallmix.study.own_trials import FEW_IMAGES
from smallmix.training.drawing_lines import GENERATORS, find_drawing_line, generator_states
from smallmix.training.own_code_faults import Fault, ImageKind, OwnPlace, begins_in

# Rows of a target may miss 1 by the rounding of float32, and by no more.
SUM_TOLERANCE = 1e-4
MEAN, DEVIATION = 0.5, 0.25  # of the images of noise, as the share of the largest number of a pixel


def try_real_steps(cell: Cell, kind: ImageKind) -> None:
    """Take two real steps, then the second one again from equal weights; raise Fault where the results differ.

    Raises Fault also where the loss is not finite, and where a user's network gives probabilities instead of logits.
    """
    place = _places(cell)[0]
    data = _noise_data(cell, kind)
    method = find_method(cell.method)
    before = generator_states()
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
        text = (
            f"two equal steps from equal weights gave different weights ({difference.name}, {difference.numbers:,} of "
            f"{difference.of:,} numbers); expected the same bits"
        )
        states = generator_states()
        # PyTorch's generator begins every step of a network that draws at a seed of that step.
        drawn = [source for source in GENERATORS if states[source] != before[source] and not _may_draw(source, both)]
        if drawn:
            fresh = TrainingState.fresh(cell, data, torch.device("cpu"))  # its weights are drawn, which is no step
            raise _refuse_drawing(cell, lambda: _take_steps(fresh, data, [0, 1]), drawn, text)
        raise place.fault(
            f"{text}: something is carried from step to step, or numbers are drawn by a generator that is made in the "
            "step. Keep nothing in the object or in the module, and draw ahead, with draws.generator(name) in `draw`"
        )
    if names_own_code(cell.model.name):
        _require_logits(both.model, OwnPlace(cell.model.name, str(cell.model.file)), kind)


def _may_draw(source: str, state: TrainingState) -> bool:
    return source == "torch" and state.draws


def _places(cell: Cell) -> list[OwnPlace]:
    """Return the user's files of a cell: the method's first."""
    named = ((cell.method.mix, cell.method.file), (cell.model.name, cell.model.file))
    return [OwnPlace(name, str(file)) for name, file in named if names_own_code(name)]


def _refuse_drawing(cell: Cell, steps: Callable[[], object], drawn: Collection[str], text: str) -> Fault:
    """Return the fault of code that draws from these generators as the steps are taken, at the line that does."""
    places = {place.path: place for place in _places(cell)}
    line = find_drawing_line(steps, places, drawn)
    place = next(iter(places.values())) if line is None else places[line.file]
    sources = " and ".join(drawn) if line is None else line.source
    remedy = "Draw them ahead, with draws.generator(name) in `draw`"
    if place.name == cell.model.name:
        remedy = "Let a network draw by PyTorch alone, as nn.Dropout does"
    return place.fault(
        f"random numbers of {sources} are drawn inside of the step: {text}. {remedy}",
        at=None if line is None else (line.line, line.function),
    )


def _require_logits(model: nn.Module, place: OwnPlace, kind: ImageKind) -> None:
    """Raise Fault where a network gives probabilities: a loss that takes the softmax of these learns hardly anything.

    Logarithms of probabilities are left alone: the softmax of these is the probabilities again.
    """
    logits = logits_of_noise(model, kind)
    sums = logits.sum(dim=1)
    if bool((logits >= 0).all()) and bool(((sums - 1).abs() <= SUM_TOLERANCE).all()):
        raise place.fault(
            "the network gives probabilities: every row is of numbers from 0 to 1 that sum to 1; expected logits. The "
            "loss takes the softmax itself. Leave the softmax at the end of the network out",
            begins_in(place, type(model).forward, load_own(place.name, place.file)),
        )


def logits_of_noise(model: nn.Module, kind: ImageKind) -> Tensor:
    """Return what a network gives for a few images of noise, evaluating: [8, classes]."""
    model.eval()
    images = noise_images(kind, FEW_IMAGES).float() / 255
    with torch.no_grad():
        logits: Tensor = model((images - MEAN) / DEVIATION)
    return logits


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
    _take_steps(state, data, positions)
    return state


def _take_steps(state: TrainingState, data: TrainingData, positions: Sequence[int]) -> None:
    """Take the steps at these positions of the first chunk."""
    stats = StepStats.fresh(torch.device("cpu"))
    executor = StepExecutor(state, EagerSteps(data, state, stats), stats, synchronize_each_step=False)
    executor.take_rows(BatchPlan(state.cell).chunk(0), positions)
    executor.synchronize()


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
    normalization = Normalization.of([MEAN] * channels, [DEVIATION] * channels, cpu)
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
