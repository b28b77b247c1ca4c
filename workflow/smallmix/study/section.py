"""What the sections of a configuration are made of: their model, and types of values that several of them have.

The sections of data sets, subsets, code and training have a file each. A key without a default must be given.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from smallmix.study.config_errors import listed, rule_error, show

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


def _check_unique(entries: list[Any]) -> list[Any]:
    twice = [item for index, item in enumerate(entries) if item in entries[:index]]
    if twice:
        raise rule_error(f"holds {listed(dict.fromkeys(map(show, twice)))} more than once; delete the repetition")
    return entries


UNIQUE = (AfterValidator(_check_unique), Field(json_schema_extra={"uniqueItems": True}))
