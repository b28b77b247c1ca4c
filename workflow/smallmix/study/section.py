"""What the sections of a configuration are made of: their model, and types of values that several of them have."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


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
