"""The value of every method that a configuration can name, with the defaults of its parameters or with others."""

from __future__ import annotations

from typing import Any

from smallmix.study.cell import MethodValue, Mix, parameters_of
from smallmix.study.method_forms import METHODS

EVERY_MIX: tuple[Mix, ...] = tuple(METHODS)


def method_value(mix: Mix, beta: tuple[float, float] = (1.0, 1.0), **parameters: Any) -> MethodValue:
    """Return a method's value; `beta` is left out where the method draws no weight."""
    form = METHODS[mix]
    filled = form.parameters.model_validate(parameters).model_dump()
    return MethodValue(mix, beta if form.draws_weight else None, parameters_of(filled))
