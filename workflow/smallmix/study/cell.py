"""A cell is a value: everything that decides one training's result, and nothing else.

Names, paths, machines, dates and the number of parallel jobs are not in it. Two studies that agree on a cell's value
share its training; a method's name may change freely, because its meaning is in its keys.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from smallmix.fingerprints import canonical_json, fingerprint_value
from smallmix.study.iterations import EpochBatches, EvaluationMoments, LastBatch

# The name of a method's file in science/methods. MixName in study/published.py lists those that there are: it stands
# outside of what a cell's code fingerprint covers, so that a name more trains nothing anew.
Mix = str
SubsetRule = Literal["head", "balanced", "random"]
BudgetUnit = Literal["epochs", "iterations"]
Precision = Literal["fp32", "bf16"]
Executor = Literal["automatic", "eager", "graph", "graph-compiled"]
ADDED_LATER = "added-later"


def added_later(neutral: Any) -> Any:
    """Declare a field that is added to a value below, with the default under which trainings are as they were.

    Where it has that default, it stands in no JSON text and in no fingerprint: cells that were stored before there was
    the field keep theirs, and `adopt` finds them. The fields of today stand there always.
    """
    return dataclasses.field(default=neutral, metadata={ADDED_LATER: True})


@dataclass(frozen=True)
class DatasetValue:
    """Which images, and how foreign ones were brought to one shape. Their content is covered by checksums apart.

    `name` is cifar10, digits or image-list; `image_size` (pixels a side) and `color` (rgb or grey) are None except
    for image-list.
    """

    name: str
    image_size: int | None = None
    color: str | None = None


@dataclass(frozen=True)
class SubsetValue:
    """Which training images: the rule, how many, and the seed of the draw (None for head, which draws nothing)."""

    rule: SubsetRule
    size: int
    seed: int | None = None


@dataclass(frozen=True)
class MethodValue:
    """What is mixed, and the two parameters of the Beta distribution of lambda (None where nothing is mixed)."""

    mix: Mix
    beta: tuple[float, float] | None = None


@dataclass(frozen=True)
class ModelValue:
    """The network: width is the number of channels of the first stage, blocks the number of blocks of each stage."""

    name: str
    width: int
    blocks: tuple[int, int, int, int]


@dataclass(frozen=True)
class RecipeValue:
    """How the network is trained. `decay_at` are fractions of the budget; crop_padding is in pixels.

    last_batch says what becomes of an epoch's remainder; values written before there was a choice kept it.
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


@dataclass(frozen=True)
class BudgetValue:
    """How long: a number of epochs or of iterations."""

    unit: BudgetUnit
    amount: int


@dataclass(frozen=True)
class EvaluationValue:
    """When the network is evaluated: every `every` epochs or iterations, and at the end.

    every_at_end takes the place of `every` in the last tenth of the budget, where it is not None. clean_train_limit is
    the largest number of unmixed, unaugmented training images evaluated at the same moments.
    """

    unit: BudgetUnit
    every: int
    clean_train_limit: int
    every_at_end: int | None = None


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

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Cell:
        """Return the cell of a `to_dict` value. Raises TypeError or KeyError where keys are unknown or missing."""
        method, model, recipe = value["method"], value["model"], value["recipe"]
        return cls(
            dataset=DatasetValue(**value["dataset"]),
            subset=SubsetValue(**value["subset"]),
            method=MethodValue(**{**method, "beta": tuple(method["beta"]) if method["beta"] else None}),
            seed=value["seed"],
            model=ModelValue(**{**model, "blocks": tuple(model["blocks"])}),
            recipe=RecipeValue(**{**recipe, "decay_at": tuple(recipe["decay_at"])}),
            budget=BudgetValue(**value["budget"]),
            evaluation=EvaluationValue(**value["evaluation"]),
        )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        fields = [field for field in dataclasses.fields(value) if not _is_left_out(field, getattr(value, field.name))]
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _is_left_out(field: dataclasses.Field[Any], value: Any) -> bool:
    return ADDED_LATER in field.metadata and bool(value == field.default)
