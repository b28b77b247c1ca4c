"""The models, their schema and config.yaml are in step: every key is described, typed and ranged, with a default or
required; and the schema that editors read is the models' own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from smallmix.study.config_errors import allowed, explain_errors
from smallmix.study.config_model import Configuration, config_schema, config_schema_text
from smallmix.study.config_reading import plain_value
from smallmix.study.data_sections import Dataset
from smallmix.study.known_datasets import KNOWN_DATASETS
from smallmix.study.model_schema import inner_schema, key_table, model_schema, schema_at
from smallmix.study.published import Published
from smallmix.study.training_sections import Budget

PROJECT = Path(__file__).resolve().parents[3]
OVERLAYS = sorted((PROJECT / "workflow" / "studies").glob("*.yaml"))


def objects(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every schema of a mapping, from the top down."""
    if "object" in schema.get("type", ()):
        yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("patternProperties", {}).values()]
    for each in [*inner, *([schema["items"]] if "items" in schema else [])]:
        yield from objects(each)


def test_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(config_schema())
    Draft202012Validator.check_schema(yaml.safe_load(config_schema_text()))


def test_every_mapping_is_closed_and_requires_only_what_it_knows() -> None:
    """The parameters of methods and networks are checked by models of their own."""
    free = [each for each in objects(config_schema()) if each["additionalProperties"] is not False]
    paths = (("methods", "any", "parameters"), ("model", "parameters"))
    assert free == [schema_at(config_schema(), path) for path in paths]
    for each in objects(config_schema()):
        assert all(inner_schema(each, key) for key in each.get("required", ()))


def test_every_key_is_described_typed_and_bounded() -> None:
    for key, described in key_table(config_schema()):
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
    for each in objects(config_schema()):
        for key, described in each.get("properties", {}).items():
            if key not in ("epochs", "iterations"):
                assert ("default" in described) != (key in each.get("required", ())), key


def test_defaults_are_valid_by_themselves() -> None:
    """Each default, written out, is accepted: a configuration that states every default resolves to itself."""
    stated: dict[str, Any] = {
        "study": "small",
        "dataset": {"name": "cifar10"},
        "subsets": {"sizes": [100]},
        "methods": {"plain": {"mix": "none"}},
        "seeds": [0],
        "budgets": {"default": {"epochs": 1}},
    }
    filled = Configuration.model_validate(stated).model_dump(by_alias=True)
    for key, described in key_table(config_schema()):
        if "default" in described and "<" not in key and described.get("type") != "object":
            value: Any = filled
            for part in key.split("."):
                value = value.get(part, {}) if isinstance(value, dict) else {}
            assert key.endswith("every_at_end") or value == described["default"], key
    assert Configuration.model_validate(filled).model_dump(by_alias=True) == filled


def test_config_yaml_states_every_key_and_no_other() -> None:
    """People read config.yaml to learn what can be changed; only keys of other data sets are left out there."""
    config = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    plain = plain_value(config, config_schema(), (), [])

    def check(value: Any, schema: Mapping[str, Any], path: str) -> None:
        if not isinstance(value, dict):
            return
        for key, inner in value.items():
            assert inner_schema(schema, key), f"{path}{key} is not in the schema"
            check(inner, inner_schema(schema, key), f"{path}{key}.")
        not_needed = {
            "image-list",
            "image-folder",
            "redraw_per_seed",
            "draw_seed",
            "beta",
            "epochs",
            "iterations",
            "every_at_end",
            "parameters",
        }
        not_needed |= set(KNOWN_DATASETS) - {"cifar10"}
        missing = set(schema.get("properties", {})) - set(value) - not_needed
        assert not missing, f"{path}: {missing}"

    check(plain, config_schema(), "")


def test_defaults_of_the_schema_are_the_articles() -> None:
    """Leaving a key out means the article's value, so that no two places disagree on what is usual.

    The last batch is the exception: what the article is taken to have done can wreck other studies.
    """
    config = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    compared = 0
    for key, described in key_table(config_schema()):
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
            compared += 1
            assert value == described["default"], key
    assert compared > 15


def test_a_constraint_can_be_broken() -> None:
    """The checks above would pass on models that allow everything; these do not."""
    with pytest.raises(ValidationError) as caught:
        Configuration.model_validate({"study": "x", "recipe": {"momentum": 1.0}})
    problems = explain_errors(caught.value, config_schema())
    assert {".".join(map(str, problem.path)) for problem in problems} == {
        "budgets",
        "dataset",
        "methods",
        "recipe.momentum",
        "seeds",
        "subsets",
    }


def test_rules_between_keys_hold_for_whoever_uses_the_models() -> None:
    """They are the models' own, not the reader's: several of them at once, beside an error of a single key."""
    with pytest.raises(ValidationError) as caught:
        Configuration.model_validate(
            {
                "study": "store",
                "dataset": {"name": "digits"},
                "subsets": {"sizes": [2000], "redraw_per_seed": True},
                "methods": {"plain": {"mix": "none", "beta": [1, 1]}, "mixed": {"mix": "images"}},
                "seeds": [0],
                "recipe": {"momentum": 3, "decay_at": [0.6, 0.3], "augmentation": {"crop_padding": 4}},
                "budgets": {"default": {"epochs": 1, "iterations": 1}, "7": {"epochs": 1}},
            }
        )
    problems = {".".join(map(str, one.path)): one.text for one in explain_errors(caught.value, config_schema())}
    assert set(problems) == {
        "study",
        "subsets.redraw_per_seed",
        "methods.plain.beta",
        "methods.mixed.beta",
        "recipe.momentum",
        "recipe.decay_at",
        "budgets.default",
        "subsets.sizes.0",
        "recipe.augmentation.crop_padding",
        "budgets.7",
    }
    assert problems["recipe.momentum"] == "found 3; allowed: a number from 0 below 1"


@pytest.mark.parametrize("value", [{"epochs": True}, {"epochs": "3"}, {"epochs": 3.0}])
def test_models_convert_nothing(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Budget.model_validate(value)


def test_models_cannot_be_changed() -> None:
    dataset = Dataset.model_validate({"name": "digits"})
    with pytest.raises(ValidationError, match="frozen"):
        dataset.name = "cifar10"


def test_no_reference_is_left_in_a_schema() -> None:
    for model in (Configuration, Published):
        assert "$ref" not in str(model_schema(model))


def test_the_schema_for_editors_is_the_models() -> None:
    path = PROJECT / "workflow" / "schemas" / "config.schema.yaml"
    assert path.read_text(encoding="utf-8") == config_schema_text(), "write it again with `make schema`"


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in [PROJECT / "config.yaml", *OVERLAYS]])
def test_editors_find_the_schema_and_accept_what_is_shipped(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == PROJECT / "workflow" / "schemas" / "config.schema.yaml"
    stated = json.loads(json.dumps(yaml.safe_load(text)))  # in JSON all keys are texts
    assert list(Draft202012Validator(yaml.safe_load(config_schema_text())).iter_errors(stated)) == []


def test_editors_refuse_what_the_models_refuse() -> None:
    schema = Draft202012Validator(yaml.safe_load(config_schema_text()))
    for wrong in ({}, {"study": "X"}, {"study": "x", "recipe": {"momentun": 0.9}}, {"study": "x", "seeds": [-1]}):
        assert list(schema.iter_errors(wrong)), wrong
