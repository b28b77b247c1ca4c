"""The JSON schema of pydantic models, in one closed form without references: what messages and editors go by.

Beyond the standard: `x-form` says in words what a text or a key must look like. Messages quote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from smallmix.project_files import WORKFLOW

SCHEMAS = WORKFLOW / "schemas"
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def model_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a model with every reference written out and the choices of types folded into one."""
    generated = model.model_json_schema()
    written_out: dict[str, Any] = _written_out(generated, generated.get("$defs", {}))
    return written_out


def schema_as_yaml(schema: Mapping[str, Any], head: str) -> str:
    """Return the content of a schema file for editors, below the comment `head`."""
    text = yaml.safe_dump({"$schema": DRAFT, **schema}, sort_keys=False, allow_unicode=True, width=120)
    return f"{head}{text}"


def inner_schema(schema: Mapping[str, Any], part: str | int) -> Mapping[str, Any]:
    """Return the schema of a mapping's key or of a list's entry; empty where it is unknown."""
    if isinstance(part, int):
        entries: Mapping[str, Any] = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
        return entries
    known: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    if part in known:
        return known[part]
    return next((inner for pattern, inner in free_keys(schema) if pattern.fullmatch(part)), {})


def schema_at(schema: Mapping[str, Any], path: tuple[str | int, ...]) -> Mapping[str, Any]:
    """Return the schema of what stands at a path; empty where the path is unknown."""
    for part in path:
        schema = inner_schema(schema, part)
    return schema


def free_keys(schema: Mapping[str, Any]) -> list[tuple[re.Pattern[str], Mapping[str, Any]]]:
    """Return the patterns of a mapping's free keys, each with the schema of its values."""
    return [(re.compile(pattern), inner) for pattern, inner in schema.get("patternProperties", {}).items()]


def key_table(schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every key of the schema with its own schema, in order; free names stand as <name> or <size>."""
    inner = dict(schema.get("properties", {}))
    for _, free in free_keys(schema):
        inner["<size>" if path == ("budgets",) else "<name>"] = free
    for key, described in inner.items():
        yield ".".join((*path, key)), described
        yield from key_table(described, (*path, key))


def _written_out(part: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_written_out(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    own = {
        key: value if key in ("default", "required", "enum") else _written_out(value, definitions)
        for key, value in part.items()
        if key not in ("$defs", "$ref", "anyOf", "oneOf") and not (key == "title" and isinstance(value, str))
    }
    choices = [_written_out(choice, definitions) for choice in (*part.get("anyOf", ()), *part.get("oneOf", ()))]
    if "$ref" in part:
        choices.append(_written_out(definitions[part["$ref"].rpartition("/")[2]], definitions))
    if not choices:
        return own
    # The keywords of one type say nothing of values of another, so a choice of types is one schema with several types.
    folded: dict[str, Any] = {}
    for choice in choices:
        folded |= choice
    kinds = [choice["type"] for choice in choices]
    first = {"description": own["description"]} if "description" in own else {}
    return {**first, **folded, "type": kinds[0] if len(kinds) == 1 else kinds, **own}
