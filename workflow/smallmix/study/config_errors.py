"""Errors of a configuration, and their messages for people: the key, what was found, what is allowed, the remedy."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from smallmix.study.misspelt_names import close_match, nearness
from smallmix.study.model_schema import free_keys, inner_schema, key_table, schema_at

KeyPath = tuple[str | int, ...]
LONGEST_SHOWN = 80
HEADING = "The configuration"  # of messages about it
_RULE = "rule"  # the type of errors whose message is complete
_NO_KEYS = (
    "[key]",
    "(word)",
    "(mapping)",
    "(value)",
)  # what pydantic puts into a path besides keys: a mapping's key, tags of a choice


@dataclass(frozen=True)
class Problem:
    """One problem. `path` leads to the key; `text` says what was found and what to do; `place` is a file and a line."""

    path: KeyPath
    text: str
    place: str = ""

    def __str__(self) -> str:
        parts = [key_name(self.path) if self.path else "", f"({self.place})" if self.place else ""]
        head = " ".join(part for part in parts if part)
        return f"{head}: {self.text}" if head else self.text


def key_name(path: KeyPath) -> str:
    """Return the full key as people write it: recipe.learning_rate, or subsets.sizes (entry 3) inside a list."""
    keys = [part if part.isprintable() and part else repr(part) for part in path if isinstance(part, str)]
    entries = "".join(f" (entry {part + 1})" for part in path if isinstance(part, int))
    return shorten(".".join(keys), 200) + entries


def show(value: Any) -> str:
    """Return a value as it is quoted in a message: short, on one line, printable."""
    if value is None:
        return "nothing (an empty value)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return shorten(repr(value)) + (" (text)" if _looks_like_something_else(value) else "")
    if isinstance(value, dict):
        return f"a mapping with the keys {listed(value)}" if value else "an empty mapping"
    if isinstance(value, list):
        return "the list " + shorten(json.dumps(value, default=str)) if value else "an empty list"
    return shorten(str(value))


def shorten(text: str, longest: int = LONGEST_SHOWN) -> str:
    """Return `text`, cut where it is longer than a message can bear."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def listed(words: Iterable[Any]) -> str:
    """Return words in a row, cut where there are too many."""
    return shorten(", ".join(str(word) for word in words), 200)


def message(problems: Sequence[Problem], heading: str) -> str:
    """Return one text for all problems, each once."""
    lines = list(dict.fromkeys(str(problem) for problem in problems))
    count = "one problem" if len(lines) == 1 else f"{len(lines)} problems"
    return "\n".join([f"{heading} has {count}:", *(f"  - {line}" for line in lines)])


def _looks_like_something_else(text: str) -> bool:
    return text[:1].isdigit() or text[:1] in "+-.[{" or text.lower() in ("true", "false", "null", "none", "")


def rule_error(text: str) -> PydanticCustomError:
    """Return the error that a model's validator raises; `text` says what is wrong and what to do."""
    return PydanticCustomError(_RULE, "{text}", {"text": text})


def gather_errors(title: str, found: Sequence[ErrorDetails], more: Sequence[Problem]) -> ValidationError:
    """Return one error for those that pydantic found and for further problems."""
    lines = [
        InitErrorDetails(type=_type_again(one), loc=one["loc"], input=one["input"], ctx=one.get("ctx", {}))
        for one in found
    ]
    lines += [InitErrorDetails(type=rule_error(one.text), loc=one.path, input=None) for one in more]
    return ValidationError.from_exception_data(title, lines)


def pydantic_path(error: ErrorDetails) -> KeyPath:
    """Return the path of keys and entries that an error is about."""
    return tuple(part for part in error["loc"] if part not in _NO_KEYS)


def explain_errors(
    error: ValidationError, schema: Mapping[str, Any], known: Set[KeyPath] = frozenset()
) -> Iterator[Problem]:
    """Yield the problems that pydantic found, in the words of people who write YAML.

    One problem a key, unless it breaks several rules, and none at or below the paths that are `known` to be wrong.
    `schema` is the model's, with every reference written out.
    """
    seen = set(known)
    for one in error.errors(include_url=False):
        path = pydantic_path(one)
        if any(path[: len(above)] == above for above in seen if above):
            continue
        if one["type"] != _RULE:  # a value may break several rules
            seen.add(path)
        yield Problem(path, _explain(one, path, schema))


def allowed(schema: Mapping[str, Any]) -> str:
    """Return what a schema allows, in words: "a whole number from 1 to 1024"."""
    if "enum" in schema or "const" in schema:
        words = schema.get("enum", [schema.get("const")])
        return ("one of " if len(words) > 1 else "") + ", ".join(map(str, words))
    kinds = _kinds(schema)
    if "string" in kinds and set(kinds) - {"string", "null"}:  # a word or something else
        return str(schema.get("x-form"))
    return " or ".join(_kind(kind, schema) for kind in sorted(kinds, key=lambda kind: kind != "null"))


def _type_again(error: ErrorDetails) -> str | PydanticCustomError:
    return rule_error(error["ctx"]["text"]) if error["type"] == _RULE else error["type"]


def _explain(error: ErrorDetails, path: KeyPath, schema: Mapping[str, Any]) -> str:
    kind, value = error["type"], error["input"]
    own, above = schema_at(schema, path), schema_at(schema, path[:-1])
    if kind == _RULE:
        return str(error["ctx"]["text"])
    if kind == "value_error":
        return f"found {show(value)}; {error['ctx']['error']}"
    if kind == "missing":
        return f"is missing; give {allowed(own)}"
    if kind == "extra_forbidden" or error["loc"][-1:] == ("[key]",):
        return _explain_unknown_key(str(path[-1]), path[:-1], above, schema)
    if kind == "too_short" and isinstance(value, dict):
        return f"found {show(value)}; give at least one entry{_form(own)}"
    if kind in ("too_short", "too_long"):
        return f"found {show(value)}; give {allowed(own)}"
    return f"found {show(value)}{_hint(value, own)}; allowed: {allowed(own)}"


def _explain_unknown_key(key: str, above: KeyPath, own: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    known = list(own.get("properties", {}))
    match = close_match(key, known)
    elsewhere = [] if above and free_keys(own) else _nearest_elsewhere(key, schema)
    if match and not (elsewhere and nearness(key, elsewhere[0].rpartition(".")[2]) > nearness(key, match)):
        return f"unknown key; did you mean {match}?"
    if elsewhere:
        return f"unknown key here; did you mean {' or '.join(elsewhere)}?"
    if free_keys(own):
        return f"not allowed as a key{_form(own)}"
    return f"unknown key; allowed in {key_name(above) or 'the file'}: {listed(known)}"


def _nearest_elsewhere(key: str, schema: Mapping[str, Any]) -> list[str]:
    """Return the full names of the keys anywhere in the schema that `key` comes nearest to; none where none is near."""
    names = [name for name, _ in key_table(schema) if "<" not in name]
    match = close_match(key, [name.rpartition(".")[2] for name in names])
    return [name for name in names if name.rpartition(".")[2] == match]


def _form(schema: Mapping[str, Any]) -> str:
    return f" ({schema['x-form']})" if "x-form" in schema else ""


def _hint(value: Any, schema: Mapping[str, Any]) -> str:
    if isinstance(value, str) and "enum" in schema:
        match = close_match(value, [str(word) for word in schema["enum"]])
        return f"; did you mean {match}?" if match else ""
    if isinstance(value, bool) and "string" in _kinds(schema):
        return ' (YAML reads bare yes, no, on and off as true or false; put text in quotes: "no")'
    if isinstance(value, float) and not math.isfinite(value):
        return " (not a finite number)"
    if value is None and "default" in schema:
        return f" (leave the line out for the default{_default(schema['default'])})"
    if isinstance(value, int) and _kinds(schema) == ["string"] and "enum" not in schema:
        return f' (if it is text, put it in quotes: "{value}")'
    return ""


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _default(value: Any) -> str:
    if isinstance(value, dict):
        return "s"
    return f", {str(value).lower() if isinstance(value, bool) else value}"


def _kind(kind: str, schema: Mapping[str, Any]) -> str:
    if kind in ("integer", "number"):
        word = "a whole number" if kind == "integer" else "a number"
        return f"{word} {_range(schema)}".strip()
    if kind == "string":
        return str(schema.get("x-form") or f"text of at most {schema.get('maxLength', 'any')} characters")
    if kind == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        count = f"{least}" if least == most else f"{least} to {most}"
        return f"a list in brackets of {count} entries, each {allowed(inner_schema(schema, 0))}"
    if kind == "object":
        form = f"; {schema['x-form']}" if "x-form" in schema else ""
        known = list(schema.get("properties", {}))
        named = f" of {listed(known)}" if known and not form else ""
        return f"a mapping (`key: value` lines){named}{form}"
    return {"boolean": "true or false", "null": "null"}.get(kind, kind)


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    start = f"above {above}" if above is not None else f"from {low}"
    end = f"below {below}" if below is not None else f"to {high}" if above is None else f"and at most {high}"
    if below is not None and above is not None:
        end = f"and {end}"
    return f"{start} {end}"
