"""Parameters of methods and networks beyond the common keys: checked by a model of their own, defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from smallmix.study.config_errors import allowed, listed, rule_error, show
from smallmix.study.misspelt_names import close_match
from smallmix.study.model_schema import model_schema

OWN_TYPES = (str, int, float, bool)


class ParameterSet(BaseModel):
    """The parameters of one method or network. A parameter without a default must be given."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class HasParameters(Protocol):
    """What has parameters of its own: a method's or a network's form."""

    @property
    def parameters(self) -> type[ParameterSet]:
        """Return the model of the parameters."""


def checked_parameters(form: HasParameters | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with every default filled in; `form` is None for a user's own class or function.

    Raises the error of a rule of the configuration, whose text names every faulty parameter.
    """
    if form is None:
        for name, value in given.items():
            if not _is_plain(value):
                plain = "a number, text, true, false, or a list of such"
                raise rule_error(f"{name}: found {show(value)}; allowed: {plain}")
        return dict(given)
    try:
        return form.parameters.model_validate(dict(given)).model_dump()
    except ValidationError as error:
        raise rule_error("; ".join(_explain(error, form.parameters))) from None


def _explain(error: ValidationError, model: type[ParameterSet]) -> list[str]:
    schema = model_schema(model)
    known = schema.get("properties", {})
    texts = []
    for one in error.errors(include_url=False):
        name = str(one["loc"][0])
        if one["type"] == "extra_forbidden":
            match = close_match(name, list(known))
            meant = f"did you mean {match}?" if match else f"allowed: {listed(known) or 'none'}"
            texts.append(f"{name} is no parameter here; {meant}")
        elif one["type"] == "missing":
            texts.append(f"{name} is missing; give {allowed(known[name])}")
        elif "text" in one.get("ctx", {}):  # a rule of ours, whose text is complete
            texts.append(f"{name}: {one['ctx']['text']}")
        else:
            texts.append(f"{name}: found {show(one['input'])}; allowed: {allowed(known[name])}")
    return texts


def _is_plain(value: Any) -> bool:
    return isinstance(value, OWN_TYPES) or (isinstance(value, list) and all(_is_plain(item) for item in value))
