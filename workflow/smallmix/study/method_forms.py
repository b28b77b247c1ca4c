"""The methods that a configuration can name, and what their parameters are. What they do lies in science/methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from smallmix.study.parameters import ParameterSet


@dataclass(frozen=True)
class MethodForm:
    """What a configuration must know of a method."""

    draws_weight: bool  # whether it needs the two parameters of a Beta distribution, the key `beta`
    parameters: type[ParameterSet] = ParameterSet


METHODS: Mapping[str, MethodForm] = {
    "none": MethodForm(draws_weight=False),
    "images": MethodForm(draws_weight=True),
    "images-and-labels": MethodForm(draws_weight=True),
}
