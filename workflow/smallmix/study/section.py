"""What the sections of a configuration are made of: their model, and types of values that several of them have.

The sections of data sets, subsets, code and training have a file each. A key without a default must be given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator
from pydantic_core import ErrorDetails

from smallmix.study.config_errors import Problem, gather_errors, listed, show

_NAME = "^[a-z0-9][a-z0-9-]{0,39}$"
_NAME_FORM = "a name of 1 to 40 small letters, digits and hyphens, a letter or digit first"
OWN_FOLDER = "is the name of a folder of smallmix's own; choose another name"


class Section(BaseModel):
    """A mapping of the configuration: no unknown keys, no conversions, unchangeable once read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


def section(description: str, alias: str | None = None) -> Any:
    """Return a key that holds a section, which may be left out."""
    return Field({}, alias=alias, validate_default=True, description=description)


def with_form(words: str) -> Any:
    """Return what says in words how a value must look."""
    return Field(json_schema_extra={"x-form": words})


FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
Address = Annotated[
    str,
    Field(pattern=r"^(https?://|file:///|file://localhost/)[^\s]+$", max_length=2000),
    with_form("an address that begins with https://, http:// or file:/// (a space is written %20)"),
]
Name = Annotated[str, Field(pattern=_NAME), with_form(_NAME_FORM)]
Seed = Annotated[int, Field(ge=0, le=2_147_483_647)]


def check_as_given(value: Any, handler: Callable[[Any], Any], check: Callable[[Any], str | None]) -> Any:
    """Return what the handler makes of a value that passes both the handler and `check`.

    `check` sees the value as it is given, also where a part of it is wrong, and returns what is wrong and what to do,
    or None. Raises ValidationError with the errors of both, so that one message has all of them.
    """
    result: Any = None
    found: list[ErrorDetails] = []
    try:
        result = handler(value)
    except ValidationError as error:
        found = error.errors(include_url=False)
    text = check(value)
    if found or text:
        raise gather_errors("value", found, [Problem((), text)] if text else [])
    return result


def _explain_repetition(entries: Any) -> str | None:
    if not isinstance(entries, list):
        return None
    seen: set[tuple[type, Any]] = set()
    twice: dict[str, None] = {}
    for item in entries:
        # Other values are wrong by themselves, and may have lost their spelling: yes and on both arrive as true.
        if type(item) not in (int, float, str):
            continue
        if (type(item), item) in seen:
            twice[show(item)] = None
        seen.add((type(item), item))
    return f"holds {listed(twice)} more than once; delete the repetition" if twice else None


UNIQUE = (
    WrapValidator(lambda value, handler: check_as_given(value, handler, _explain_repetition)),
    Field(json_schema_extra={"uniqueItems": True}),
)
