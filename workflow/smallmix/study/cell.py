"""A cell is a value: everything that decides one training's result, and nothing else.

Names, paths, machines, dates and the number of parallel jobs are not in it. Two studies that agree on a cell's value
share its training; a method's name may change freely, because its meaning is in its keys.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from smallmix.fingerprints import canonical_json, fingerprint_value
from smallmix.study.iterations import EpochBatches, EvaluationMoments, LastBatch

# The name of a method's file in science/methods. MixName in study/published.py lists those that there are: it stands
# outside of what a cell's code fingerprint covers, so that a name more trains nothing anew.
Mix = str
SubsetRule = Literal["head", "balanced", "random"]
BudgetUnit = Literal["epochs", "iterations"]
Precision = Literal["fp32", "bf16"]
Executor = Literal["automatic", "eager", "graph", "graph-compiled"]
Schedule = Literal["steps", "cosine"]
Fit = Literal["crop", "pad", "squash"]
# Parameters by name, sorted by it: a mapping that can be hashed. A JSON text has it as a mapping.
Parameters = tuple[tuple[str, Any], ...]
WEIGHTS_SHA256 = "weights_sha256"  # the parameter of a network that begins with the weights of a file
ADDED_LATER, NO_PART = "added-later", "no-part"


def added_later(neutral: Any) -> Any:
    """Declare a field that is added to a value below, with the default under which trainings are as they were.

    Where it has that default, it stands in no JSON text and in no fingerprint: cells that were stored before there was
    the field keep theirs, and `adopt` finds them. The fields of today stand there always.
    """
    return dataclasses.field(default=neutral, metadata={ADDED_LATER: True})


def no_part() -> Any:
    """Declare a field that is no part of the value: where a file lies. It is in no JSON text and in no comparison."""
    return dataclasses.field(default=None, compare=False, repr=False, metadata={NO_PART: True})


@dataclass(frozen=True)
class DatasetValue:
    """Which images, and how foreign ones were brought to one shape. Their content is covered by checksums apart.

    `name` is as in the configuration. `image_size` (pixels a side) and `color` (rgb or grey) are None except for the
    user's own images; `fit` says how these become square.
    """

    name: str
    image_size: int | None = None
    color: str | None = None
    fit: Fit = added_later("crop")


@dataclass(frozen=True)
class SubsetValue:
    """Which training images: the rule, how many, and the seed of the draw (None for head, which draws nothing)."""

    rule: SubsetRule
    size: int
    seed: int | None = None


@dataclass(frozen=True)
class MethodValue:
    """What is mixed, the two parameters of the Beta distribution of lambda (None where there is none), and others.

    `mix` names a file of science/methods, or a user's class, as in my_method.py:MyMethod; `file` is where that lies.
    """

    mix: Mix
    beta: tuple[float, float] | None = None
    parameters: Parameters = added_later(())
    file: str | None = no_part()


@dataclass(frozen=True)
class ModelValue:
    """The network: width is the number of channels of the first stage, blocks the number of blocks of each stage.

    They are 0 and empty where the network does not read them. `name` names a file of science/networks (up to a colon),
    or a user's function, as in my_network.py:build. `file` is where that lies, or the file of weights to begin with.
    """

    name: str
    width: int
    blocks: tuple[int, ...]
    parameters: Parameters = added_later(())
    file: str | None = no_part()


@dataclass(frozen=True)
class RecipeValue:
    """How the network is trained. `decay_at` and `warm_up` are fractions of the budget; crop_padding is in pixels.

    last_batch says what becomes of an epoch's remainder; values written before there was a choice kept it.
    decay_normalization says whether weights of normalisation layers, and biases, decay as all others do.
    """

    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    decay_at: tuple[float, ...]
    decay_factor: float
    crop_padding: int
    flip: bool
    precision: Precision
    executor: Executor
    cpu_threads: int
    last_batch: LastBatch = "keep"
    schedule: Schedule = added_later("steps")
    warm_up: float = added_later(0.0)
    nesterov: bool = added_later(False)
    decay_normalization: bool = added_later(True)


@dataclass(frozen=True)
class BudgetValue:
    """How long: a number of epochs or of iterations."""

    unit: BudgetUnit
    amount: int


@dataclass(frozen=True)
class EvaluationValue:
    """When the network is evaluated: every `every` epochs or iterations, and at the end.

    every_at_end takes the place of `every` in the last tenth of the budget, where it is not None. clean_train_limit is
    the largest number of unmixed, unaugmented training images evaluated at the same moments. validation_images is the
    number of unused training images that are evaluated then as well.
    """

    unit: BudgetUnit
    every: int
    clean_train_limit: int
    every_at_end: int | None = None
    validation_images: int = added_later(0)


_Part = TypeVar("_Part", MethodValue, ModelValue)


@dataclass(frozen=True)
class Cell:
    """One training: size x method x seed, with all that decides its result."""

    dataset: DatasetValue
    subset: SubsetValue
    method: MethodValue
    seed: int
    model: ModelValue
    recipe: RecipeValue
    budget: BudgetValue
    evaluation: EvaluationValue

    @property
    def size(self) -> int:
        """Return the number of training images."""
        return self.subset.size

    @property
    def epoch_batches(self) -> EpochBatches:
        """Return how the subset is dealt out to the batches of one epoch."""
        return EpochBatches.of(self.subset.size, self.recipe.batch_size, self.recipe.last_batch)

    @property
    def batches_per_epoch(self) -> int:
        """Count the batches of one epoch; a smaller last one counts, unless it is dropped."""
        return self.epoch_batches.count

    @property
    def iterations(self) -> int:
        """Count the optimiser steps of the whole training."""
        if self.budget.unit == "epochs":
            return self.budget.amount * self.batches_per_epoch
        return self.budget.amount

    @property
    def images_seen(self) -> int:
        """Count the training images of the whole budget, each counted as often as it is seen."""
        batches = self.epoch_batches
        epochs, rest = divmod(self.iterations, batches.count)
        return epochs * batches.images + batches.images_of_first(rest)

    @property
    def evaluation_moments(self) -> EvaluationMoments:
        """Return the iterations after which the network is evaluated."""
        rule, unit = self.evaluation, self.batches_per_epoch if self.evaluation.unit == "epochs" else 1
        at_end = rule.every if rule.every_at_end is None else rule.every_at_end
        return EvaluationMoments(self.iterations, rule.every * unit, at_end * unit)

    @property
    def evaluation_interval(self) -> int:
        """Return the optimiser steps between two evaluations, before the last tenth of the budget."""
        return self.evaluation_moments.every

    @property
    def fingerprint(self) -> str:
        """Return the sha256 of the value, 64 hexadecimal digits."""
        return fingerprint_value(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the value as plain JSON types."""
        plain: dict[str, Any] = _plain(self)
        return plain

    def to_json(self) -> str:
        """Return the value as its one canonical JSON text: what a Snakemake job gets as its parameter."""
        return canonical_json(self.to_dict())

    def with_files(self, files: Iterable[str]) -> Cell:
        """Return the same value that also knows where the user's files lie, by their names without folders."""
        known = {Path(file).name: file for file in files}

        def found(part: _Part, name: str) -> _Part:
            return dataclasses.replace(part, file=known.get(name.partition(":")[0], part.file))

        model = found(self.model, self.model.name)
        if dict(self.model.parameters).get(WEIGHTS_SHA256) and not self.model.name.partition(":")[0].endswith(".py"):
            # A study names one file of weights; all others are Python.
            weights = [file for name, file in known.items() if not name.endswith(".py")]
            model = dataclasses.replace(model, file=weights[0] if weights else model.file)
        return dataclasses.replace(self, method=found(self.method, self.method.mix), model=model)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Cell:
        """Return the cell of a `to_dict` value. Raises TypeError or KeyError where keys are unknown or missing."""
        method, model, recipe = value["method"], value["model"], value["recipe"]
        return cls(
            dataset=DatasetValue(**value["dataset"]),
            subset=SubsetValue(**value["subset"]),
            method=MethodValue(**_with_tuples(method)),
            seed=value["seed"],
            model=ModelValue(**_with_tuples(model)),
            recipe=RecipeValue(**_with_tuples(recipe)),
            budget=BudgetValue(**value["budget"]),
            evaluation=EvaluationValue(**value["evaluation"]),
        )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        fields = [field for field in dataclasses.fields(value) if not _is_left_out(field, getattr(value, field.name))]
        plain = {field.name: _plain(getattr(value, field.name)) for field in fields}
        return {**plain, "parameters": dict(plain["parameters"])} if "parameters" in plain else plain
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _is_left_out(field: dataclasses.Field[Any], value: Any) -> bool:
    return NO_PART in field.metadata or (ADDED_LATER in field.metadata and bool(value == field.default))


def parameters_of(mapping: Mapping[str, Any]) -> Parameters:
    """Return a mapping's items sorted by name; lists become tuples, so that the result can be hashed."""
    return tuple((name, _as_tuple(value)) for name, value in sorted(mapping.items()))


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list | tuple) else value


def _with_tuples(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of a `to_dict` value with tuples instead of lists."""
    changed = {name: _as_tuple(value) for name, value in part.items()}
    return {**changed, "parameters": parameters_of(part["parameters"])} if "parameters" in part else changed
