"""Try the user's own methods and networks before anything is trained with them.

A dry step takes tensors without values, so that code which looks at values fails at its line. Then a few real steps
show whether equal steps give equal numbers. Images are noise of the study's shape: no method may depend on more.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smallmix.errors import SmallmixError
from smallmix.own_code import STANDS_ALONE, imported_neighbours, load_own, names_own_code, own_name, place_of
from smallmix.science.batch_plan import BatchPlan
from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Draws, Method, drawn_tables, find_method
from smallmix.science.network import build_network, find_network
from smallmix.science.network_trial import on_meta, try_network
from smallmix.study.cell import Cell, ModelValue, SubsetValue
from smallmix.study.misspelt_names import nearness
from smallmix.study.own_trials import Trial
from smallmix.training.drawing_lines import GENERATORS, find_drawing_line
from smallmix.training.own_code_faults import (
    META,
    Fault,
    ImageKind,
    OwnPlace,
    begins_in,
    describe,
    refuse_other_parameters,
    refuse_other_types,
    require_like,
)
from smallmix.training.own_code_steps import first_tables, noise_images, require_shares, try_real_steps

REPLACED = ("draw", "mix", "mix_features", "target", "loss")  # what a method can do otherwise than plain training
MISSPELT = 0.8  # nearness of a name to that of a step


def find_faults(trial: Trial, kind: ImageKind) -> list[str]:
    """Return what is wrong with a method and a network of the user's own, each fault once; nothing where all is well.

    Takes a second, or some for a wide network. Call `fix_arithmetic` before, as a training does.
    """
    faults: list[str] = []
    model: nn.Module | None = None
    try:
        model = _try_network(trial, kind)
    except (Fault, SmallmixError) as error:
        faults.append(str(error))
    if names_own_code(trial.cell.method.mix):
        faults += _try_method(trial, model, kind)
    if not faults:
        try:
            try_real_steps(trial.cell, kind)
        except (Fault, SmallmixError) as error:
            faults.append(str(error))
    return faults


def _try_network(trial: Trial, kind: ImageKind) -> nn.Module:
    """Return the network without values; a user's after dry passes of every batch size, training and evaluating."""
    value = trial.cell.model
    side, _, channels = kind.shape
    if not names_own_code(value.name):
        return on_meta(find_network(value), value, channels, kind.classes)
    place = OwnPlace(value.name, str(value.file))
    build = load_own(value.name, value.file)
    _refuse_neighbours(place)
    if not callable(build):
        raise place.fault(f"it is {describe(build)}; expected a function build(channels, classes, …)")
    refuse_other_parameters(place, build, dict(value.parameters), "model", given_anyway=("channels", "classes"))
    with place.explaining(build):
        model = build_network(value, kind.shape, kind.classes, trial.cell.seed).to(META)
        for training in (True, False):
            model.train(training)
            for size in trial.batch_sizes:
                logits = model(kind.batch(size))
                wanted = (size, kind.classes)
                if not isinstance(logits, Tensor) or tuple(logits.shape) != wanted or not logits.is_floating_point():
                    raise place.fault(
                        f"the network gives {describe(logits)}; expected logits, one number for each class of each "
                        f"image: float32 {list(wanted)}. End it with a layer of `classes` outputs",
                        begins_in(place, type(model).forward, build),
                    )
    try_network(value, side, channels, kind.classes)  # weights that decide nothing
    return model.train()


def _try_method(trial: Trial, model: nn.Module | None, kind: ImageKind) -> list[str]:
    """Return the faults of a user's method in dry steps of every batch size."""
    value = trial.cell.method
    place = OwnPlace(value.mix, str(value.file))
    try:
        method = _construct(trial, place)
        _try_draws(trial, place)
    except (Fault, SmallmixError) as error:
        return [str(error)]
    rows = [_row_on_meta(_with_batches_of(trial.cell, size), kind) for size in trial.batch_sizes]
    attempts: list[Callable[[BatchRow], None]] = [
        lambda row: _try_mix(method, place, row, kind),
        lambda row: _try_target(method, place, row, kind, trial.cell),
        lambda row: _try_loss(method, place, row, kind),
    ]
    if method.mixes_features and model is not None:
        attempts.append(lambda row: _try_features(method, place, model, row, kind, trial.cell.model))
    faults = []
    for attempt in attempts:
        try:
            for row in rows:
                attempt(row)
        except Fault as fault:
            faults.append(str(fault))
    if not faults and method.mixes_arrays:
        try:
            _try_arrays(method, place, trial.cell, kind)
        except Fault as fault:
            faults.append(str(fault))
    return list(dict.fromkeys(faults))


def _construct(trial: Trial, place: OwnPlace) -> Method:
    """Return the method with its parameters."""
    value = trial.cell.method
    kind = load_own(value.mix, value.file)
    _refuse_neighbours(place)
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        found = "a class that does not inherit from it" if isinstance(kind, type) else f"{type(kind).__name__}"
        raise place.fault(
            f"it is {found}; expected a class that inherits from smallmix.science.method.Method. Write "
            f"`class {own_name(value.mix)}(Method):`",
            kind if inspect.isfunction(kind) else None,
        )
    given = dict(value.parameters) | ({"beta": value.beta} if value.beta is not None else {})
    refuse_other_parameters(place, kind, given, f"methods.{trial.methods[0]}")
    refuse_other_types(place, kind, given, f"methods.{trial.methods[0]}")
    with place.explaining(kind.__init__):
        method = find_method(value)
    if all(getattr(kind, name) is getattr(Method, name) for name in REPLACED):
        raise place.fault(
            f"it replaces none of {', '.join(REPLACED)}, so it would be plain training under another name. Correct the "
            "names of its functions",
            kind.__init__ if kind.__init__ is not object.__init__ else None,
        )
    _refuse_misspelt(kind, place)
    return method


def _refuse_misspelt(kind: type[Method], place: OwnPlace) -> None:
    """Raise Fault where a function nearly has the name of a step, and nothing in the file uses its name.

    The classes between the method and `Method` count as well. Names that begin with an underscore are helpers.
    """
    used = _names_used(Path(place.file).read_text(encoding="utf-8"))
    for owner in kind.__mro__[: kind.__mro__.index(Method)]:
        for name, value in vars(owner).items():
            function = getattr(value, "__func__", value)  # of a static method or a class method
            if not inspect.isfunction(function) or name.startswith("_") or hasattr(Method, name) or name in used:
                continue
            near, meant = max((nearness(name, step), step) for step in REPLACED)
            if near >= MISSPELT:
                raise place.fault(
                    f"nothing calls the function {name}; did you mean {meant}? Correct the name, or remove the "
                    "function",
                    function,
                )


def _names_used(source: str) -> set[str]:
    """Return the names that Python code uses anywhere: attributes, variables, and texts as for getattr."""
    used: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.Name):
            used.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            used.add(node.value)
    return used


def _refuse_neighbours(place: OwnPlace) -> None:
    """Raise Fault where a file has imported another one from beside itself."""
    for line, name in imported_neighbours(place.file):
        raise place.fault(
            f"it imports {name}, which lies beside it; {STANDS_ALONE}, because the named file alone is compared when "
            f"it is edited. Write what it needs of {name} into this file",
            at=(line, ""),
        )


def _try_draws(trial: Trial, place: OwnPlace) -> None:
    """Draw the tables of every batch size, twice, with two objects of the method."""
    for size in trial.batch_sizes:
        cell = _with_batches_of(trial.cell, size)
        methods = [find_method(cell.method) for _ in range(2)]
        draw = type(methods[0]).draw
        draws = Draws(BatchPlan(cell).iterations_per_chunk, size, cell.seed, cell.size, 0)
        try:
            first, second = (drawn_tables(method, draws) for method in methods)
        except ValueError as error:
            if place_of(error, place.path)[0] is None:  # a rule of drawn_tables, not an error in the file
                raise place.fault(str(error), draw) from error
            raise place.explain(error, draw) from error
        except Exception as error:
            raise place.explain(error, draw) from error
        other = sorted(first.keys() ^ second.keys())
        other += [name for name in first if name in second and not _same(first[name], second[name])]
        if other:
            raise place.fault(
                f"two equal draws gave different tables ({', '.join(other)}); expected equal ones, so that a training "
                "can be repeated and continued. Draw with draws.generator(name) alone",
                draw,
                at=_line_that_draws(cell, draws, place),
            )


def _line_that_draws(cell: Cell, draws: Draws, place: OwnPlace) -> tuple[int, str] | None:
    """Return line and function that draw from a generator of the whole process; None where no such line is found."""
    found = find_drawing_line(lambda: drawn_tables(find_method(cell.method), draws), {place.path}, GENERATORS)
    return None if found is None else (found.line, found.function)


def _try_mix(method: Method, place: OwnPlace, row: BatchRow, kind: ImageKind) -> None:
    images = kind.batch(len(row.rows))
    with place.explaining(method.mix):
        mixed = method.mix(images, row)
        require_like(mixed, images, place, method.mix, "images")


def _try_features(
    method: Method, place: OwnPlace, model: nn.Module, row: BatchRow, kind: ImageKind, network: ModelValue
) -> None:
    called: list[int] = []

    def mix_stage(features: Tensor, stage: int) -> Tensor:
        called.append(stage)
        mixed = method.mix_features(features, stage, row)
        require_like(mixed, features, place, method.mix_features, f"features of stage {stage}")
        return mixed

    with place.explaining(method.mix_features):
        try:
            model(kind.batch(len(row.rows)), mix_stage)
        except TypeError:
            if called:
                raise
        if not called:
            raise place.fault(
                f"mixes_features is true, and the network {network.name} has no stages to mix at. Choose a network "
                "with stages (docs/extending.md lists them), or set mixes_features = False",
                method.mix_features,
            )


def _try_target(method: Method, place: OwnPlace, row: BatchRow, kind: ImageKind, cell: Cell) -> None:
    size = len(row.rows)
    one_hot = torch.empty((size, kind.classes), device=META)
    with place.explaining(method.target):
        require_like(method.target(one_hot, row), one_hot, place, method.target, "shares of classes")
        require_shares(method, place, cell, kind)


def _try_loss(method: Method, place: OwnPlace, row: BatchRow, kind: ImageKind) -> None:
    size = len(row.rows)
    logarithms = torch.empty((size, kind.classes), device=META)
    labels = torch.empty((size,), dtype=torch.int64, device=META)
    with place.explaining(method.loss):
        loss = method.loss(logarithms, labels, row)
        if not isinstance(loss, Tensor) or loss.ndim or loss.dtype != torch.float32:
            raise place.fault(
                f"it returns {describe(loss)}; expected the mean over the batch, a float32 scalar. End it with .mean()",
                method.loss,
            )


def _try_arrays(method: Method, place: OwnPlace, cell: Cell, kind: ImageKind) -> None:
    """Mix NumPy arrays, as the preview of methods does, and compare with tensors."""
    tables = first_tables(cell)
    row = BatchRow.of(tables).with_side(kind.shape[0])
    arrays: Any = {name: table.numpy() for name, table in tables.items()}
    images = noise_images(kind, len(row.rows)).float()
    with place.explaining(method.mix):
        array: Any = images.numpy()
        mixed: Any = method.mix(array, BatchRow.of(arrays).with_side(kind.shape[0]))
        tensor = method.mix(images, row).numpy()
        if np.shape(mixed) != tensor.shape or not np.allclose(mixed, tensor, rtol=1e-4, atol=1e-3):
            raise place.fault(
                "mixes_arrays is true, and arrays are mixed otherwise than tensors. Set mixes_arrays = False, and the "
                "preview uses tensors",
                method.mix,
            )


def _with_batches_of(cell: Cell, size: int) -> Cell:
    """Return the same with batches of `size` images, one an epoch."""
    recipe = dataclasses.replace(cell.recipe, batch_size=size)
    return dataclasses.replace(cell, subset=SubsetValue("head", size), recipe=recipe)


def _row_on_meta(cell: Cell, kind: ImageKind) -> BatchRow:
    return BatchRow.of({name: table.to(META) for name, table in first_tables(cell).items()}).with_side(kind.shape[0])


def _same(first: Any, second: Any) -> bool:
    return bool(first.dtype == second.dtype and first.tobytes() == second.tobytes())
