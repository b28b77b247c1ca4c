"""Check a configuration by its pydantic model, say for people what is wrong, and fill in the defaults.

The JSON schema is the model's description of itself: messages quote ranges and forms from it, and editors read it.
"""

from __future__ import annotations

import copy
import functools
import math
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from smallmix.code_fingerprint import PACKAGE_FOLDER
from smallmix.study.config_model import BUDGET_SIZE, MAPPING_TAG, WORD_TAG, Configuration
from smallmix.study.faults import Fault, KeyPath, close_match, key_name, listed, show
from smallmix.study.plain_values import inner_schema

SCHEMAS = PACKAGE_FOLDER.parent / "schemas"


GENERATED_NOTE = """\
# Generated from workflow/smallmix/study/config_model.py by `make schema`: change the model, not this file.
# Beyond the standard: x-form says in words what a text or a key must look like (messages quote it).
"""


@functools.cache
def config_schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration, generated from its model, with every reference written out."""
    generated = Configuration.model_json_schema()
    schema = _written_out(generated, generated["$defs"])
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Configuration of a smallmix study"}
    return {**head, **{key: value for key, value in schema.items() if key != "description"}}


def config_schema_text() -> str:
    """Return the text of workflow/schemas/config.schema.yaml."""

    class _NoAliases(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    text: str = yaml.dump(config_schema(), Dumper=_NoAliases, sort_keys=False, allow_unicode=True, width=120)
    return GENERATED_NOTE + text


@functools.cache
def load_schema(name: str = "config.schema.yaml") -> dict[str, Any]:
    """Return the schema of that name, as data; that of a configuration comes from its model."""
    if name == "config.schema.yaml":
        return config_schema()
    with open(SCHEMAS / name, encoding="utf-8") as stream:
        schema: dict[str, Any] = yaml.load(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return schema


def _written_out(schema: dict[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pydantic schema without references, titles, and alternatives: `type` lists what a value may be."""
    found = dict(schema)
    found.pop("title", None)
    found.pop("$defs", None)
    if "$ref" in found:
        part = parts[found.pop("$ref").rpartition("/")[2]]
        return {**_written_out(part, parts), **found}
    for choices in ("anyOf", "oneOf"):
        if choices in found:
            options = [_written_out(option, parts) for option in found.pop(choices)]
            kinds = [option.pop("type") for option in options]
            own = found
            found = {"type": kinds}
            for option in options:
                found.update(option)
            found.update(own)
    if "const" in found:
        found["pattern"] = f"^{re.escape(found.pop('const')).replace(chr(92) + '-', '-')}$"
    for key in ("properties", "patternProperties"):
        if key in found:
            found[key] = {name: _written_out(inner, parts) for name, inner in found[key].items()}
    if "items" in found:
        found["items"] = _written_out(found["items"], parts)
    if isinstance(found.get("additionalProperties"), dict):
        found["patternProperties"] = {BUDGET_SIZE: _written_out(found["additionalProperties"], parts)}
    if (found.get("type") == "object" and "properties" in found) or "patternProperties" in found:
        found["additionalProperties"] = False
    for name, inner in found.get("properties", {}).items():
        if inner.get("type") == "object" and name not in found.get("required", ()):
            inner.setdefault("default", {})
    return found


def config_faults(value: Any, known_paths: Set[KeyPath] = frozenset()) -> list[Fault]:
    """Return every way in which `value` breaks the model, in the order of keys: one a key, none below known ones."""
    try:
        Configuration.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
    else:
        return []
    schema = config_schema()
    faults: list[Fault] = []
    told = set(known_paths)
    for each in sorted(
        found, key=lambda each: [str(part) for part in each["loc"][: -1 if each["type"] == "missing" else None]]
    ):
        path = tuple(part for part in each["loc"] if part not in (WORD_TAG, MAPPING_TAG, "[key]"))
        if not any(path[: len(known)] == known for known in told if known):
            told.add(path)
            faults.append(Fault(path, _model_text(each["type"], path, value, schema)))
    return faults


def _model_text(kind: str, path: KeyPath, value: Any, schema: Mapping[str, Any]) -> str:
    """Return what is wrong at `path`, in words, from the kind of pydantic's error and the schema there."""
    above, own = schema, schema
    for part in path:
        above, own = own, own.get("items", {}) if isinstance(part, int) else inner_schema(own, part)
        value = value.get(part) if isinstance(value, dict) else value[part] if isinstance(part, int) else None
    if kind == "missing":
        return f"is missing; give {allowed(own)}"
    if not own:
        return _unknown_key(str(path[-1]), path[:-1], above, schema)
    if kind == "repeated":
        twice = [item for index, item in enumerate(value) if item in value[:index]]
        return f"holds {listed(dict.fromkeys(map(show, twice)))} more than once; delete the repetition"
    if own.get("minProperties") and value == {}:
        return f"found {show(value)}; give at least one entry{_form(own)}"
    if own.get("minItems") and value == []:
        return f"found {show(value)}; give {allowed(own)}"
    return f"found {show(value)}{_hint(value, own)}; allowed: {allowed(own)}"


def schema_faults(value: Any, schema: dict[str, Any], known_paths: Set[KeyPath] = frozenset()) -> list[Fault]:
    """Every way in which `value` breaks `schema`, in the order of the keys; one fault a key, none below known ones."""
    faults: list[Fault] = []
    told = set(known_paths)
    for error in sorted(
        _validator(schema).iter_errors(value), key=lambda found: [str(part) for part in found.absolute_path]
    ):
        for fault in _faults_of(error, schema):
            if not any(fault.path[: len(path)] == path for path in told if path):
                told.add(fault.path)
                faults.append(fault)
    return faults


def with_defaults(value: Any, schema: Mapping[str, Any]) -> Any:
    """A valid value with every default filled in, keys in the schema's order, and real numbers as floats."""
    if isinstance(value, dict):
        result: dict[str, Any] = {}
        for key, inner in schema.get("properties", {}).items():
            if key in value:
                result[key] = with_defaults(value[key], inner)
            elif "default" in inner:
                result[key] = with_defaults(copy.deepcopy(inner["default"]), inner)
        for key, item in value.items():
            if key not in result:
                result[key] = with_defaults(item, inner_schema(schema, key))
        return result
    if isinstance(value, list):
        return [with_defaults(item, schema.get("items", {})) for item in value]
    if schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def key_table(
    schema: Mapping[str, Any] | None = None, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every key of the schema with its own schema, in order; free names stand as <name>."""
    schema = load_schema() if schema is None else schema
    inner = dict(schema.get("properties", {}))
    if schema.get("patternProperties"):
        (free,) = schema["patternProperties"].values()
        inner["<size>" if path == ("budgets",) else "<name>"] = free
    for key, described in inner.items():
        yield ".".join((*path, key)), described
        yield from key_table(described, (*path, key))


def allowed(schema: Mapping[str, Any]) -> str:
    """What a schema allows, in words: "a whole number from 1 to 1024"."""
    if "enum" in schema:
        return ("one of " if len(schema["enum"]) > 1 else "") + ", ".join(map(str, schema["enum"]))
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    if "object" in kinds and "string" in kinds:
        return str(schema.get("x-form"))
    return " or ".join(_kind(kind, schema) for kind in sorted(kinds, key=lambda kind: kind != "null"))


@functools.cache
def _validator_class() -> Any:
    from jsonschema import Draft202012Validator, validators  # only for published numbers

    checker = Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number})
    extend: Any = validators.extend
    return extend(Draft202012Validator, type_checker=checker)


def _validator(schema: dict[str, Any]) -> Any:
    return _validator_class()(schema)


def _is_integer(checker: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: Any, value: Any) -> bool:
    return _is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))


def _faults_of(error: Any, schema: Mapping[str, Any]) -> Iterator[Fault]:
    path: KeyPath = tuple(error.absolute_path)
    value, rule, own = error.instance, error.validator, error.schema
    if rule == "required":
        for key in own["required"]:
            if key not in value:
                yield Fault((*path, key), f"is missing; give {allowed(inner_schema(own, key))}")
    elif rule == "additionalProperties":
        for key in value:
            if not inner_schema(own, key):
                yield Fault((*path, key), _unknown_key(key, path, own, schema))
    elif rule == "uniqueItems":
        twice = [item for index, item in enumerate(value) if item in value[:index]]
        yield Fault(path, f"holds {listed(dict.fromkeys(map(show, twice)))} more than once; delete the repetition")
    elif rule == "minProperties":
        yield Fault(path, f"found {show(value)}; give at least one entry{_form(own)}")
    elif rule == "minItems":
        yield Fault(path, f"found {show(value)}; give {allowed(own)}")
    else:
        yield Fault(path, f"found {show(value)}{_hint(value, own)}; allowed: {allowed(own)}")


def _unknown_key(key: str, path: KeyPath, own: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    known = list(own.get("properties", {}))
    match = close_match(key, known)
    if match:
        return f"unknown key; did you mean {match}?"
    elsewhere = [name for name, _ in key_table(schema) if name.rpartition(".")[2] == key and "<" not in name]
    if elsewhere and not (path and own.get("patternProperties")):
        return f"unknown key here; did you mean {' or '.join(elsewhere)}?"
    if own.get("patternProperties"):
        return f"not allowed as a key{_form(own)}"
    return f"unknown key; allowed in {key_name(path) or 'the file'}: {listed(known)}"


def _form(schema: Mapping[str, Any]) -> str:
    return f" ({schema['x-form']})" if "x-form" in schema else ""


def _hint(value: Any, schema: Mapping[str, Any]) -> str:
    if isinstance(value, str) and "enum" in schema:
        match = close_match(value, [str(word) for word in schema["enum"]])
        return f"; did you mean {match}?" if match else ""
    if isinstance(value, bool) and "string" in schema.get("type", ""):
        return ' (YAML reads bare yes, no, on and off as true or false; put text in quotes: "no")'
    if isinstance(value, float) and not math.isfinite(value):
        return " (not a finite number)"
    if value is None and "default" in schema:
        return f" (leave the line out for the default{_default(schema['default'])})"
    if isinstance(value, int) and schema.get("type") == "string" and "enum" not in schema:
        return f' (if it is text, put it in quotes: "{value}")'
    return ""


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
        return f"a list in brackets of {count} entries, each {allowed(schema.get('items', {}))}"
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


def schema_path(name: str) -> Path:
    """Where a schema lies."""
    return SCHEMAS / name
