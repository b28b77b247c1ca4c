"""The methods that a configuration can name, and what their parameters are. What they do lies in science/methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from smallmix.study.config_errors import rule_error, show
from smallmix.study.parameters import ParameterSet

# Rectangles that stick out of the image are drawn again. Some must fit well, or that never ends.
LONGEST_SMALLEST_SIDE = 0.8


@dataclass(frozen=True)
class MethodForm:
    """What a configuration must know of a method."""

    draws_weight: bool  # whether it needs the two parameters of a Beta distribution, the key `beta`
    parameters: type[ParameterSet] = ParameterSet


def _unlike(stages: list[int]) -> list[int]:
    if len(set(stages)) < len(stages):
        raise rule_error(f"found {show(stages)}; name each stage once")
    return stages


def _ascending(ends: list[float]) -> list[float]:
    if ends[0] > ends[1]:
        raise rule_error(f"found {show(ends)}; give the smaller number first")
    return ends


def _fitting(aspect: list[float], info: ValidationInfo) -> list[float]:
    """Refuse ratios with which even the smallest rectangle hardly fits into the image."""
    area = info.data.get("area")
    squarest = min(max(aspect[0], 1.0), aspect[1])
    if area is not None and (area[0] * max(squarest, 1 / squarest)) ** 0.5 > LONGEST_SMALLEST_SIDE:
        raise rule_error(
            f"found {show(aspect)} with the area {show(area)}; even the smallest rectangle would be longer than "
            f"{100 * LONGEST_SMALLEST_SIDE:g} % of the image's side: give a smaller area, or a ratio nearer to 1"
        )
    return aspect


class Stages(ParameterSet):
    """Where manifold mixup mixes."""

    stages: Annotated[list[Annotated[int, Field(ge=0, le=100)]], AfterValidator(_unlike)] = Field(
        [0, 1, 2],
        min_length=1,
        max_length=100,
        description="The stages of the network after which features are mixed, one of them for each batch; 0 is the "
        "images themselves.",
    )


class Smoothing(ParameterSet):
    """How much label smoothing smooths."""

    smoothing: float = Field(
        0.1, gt=0, lt=1, description="The share of the label that is spread evenly over all classes."
    )


class Hole(ParameterSet):
    """What cutout cuts out."""

    hole: float = Field(0.5, gt=0, le=1, description="The side of the square hole, as a share of the image's side.")


class Erasing(ParameterSet):
    """What random erasing erases."""

    probability: float = Field(0.5, gt=0, le=1, description="How often an image is erased in part.")
    area: Annotated[
        list[Annotated[float, Field(gt=0, le=0.9)]], Field(min_length=2, max_length=2), AfterValidator(_ascending)
    ] = Field([0.02, 0.4], description="The range of the rectangle's area, as a share of the image's.")
    aspect: Annotated[
        list[Annotated[float, Field(ge=0.05, le=20)]],
        Field(min_length=2, max_length=2),
        AfterValidator(_ascending),
        AfterValidator(_fitting),
    ] = Field([0.3, 3.3], validate_default=True, description="The range of the rectangle's height / width.")


METHODS: Mapping[str, MethodForm] = {
    "none": MethodForm(draws_weight=False),
    "images": MethodForm(draws_weight=True),
    "images-and-labels": MethodForm(draws_weight=True),
    "images-per-image": MethodForm(draws_weight=True),
    "images-and-labels-per-image": MethodForm(draws_weight=True),
    "cutmix": MethodForm(draws_weight=True),
    "manifold-mixup": MethodForm(draws_weight=True, parameters=Stages),
    "label-smoothing": MethodForm(draws_weight=False, parameters=Smoothing),
    "cutout": MethodForm(draws_weight=False, parameters=Hole),
    "random-erasing": MethodForm(draws_weight=False, parameters=Erasing),
}
