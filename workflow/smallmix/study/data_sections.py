"""The sections of a configuration that say what is trained with: the data set, and the subsets of its images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from smallmix.study.cell import Fit, SubsetRule
from smallmix.study.config_errors import rule_error
from smallmix.study.known_datasets import KNOWN_DATASETS
from smallmix.study.layout import RESERVED_IDENTIFIERS
from smallmix.study.published_sections import Cifar10, Cifar100, FashionMnist, Mnist, Stl10, Svhn
from smallmix.study.section import OWN_FOLDER, UNIQUE, FilePath, Name, Section, Seed, section

_Size = Annotated[int, Field(ge=1, le=10_000_000)]
_ClassName = Annotated[str, Field(min_length=1, max_length=200)]


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
