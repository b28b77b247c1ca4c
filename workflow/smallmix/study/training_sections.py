"""The sections of a configuration that say how is trained: recipe, evaluations, budgets, and what is kept."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from smallmix.study.cell import Executor, Precision, Schedule
from smallmix.study.config_errors import rule_error, show
from smallmix.study.iterations import LastBatch
from smallmix.study.known_datasets import AUTOMATIC
from smallmix.study.section import Section, check_as_given, section, with_form

_Interval = Annotated[int, Field(ge=1, le=10_000_000)]
_Automatic = Annotated[str, Field(pattern=f"^{AUTOMATIC}$"), Tag("(word)")]
_WORD_OR_VALUE = Discriminator(lambda value: "(word)" if isinstance(value, str) else "(value)")


class Augmentation(Section):
    """Random changes of the training images."""

    crop_padding: Annotated[
        _Automatic | Annotated[int, Field(ge=0, le=256), Tag("(value)")],
        _WORD_OR_VALUE,
        with_form(f"{AUTOMATIC}, or a whole number from 0 to 256"),
    ] = Field(
        AUTOMATIC,
        description="Pixels of black border before a random crop of the old size; 0 for no crop. automatic is an "
        "eighth of the images' side. At most a quarter of it.",
    )
    flip: Annotated[
        _Automatic | Annotated[bool, Tag("(value)")], _WORD_OR_VALUE, with_form(f"{AUTOMATIC}, true or false")
    ] = Field(
        AUTOMATIC,
        description="Mirror every second image, on average, left to right. automatic does so but for digits (digits, "
        "mnist, svhn), which a mirror turns into others. `snakemake plan` warns of true for these.",
    )


class Recipe(Section):
    """How the network is trained."""

    batch_size: int = Field(128, ge=2, le=65536, description="Images of a mini-batch.")
    last_batch: LastBatch = Field(
        "even",
        description="What becomes of the images that are left over when an epoch is cut into batches. keep makes a "
        "smaller last batch of them. drop leaves them out, others in each epoch. even makes as many batches as keep, "
        "of nearly equal size (130 becomes 65 + 65). A last batch of a few images can cost many points or end a "
        "training in NaN.",
    )
    learning_rate: float = Field(0.1, gt=0, le=100, description="The largest: before any decay, after any warm-up.")
    warm_up: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of the budget in which the learning rate rises linearly from 0 (Goyal et al. 2017); 0 "
        "for none.",
    )
    schedule: Schedule = Field(
        "steps",
        description="How the learning rate falls. steps multiplies it by decay_factor at each of decay_at. cosine lets "
        "it fall to 0 along half a cosine, from the end of the warm-up to the end of the budget, without restarts "
        "(Loshchilov and Hutter 2017).",
    )
    decay_at: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.33, 0.66],
        max_length=20,
        description="Fractions of the budget, rising, at which the learning rate is multiplied by decay_factor; [] "
        "for never. Read only where schedule is steps.",
    )
    decay_factor: float = Field(0.1, gt=0, le=1, description="Multiplies the learning rate at each step of decay_at.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Of stochastic gradient descent.")
    nesterov: bool = Field(False, description="Nesterov's form of the momentum (Sutskever et al. 2013).")
    weight_decay: float = Field(0.0001, ge=0, le=1, description="Of every parameter, but for decay_normalization.")
    decay_normalization: bool = Field(
        True,
        description="Whether weights of normalisation layers, and all biases, decay as well. Without, only weights of "
        "convolutions and linear layers do (He et al. 2019).",
    )
    augmentation: Augmentation = section("Random changes of the training images.")
    precision: Precision = Field(
        "fp32",
        description="fp32, or bf16 for mixed precision: other results, faster on GPUs that compute in it, on "
        "processors with AMX, and on most with AVX-512 BF16; up to 15 times slower on others. `snakemake plan` says "
        "it.",
    )
    executor: Executor = Field(
        "automatic",
        description="How steps are started. graph captures whole steps as CUDA graphs, graph-compiled compiles them "
        "as well; both need a CUDA GPU. automatic is eager on a CPU; on a GPU it is graph, if an equivalence check of "
        "the training's next steps gives the very numbers of eager ones there, else eager. The log says which.",
    )
    cpu_threads: int = Field(
        1,
        ge=1,
        le=1024,
        description="Threads of one training on a CPU. Part of the recipe because the order of sums changes results.",
    )

    @field_validator("decay_at", mode="wrap")
    @classmethod
    def _decay_in_order(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> list[float]:
        fractions: list[float] = check_as_given(value, handler, _explain_order)
        warm_up = info.data.get("warm_up")
        if info.data.get("schedule") == "steps" and fractions and warm_up is not None and warm_up > fractions[0]:
            raise rule_error(
                f"found {show(fractions)}; the learning rate would fall before it has risen: allowed: from "
                f"{show(warm_up)} on, the end of the warm-up, or a shorter warm_up"
            )
        return fractions

    @field_validator("nesterov")
    @classmethod
    def _need_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        if nesterov and info.data.get("momentum") == 0:
            raise rule_error("true contradicts momentum 0, of which it is a form; write false, or momentum: 0.9")
        return nesterov


def _explain_order(fractions: Any) -> str | None:
    if not isinstance(fractions, list):
        return None
    sound = [one for one in fractions if type(one) in (int, float) and 0 < one < 1]
    if all(earlier < later for earlier, later in itertools.pairwise(sound)):
        return None
    return f"found {show(fractions)}; the fractions must rise, each above the one before: {sorted(set(sound))}"


def _check_every_at_end(every_at_end: int | None, info: ValidationInfo) -> int | None:
    every = info.data.get("every")
    if every is not None and every_at_end is not None and every_at_end > every:
        raise rule_error(
            f"found {every_at_end}; the last tenth of the budget is evaluated at least as often as the rest: "
            f"allowed: at most {every}, the value of every"
        )
    return every_at_end


_EveryAtEnd = Annotated[_Interval | None, AfterValidator(_check_every_at_end)]


class EpochInterval(Section):
    """How many epochs lie between two evaluations."""

    every: _Interval = Field(description="Epochs between two evaluations.")
    every_at_end: _EveryAtEnd = Field(
        None,
        description="Epochs between two evaluations in the last tenth of the budget; null for as many as before.",
    )


class IterationInterval(Section):
    """How many iterations lie between two evaluations."""

    every: _Interval = Field(390, description="Iterations between two evaluations.")
    every_at_end: _EveryAtEnd = Field(
        None,
        description="Iterations between two evaluations in the last tenth of the budget; null for as many as before.",
    )


class Evaluation(Section):
    """When the network is evaluated on the test images."""

    epoch_budgets: Annotated[
        Annotated[str, Field(pattern="^each-epoch$"), Tag("(word)")] | Annotated[EpochInterval, Tag("(mapping)")],
        Discriminator(lambda value: "(mapping)" if isinstance(value, dict | EpochInterval) else "(word)"),
        with_form("each-epoch or {every: number of epochs, every_at_end: number of epochs}"),
    ] = Field(
        "each-epoch",
        description="For budgets in epochs: each-epoch, or the number of epochs between two evaluations.",
    )
    iteration_budgets: IterationInterval = section(
        "For budgets in iterations: the number of iterations between two evaluations."
    )
    clean_train_limit: int = Field(
        5000,
        ge=1,
        le=10_000_000,
        description="How many training images are evaluated at most, unmixed and unchanged, at the same moments.",
    )
    validation_images: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description="How many training images that no subset uses are evaluated at the same moments; 0 for none. They "
        "are drawn once for the study, by subsets.draw_seed, with each class's share.",
    )


def _drop_default(schema: dict[str, Any]) -> None:
    del schema["default"]


def _unit(most: int, description: str) -> Any:
    """Return a key of a budget, of whose keys one is given."""
    return Field(None, ge=1, le=most, description=description, json_schema_extra=_drop_default)


def _explain_units(budget: Any) -> str | None:
    if not isinstance(budget, dict):
        return None
    if {"epochs", "iterations"} <= budget.keys():
        return "has epochs and iterations; give exactly one of them (that of an overlay replaces an inherited one)"
    return None if budget else "is empty; give exactly one of epochs and iterations, as in {epochs: 100}"


class Budget(Section):
    """How long to train, either in epochs or in iterations."""

    epochs: int = _unit(10_000_000, "Passes over the subset.")
    iterations: int = _unit(100_000_000, "Optimiser steps.")

    @model_validator(mode="wrap")
    @classmethod
    def _one_unit(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return cast(Self, check_as_given(value, handler, _explain_units))

    @model_serializer(mode="wrap")
    def _stated_unit(self, serialize: SerializerFunctionWrapHandler) -> dict[str, int]:
        return {unit: amount for unit, amount in serialize(self).items() if amount is not None}


class Keep(Section):
    """What of the trained networks is kept."""

    weights: Literal["none", "final"] = Field(
        "none",
        description="final writes the trained network (weights and running statistics at the end of the budget) to "
        "model.safetensors in each cell's folder. `smallmix predict` uses it. Decides no number: a cell that was "
        "trained without is trained again to the same bytes. none keeps no networks. `plan` says the size on disk.",
    )
