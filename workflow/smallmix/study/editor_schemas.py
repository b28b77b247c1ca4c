"""The schemas that editors read, written from the models by `make schema`."""

from __future__ import annotations

import copy
from typing import Any

from smallmix.study import published
from smallmix.study.config_model import config_schema
from smallmix.study.model_schema import SCHEMAS, schema_as_yaml

_SCHEMA_HEAD = """\
# The schema of config.yaml for editors: description, type, range and default of every key. A key without a default must
# be given. x-form says in words what a text or a key must look like. Rules between keys are checked by smallmix alone.
# Generated from the models in workflow/smallmix/study/config_model.py: change those, and write it again with
# `make schema`.
"""


def config_schema_text() -> str:
    """Return the content of workflow/schemas/config.schema.yaml, which editors hold against whole studies and overlays.

    An overlay may leave out all keys but `study`, and takes out methods, budgets and their units by null.
    """
    schema = copy.deepcopy(config_schema())
    _loosen(schema)
    properties = schema["properties"]
    budgets = [*properties["budgets"]["patternProperties"].values(), *properties["budgets"]["properties"].values()]
    for entry in (*properties["methods"]["patternProperties"].values(), *budgets):
        entry["type"] = ["object", "null"]
    for unit in [unit for budget in budgets for unit in budget["properties"].values()]:
        unit["type"] = ["integer", "null"]
    return schema_as_yaml({"title": "Configuration of a smallmix study", **schema, "required": ["study"]}, _SCHEMA_HEAD)


def _loosen(schema: dict[str, Any]) -> None:
    schema.pop("required", None)
    for inner in (*schema.get("properties", {}).values(), *schema.get("patternProperties", {}).values()):
        _loosen(inner)


def main() -> None:
    """Write both schemas into the folder of the schemas."""
    for name, text in (("config", config_schema_text()), ("published", published.schema_text())):
        (SCHEMAS / f"{name}.schema.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
