"""The sections of a configuration: description, type, range and default of every key, and the rules inside a section.

A key without a default must be given.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
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
from smallmix.study.cell import Executor, Fit, Precision, Schedule, SubsetRule
from smallmix.study.config_errors import listed, rule_error, show
from smallmix.study.iterations import LastBatch
from smallmix.study.known_datasets import AUTOMATIC, KNOWN_DATASETS
from smallmix.study.layout import RESERVED_IDENTIFIERS
from smallmix.study.method_forms import METHODS
from smallmix.study.metric_forms import EXAMPLE as METRIC_EXAMPLE
from smallmix.study.metric_forms import READY_METRICS
from smallmix.study.misspelt_names import close_match
from smallmix.study.network_forms import (
    NETWORKS,
    TORCHVISION,
    find_form,
    is_of_torchvision,
    torchvision_networks,
)
from smallmix.study.parameters import checked_parameters
from smallmix.study.published_sections import Cifar10, Cifar100, FashionMnist, Mnist, Stl10, Svhn
from smallmix.study.section import FilePath, Section, section, with_form

_NAME = "^[a-z0-9][a-z0-9-]{0,39}$"
_NAME_FORM = "a name of 1 to 40 small letters, digits and hyphens, a letter or digit first"
OWN_FOLDER = "is the name of a folder of smallmix's own; choose another name"


def _check_unique(entries: list[Any]) -> list[Any]:
    twice = [item for index, item in enumerate(entries) if item in entries[:index]]
    if twice:
        raise rule_error(f"holds {listed(dict.fromkeys(map(show, twice)))} more than once; delete the repetition")
    return entries


UNIQUE = (AfterValidator(_check_unique), Field(json_schema_extra={"uniqueItems": True}))
Name = Annotated[str, Field(pattern=_NAME), with_form(_NAME_FORM)]
_Size = Annotated[int, Field(ge=1, le=10_000_000)]
Seed = Annotated[int, Field(ge=0, le=2_147_483_647)]
_ClassName = Annotated[str, Field(min_length=1, max_length=200)]
_Interval = Annotated[int, Field(ge=1, le=10_000_000)]
_Parameter = Annotated[float, Field(ge=0.001, le=1000)]


class _OwnImages(Section):
    """What the user's own images have in common, whether a list or folders name them."""

    folder: FilePath | None = Field(None)
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
        description="Pixels a side that every image is brought to. `fit` says how images become square.",
    )
    color: Literal["rgb", "grey"] = Field("rgb", description="Three channels, or one.")
    fit: Fit = Field(
        "crop",
        description="How an image becomes square. crop cuts out the central square, pad adds black at two sides, and "
        "squash brings both sides to the same length, which distorts.",
    )
    classes: Annotated[list[_ClassName], *UNIQUE] | None = Field(
        None,
        min_length=2,
        max_length=10_000,
        description="The names of all classes, in the order that tables and figures shall have; null for sorted.",
    )

    @field_validator("identifier")
    @classmethod
    def _keep_own_folders(cls, identifier: str) -> str:
        if identifier in RESERVED_IDENTIFIERS:
            raise rule_error(f"{identifier} {OWN_FOLDER}")
        return identifier


class ImageList(_OwnImages):
    """The user's own images, named by two lists."""

    folder: FilePath | None = Field(
        None,
        description="The folder that holds the images and their lists, train.csv and test.csv. Not in, at or above "
        "the folders that runs write into (resources/<identifier>, results, reports, logs, .snakemake, workflow).",
    )


class ImageFolder(_OwnImages):
    """The user's own images, in a folder for each class."""

    folder: FilePath | None = Field(
        None,
        description="A folder or a zip file with train/<class>/ and test/<class>/, or with <class>/ alone, whose "
        "images are then divided. Not in, at or above the folders that runs write into.",
    )
    test_share: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="The part of each class that is tested, where the images have to be divided.",
    )
    split_seed: Seed = Field(
        0, description="The seed of that division. Its table, resources/<identifier>/split-….csv, keeps it."
    )


def _known_datasets() -> str:
    words = [
        f"{name} ({one.train_count:,} + {one.test_count:,} images of {one.image_size} x {one.image_size}, "
        f"{one.classes} classes)"
        for name, one in KNOWN_DATASETS.items()
    ]
    return ", ".join(words)


class Dataset(Section):
    """Where the images come from."""

    name: Literal[
        "cifar10", "cifar100", "svhn", "fashion-mnist", "mnist", "stl10", "digits", "image-list", "image-folder"
    ] = Field(
        description=f"{_known_datasets()}; digits come with scikit-learn. Or your own images: named by lists, or in a "
        "folder for each class."
    )
    cifar10: Cifar10 = section("Read only where name is cifar10.")
    cifar100: Cifar100 = section("Read only where name is cifar100.")
    svhn: Svhn = section("Read only where name is svhn.")
    fashion_mnist: FashionMnist = section("Read only where name is fashion-mnist.", "fashion-mnist")
    mnist: Mnist = section("Read only where name is mnist.")
    stl10: Stl10 = section("Read only where name is stl10.")
    image_list: ImageList = Field(
        {}, alias="image-list", validate_default=True, description="Read only where name is image-list."
    )
    image_folder: ImageFolder = Field(
        {}, alias="image-folder", validate_default=True, description="Read only where name is image-folder."
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


def _check_network(name: str) -> str:
    if not is_of_torchvision(name):
        return _check_known(name, [*NETWORKS, f"{TORCHVISION}NAME"], "my_network.py:build")
    wanted, known = name.removeprefix(TORCHVISION), torchvision_networks()
    if wanted in known or (not known and wanted.isidentifier()):  # not installed here: the jobs will know
        return name
    match = close_match(wanted, known)
    meant = f"; did you mean {TORCHVISION}{match}?" if match else ""
    names = f"one of its networks for classification, such as {', '.join(known[:3])}, resnet18"
    raise rule_error(f"found {show(name)}, which torchvision does not have{meant}; allowed: {names}")


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
        max_length=4096,
        description="What is mixed, or a class of your own, as in my_method.py:MyMethod, whose file lies beside the "
        "configuration.",
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

    name: Annotated[str, AfterValidator(_check_network)] = Field(
        "preact-resnet18",
        max_length=4096,
        description=f"The network: {', '.join(NETWORKS)}, torchvision:NAME, or a function of your own, as in "
        "my_network.py:build, whose file lies beside the configuration. preact-resnet18 is the article's. See "
        "docs/network.md.",
        json_schema_extra={"x-form": f"one of {', '.join(NETWORKS)}, torchvision:NAME, or FILE.py:FUNCTION"},
    )
    width: int = Field(
        64,
        ge=1,
        le=1024,
        description="Channels of the first stage; each following stage has twice as many. Networks of torchvision and "
        "your own do not read it.",
    )
    blocks: list[Annotated[int, Field(ge=1, le=64)]] = Field(
        [2, 2, 2, 2],
        min_length=4,
        max_length=4,
        description="Residual blocks of the four stages. Only the networks named resnet18 read it.",
    )
    parameters: dict[str, Any] = Field(
        {},
        validate_default=True,
        description="Further parameters of the network by name, as docs/network.md lists them.",
    )

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, parameters: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "name" not in info.data:
            return parameters  # the name is wrong itself
        return checked_parameters(find_form(info.data["name"]), parameters)


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
    def _decay_in_order(cls, fractions: list[float], info: ValidationInfo) -> list[float]:
        if any(later <= earlier for earlier, later in itertools.pairwise(fractions)):
            rising = sorted(set(fractions))
            raise rule_error(f"found {show(fractions)}; the fractions must rise, each above the one before: {rising}")
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


class Keep(Section):
    """What of the trained networks is kept."""

    weights: Literal["none", "final"] = Field(
        "none",
        description="final writes the trained network (weights and running statistics at the end of the budget) to "
        "model.safetensors in each cell's folder. `smallmix predict` uses it. Decides no number: a cell that was "
        "trained without is trained again to the same bytes. none keeps no networks. `plan` says the size on disk.",
    )
