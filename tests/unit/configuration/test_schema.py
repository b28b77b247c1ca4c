"""The schema and config.yaml are in step: every key is described, typed and ranged, with a default or required."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from smallmix.study.plain_values import inner_schema, plain_value
from smallmix.study.schema_rules import (
    allowed,
    config_schema_text,
    key_table,
    load_schema,
    schema_faults,
    with_defaults,
)

PROJECT = Path(__file__).resolve().parents[3]
SCHEMAS = ["config.schema.yaml"]


def objects(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every schema of a mapping, from the top down."""
    if "object" in schema.get("type", ()):
        yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("patternProperties", {}).values()]
    for each in [*inner, *([schema["items"]] if "items" in schema else [])]:
        yield from objects(each)


def test_the_schema_file_is_the_models() -> None:
    """Editors read the file: after a change of the model, `make schema` writes it again."""
    written = (PROJECT / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8")
    assert written == config_schema_text()


@pytest.mark.parametrize(
    "path",
    [PROJECT / "config.yaml", *sorted((PROJECT / "workflow" / "studies").glob("*.yaml"))],
    ids=lambda path: path.name,
)
def test_configuration_files_name_the_schema_for_editors(path: Path) -> None:
    mark, _, named = path.read_text(encoding="utf-8").splitlines()[0].partition("=")
    assert mark == "# yaml-language-server: $schema"
    assert (path.parent / named).resolve() == PROJECT / "workflow" / "schemas" / "config.schema.yaml"


@pytest.mark.parametrize("name", SCHEMAS)
def test_is_a_valid_schema(name: str) -> None:
    Draft202012Validator.check_schema(load_schema(name))


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_mapping_is_closed_and_requires_only_what_it_knows(name: str) -> None:
    for each in objects(load_schema(name)):
        assert each["additionalProperties"] is False
        assert set(each.get("required", ())) <= set(each.get("properties", {}))


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_is_described_typed_and_bounded(name: str) -> None:
    for key, described in key_table(load_schema(name)):
        assert described["description"], key
        kinds = described["type"] if isinstance(described["type"], list) else [described["type"]]
        if "integer" in kinds or "number" in kinds:
            assert {"minimum", "exclusiveMinimum"} & set(described), key
            assert {"maximum", "exclusiveMaximum"} & set(described), key
        if "string" in kinds:
            assert {"enum", "pattern", "maxLength"} & set(described), key
        if "array" in kinds:
            assert "items" in described, key
            assert "maxItems" in described, key
        assert allowed(described), key


def test_every_key_has_a_default_or_must_be_given() -> None:
    """A unit of a budget is the one exception: one of two must be given, which is a rule between keys."""
    for each in objects(load_schema()):
        for key, described in each.get("properties", {}).items():
            if key not in ("epochs", "iterations"):
                assert ("default" in described) != (key in each.get("required", ())), key


@pytest.mark.parametrize("name", SCHEMAS)
def test_defaults_are_valid_by_themselves(name: str) -> None:
    for key, described in key_table(load_schema(name)):
        if "default" in described:
            filled = with_defaults(described["default"], described)
            assert schema_faults(filled, dict(described)) == [], key


def test_config_yaml_states_every_key_and_no_other() -> None:
    """People read config.yaml to learn what can be changed; only keys of other data sets are left out there."""
    config = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    plain = plain_value(config, load_schema(), (), [])

    def check(value: Any, schema: Mapping[str, Any], path: str) -> None:
        if not isinstance(value, dict):
            return
        for key, inner in value.items():
            assert inner_schema(schema, key), f"{path}{key} is not in the schema"
            check(inner, inner_schema(schema, key), f"{path}{key}.")
        not_needed = {"image-list", "redraw_per_seed", "draw_seed", "beta", "epochs", "iterations", "every_at_end"}
        missing = set(schema.get("properties", {})) - set(value) - not_needed
        assert not missing, f"{path}: {missing}"

    check(plain, load_schema(), "")


def test_defaults_of_the_schema_are_the_articles() -> None:
    """Leaving a key out means the article's value, so that no two places disagree on what is usual.

    The last batch is the exception: what the article is taken to have done can wreck other studies.
    """
    config = plain_value(yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8")), load_schema(), (), [])
    for key, described in key_table():
        if (
            "default" not in described
            or key in ("title", "description", "recipe.last_batch", "published", "compare_with")
            or "object" in described["type"]
        ):
            continue
        value: Any = config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            assert with_defaults(value, described) == with_defaults(described["default"], described), key


def test_a_constraint_can_be_broken() -> None:
    """The checks above would pass on a schema that allows everything; this one would not."""
    schema = load_schema()
    faults = schema_faults({"study": "x", "recipe": {"momentum": 1.0}}, schema)
    assert {".".join(map(str, fault.path)) for fault in faults} == {
        "budgets",
        "dataset",
        "methods",
        "recipe.momentum",
        "seeds",
        "subsets",
    }
