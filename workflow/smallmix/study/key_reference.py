"""The reference of the configuration's keys, docs/configuration.md, written from the schema by `make keys`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from smallmix.study.config_model import config_schema
from smallmix.study.model_schema import free_keys, key_table

_HEAD = """\
# Keys of the configuration

<!-- Written by `make keys` from the models in workflow/smallmix/study. -->

`config.yaml` in the top folder is the article's study. Every other study is an overlay: a file that states its own
`study` and the keys that differ. `workflow/studies/` has examples. Give an overlay to Snakemake with `--configfile`, or
name it after a command of `smallmix`. All problems of a configuration stand in one message,
each with its file and line.

Overlays are merged key by key, and everything else is replaced. So a list such as `seeds` is replaced as a whole. A
method or a budget is taken out by null, written `~`.

Editors with a YAML language server show these texts and complete keys. The first line of each example names the schema,
`workflow/schemas/config.schema.yaml`. Between `<` and `>` stands what you name yourself."""


def describe_keys() -> str:
    """Return the reference of all keys, docs/configuration.md: one table for each key of the top level."""
    schema = config_schema()
    parts, keys = [_HEAD], dict(key_table(schema))
    for top in schema["properties"]:
        inner = [key for key in keys if key.startswith(f"{top}.") and not _doubled(key)]
        parts += [f"## `{top}`", _sentence(keys[top])]
        lines = [_row(key, schema, keys) for key in inner if "properties" not in keys[key] or _is_text_too(keys[key])]
        if lines:
            parts.append("\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *lines]))
        else:
            parts.append(f"Value: {_value(keys[top])}. {_default_as_sentence(_default(top, schema, keys))}")
    return "\n\n".join(parts) + "\n"


def describe_value(described: Mapping[str, Any]) -> str:
    """Return in words which values a key or a parameter takes, by its schema."""
    return _value(described)


def describe_default(name: str, schema: Mapping[str, Any]) -> str:
    """Return the default of a key of a mapping in words, by the mapping's schema."""
    default = _default(name, schema, schema["properties"])
    return f"default {default}" if default.startswith("`") else default


def _doubled(key: str) -> bool:
    """Return whether the key stands in the table under a free name already: `default` is a budget like all others."""
    return key.startswith("budgets.default")


def _is_text_too(described: Mapping[str, Any]) -> bool:
    """Return whether a mapping can also be a text, such as `each-epoch`."""
    return "string" in _types(described)


def _row(key: str, schema: Mapping[str, Any], keys: Mapping[str, Mapping[str, Any]]) -> str:
    cells = (f"`{key.partition('.')[2]}`", _value(keys[key]), _default(key, schema, keys), _sentence(keys[key]))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _sentence(described: Mapping[str, Any]) -> str:
    text = str(described.get("description", "")).strip()
    return text.replace("<study>", "`<study>`").replace("<identifier>", "`<identifier>`")


def _types(described: Mapping[str, Any]) -> list[str]:
    kinds = described.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _value(described: Mapping[str, Any]) -> str:
    """Say in words which values a key takes: its choices, its form, or its type with its range."""
    if "enum" in described:
        return ", ".join(f"`{choice}`" for choice in dict.fromkeys(described["enum"]))
    if "x-form" in described:
        return str(described["x-form"])
    words = [_one_type(kind, described) for kind in _types(described) if kind != "null"]
    return " or ".join([*words, *(["null"] if "null" in _types(described) else [])])


def _one_type(kind: str, described: Mapping[str, Any]) -> str:
    if kind == "array":
        return _list_form(described)
    if kind in ("integer", "number"):
        return f"{'whole number' if kind == 'integer' else 'number'}{_range(described)}"
    if kind == "string":
        longest = described.get("maxLength")
        return f"text of up to {longest:,} characters" if longest else "text"
    if kind == "object" and not (described.get("properties") or free_keys(described)):
        return "names with their values"
    return {"boolean": "true or false", "object": "keys, see below"}[kind]


def _list_form(described: Mapping[str, Any]) -> str:
    fewest, most = described.get("minItems", 0), described["maxItems"]
    count = f"{fewest}" if fewest == most else f"{fewest} to {most:,}"
    entries = _value(described["items"]) if "items" in described else "values"
    distinct = ", each once" if described.get("uniqueItems") else ""
    return f"list of {count}{distinct}; an entry: {entries}"


def _range(described: Mapping[str, Any]) -> str:
    if "minimum" in described and "maximum" in described:
        return f", {described['minimum']:,} to {described['maximum']:,}"
    words = {"exclusiveMinimum": "above", "minimum": "from", "exclusiveMaximum": "below", "maximum": "at most"}
    return "".join(f", {word} {described[bound]:,}" for bound, word in words.items() if bound in described)


def _default(key: str, schema: Mapping[str, Any], keys: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the default of a key; empty where leaving it out means that it does not apply."""
    parent, _, name = key.rpartition(".")
    if name in (keys[parent] if parent else schema).get("required", ()):
        return "must be given"
    if "default" not in keys[key]:
        return ""
    value = keys[key]["default"]
    if isinstance(value, list) and any(isinstance(entry, str) for entry in value):
        return ", ".join(f"`{entry}`" for entry in value)
    return f"`{json.dumps(value)}`" if not isinstance(value, str) or not value else f"`{value}`"


def _default_as_sentence(default: str) -> str:
    return f"Default: {default}." if default.startswith("`") else "It must be given."


if __name__ == "__main__":
    print(describe_keys(), end="")
