"""From whatever a configuration holds to plain JSON values, before the models judge them.

Snakemake hands over numbers as keys, and values from its command line as texts ('0.1', '[0, 1]'): keys become texts,
and a text becomes a number, true or false, a list or nothing exactly where the schema wants that and the text says no
more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from smallmix.study.config_errors import KeyPath, Problem, shorten
from smallmix.study.model_schema import inner_schema

DEEPEST = 20
LARGEST_BITS = 63
_WHOLE_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]{0,18})", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


class Refused:
    """Stands where a value was that no configuration can hold; the problem is known already."""

    def __repr__(self) -> str:
        return "(refused)"


REFUSED = Refused()


def plain_value(value: Any, schema: Mapping[str, Any], path: KeyPath, problems: list[Problem]) -> Any:
    """Return `value` as plain JSON types, as far as `schema` says which are meant. Add what cannot be to `problems`."""
    if len(path) > DEEPEST:
        problems.append(Problem(path[:DEEPEST], f"nested deeper than {DEEPEST} levels; no configuration is"))
        return REFUSED
    if isinstance(value, str):
        meant = _meant(value, schema)
        if isinstance(meant, str):
            return _text(meant, path, problems)
        value = meant
    if isinstance(value, Mapping):
        return _mapping(value, schema, path, problems)
    if isinstance(value, list | tuple):
        entries = schema.get("items", {})
        return [plain_value(item, entries, (*path, index), problems) for index, item in enumerate(value)]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > LARGEST_BITS:
        problems.append(Problem(path, f"a number of about {value.bit_length() * 3 // 10 + 1} digits is far too large"))
        return REFUSED
    if value is None or isinstance(value, bool | int | float | Refused):
        return value
    problems.append(
        Problem(path, f"found {shorten(str(value))} (a {type(value).__name__}); put it in quotes if it is text")
    )
    return REFUSED


def _mapping(
    value: Mapping[Any, Any], schema: Mapping[str, Any], path: KeyPath, problems: list[Problem]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in value.items():
        name = _key(key, path, problems)
        if name is None:
            continue
        plain = plain_value(item, inner_schema(schema, name), (*path, name), problems)
        if name not in result:
            result[name] = plain
        elif isinstance(key, str):
            # 500 from a file and "500" from the command line are one key, and the command line has the last word,
            # although Snakemake lists it first.
            result[name] = merged(result[name], plain)
        else:
            result[name] = merged(plain, result[name])
    return result


def _key(key: Any, path: KeyPath, problems: list[Problem]) -> str | None:
    if isinstance(key, str):
        if key.isprintable() and key.strip() == key and key:
            return key
        problems.append(
            Problem((*path, key), "a key must be a word without spaces around it or unprintable characters")
        )
        return None
    if isinstance(key, int) and not isinstance(key, bool) and key.bit_length() <= LARGEST_BITS:
        return str(key)
    if isinstance(key, bool):
        word = "true" if key else "false"
        text = f"YAML reads this key as {word} (written yes, no, on, off or {word}); put it in quotes or choose another"
        problems.append(Problem((*path, word), text))
    elif key is None:
        problems.append(Problem((*path, "null"), "YAML reads this key as nothing; put it in quotes or choose another"))
    else:
        name = "a huge number" if isinstance(key, int) else shorten(str(key))
        problems.append(Problem((*path, name), "a key must be a word or a plain whole number; put it in quotes"))
    return None


def merged(earlier: Any, later: Any) -> Any:
    """Return one configuration laid over another in Snakemake's way: mappings are merged, all else is replaced."""
    if not isinstance(later, Mapping):
        return later
    result = dict(earlier) if isinstance(earlier, Mapping) else {}
    for key, value in later.items():
        result[key] = merged(result.get(key), value)
    return result


def _text(text: str, path: KeyPath, problems: list[Problem]) -> Any:
    text = text.strip()
    if _CONTROL.search(text):
        problems.append(Problem(path, f"found {shorten(repr(text))}; control characters are not allowed in a text"))
        return REFUSED
    return text


def _meant(text: str, schema: Mapping[str, Any]) -> Any:
    wanted = schema.get("type", ())
    kinds = {wanted} if isinstance(wanted, str) else set(wanted)
    stripped = text.strip()
    if "null" in kinds and stripped in ("null", "~", ""):
        return None
    if kinds & {"integer", "number"} and _WHOLE_NUMBER.fullmatch(stripped):
        return int(stripped)
    if "number" in kinds and len(stripped) < 100 and _NUMBER.fullmatch(stripped):
        return float(stripped)
    if "boolean" in kinds and stripped.lower() in ("true", "false"):
        return stripped.lower() == "true"
    opening = {"[": "array", "{": "object"}.get(stripped[:1])
    if opening in kinds and len(stripped) < 10_000 and not re.search(r"[&*!]", stripped):
        try:
            return yaml.load(stripped, Loader=yaml.BaseLoader)
        except (yaml.YAMLError, RecursionError):
            return text
    return text
