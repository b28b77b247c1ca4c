"""The parameters of a method of the user's own: values that the study states, and the class's own values.

The study's configuration has only what it states. The others stand in the user's file, which is run for that.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from smallmix.errors import SmallmixError
from smallmix.own_code import load_own


def own_parameters(name: str, file: str | None, stated: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return all parameters of a class in the user's file, in its order. `name` is FILE.py:NAME, `file` its path.

    None where the file is not there or cannot be run, or where the class does not take what is `stated`.
    """
    try:
        kind = load_own(name, file)
        bound = inspect.signature(kind).bind(**stated)
    except (SmallmixError, TypeError, ValueError):
        return None
    bound.apply_defaults()
    made = _made_by_factories(kind)
    values: dict[str, Any] = {}
    for parameter in bound.signature.parameters.values():
        value = bound.arguments[parameter.name]
        if parameter.kind is parameter.VAR_KEYWORD:
            values |= value
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            values[parameter.name] = value if parameter.name in stated else made.get(parameter.name, value)
    return values


def _made_by_factories(kind: Any) -> dict[str, Any]:
    """Return the values of a dataclass's fields that a function makes, which its signature does not show."""
    if not dataclasses.is_dataclass(kind):
        return {}
    return {
        field.name: field.default_factory()
        for field in dataclasses.fields(kind)
        if field.init and field.default_factory is not dataclasses.MISSING
    }
