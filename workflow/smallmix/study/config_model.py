"""The configuration's model: its sections, its own keys, and the schemas that messages and editors go by.

workflow/schemas/config.schema.yaml is generated from here by `make schema`, the schema of published numbers beside it.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Set
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from smallmix.study.code_sections import Method, Metric, Model
from smallmix.study.config_errors import KeyPath, gather_errors, pydantic_path, rule_error
from smallmix.study.config_rules import StatedConfiguration, check_between_keys
from smallmix.study.data_sections import Dataset, Subsets
from smallmix.study.layout import RESERVED_STUDIES
from smallmix.study.metric_forms import EXAMPLE as METRIC_EXAMPLE
from smallmix.study.metric_forms import READY_METRICS
from smallmix.study.model_schema import SCHEMAS, model_schema, schema_as_yaml
from smallmix.study.published import schema_text as published_schema_text
from smallmix.study.section import OWN_FOLDER, UNIQUE, FilePath, Name, Section, Seed, section
from smallmix.study.training_sections import Budget, Evaluation, Keep, Recipe

Selection = Literal["best", "last", "last-tenth", "validation"]
_SCHEMA_HEAD = """\
# The schema of config.yaml for editors: description, type, range and default of every key. A key without a default must
# be given. x-form says in words what a text or a key must look like. Rules between keys are checked by smallmix alone.
# Generated from the models in workflow/smallmix/study (config_model.py and the files named …_sections.py): change
# those, and write it again with `make schema`.
"""


class Configuration(Section):
    """Configuration of a smallmix study."""

    study: Name = Field(
        description="Names the folders results/<study> and reports/<study>. Every file laid over config.yaml states "
        f"its own. Names of smallmix's own folders are refused: {', '.join(RESERVED_STUDIES)}."
    )
    title: str = Field(
        "",
        max_length=200,
        description="The report's heading. Where it is left out, the study's name; never taken over from another "
        "study's file.",
    )
    description: str = Field(
        "",
        max_length=4000,
        description="A few sentences for the report on what the study asks. Never taken over from another study's "
        "file.",
    )
    dataset: Dataset = Field(description="Where the images come from.")
    subsets: Subsets = Field(description="Which training images each size gets.")
    methods: dict[Name, Method] = Field(
        min_length=1,
        max_length=100,
        description="The methods to compare. The name is free; the meaning is in the keys.",
        json_schema_extra={
            "additionalProperties": False,
            "x-form": "a method's name is 1 to 40 small letters, digits and hyphens, a letter or digit first",
        },
    )
    seeds: Annotated[list[Seed], *UNIQUE] = Field(
        min_length=1, max_length=10_000, description="One training per seed, for every size and method."
    )
    model: Model = section("The network.")
    recipe: Recipe = section("How the network is trained.")
    evaluation: Evaluation = section("When the network is evaluated on the test images. The end is always evaluated.")
    selection: Selection = Field(
        "best",
        description="Which accuracy of a run the study declares for its answer, summary, comparison and report. best "
        "is the highest test accuracy (the article's way, chosen on the test images), last the one at the end, "
        "last-tenth the median of the evaluations in the last tenth of the budget. validation is the test accuracy at "
        "the best validation accuracy, the first of equals (needs evaluation.validation_images). The others are shown "
        "beside it.",
    )
    metrics: dict[Name, Metric] = Field(
        {},
        max_length=100,
        description="Further numbers of the test images, by names of your own: "
        + "; ".join(f"{name} ({meaning})" for name, meaning in READY_METRICS.items())
        + f"; or a function of your own, as in {METRIC_EXAMPLE}, whose file lies beside the configuration. They are "
        "computed after the training, so that adding one trains nothing.",
        json_schema_extra={
            "additionalProperties": False,
            "x-form": "a metric's name is 1 to 40 small letters, digits and hyphens, a letter or digit first",
        },
    )
    budgets: dict[Annotated[str, Field(pattern="^(default|[1-9][0-9]{0,7})$")], Budget] = Field(
        description="How long to train: default for every size, and sizes with a budget of their own.",
        json_schema_extra={
            "additionalProperties": False,
            "required": ["default"],
            "x-form": "a key is `default` or a training-set size such as 500",
        },
    )
    keep: Keep = section("What of the trained networks is kept.")
    published: FilePath | None = Field(
        None, description="A file with published numbers and claims to compare with; null for none."
    )
    compare_with: Annotated[list[Name], *UNIQUE] = Field(
        [],
        max_length=100,
        description="Other studies by name. Their collected results serve two of the claims (longer training, balanced "
        "subsets), and tell the scatter of the subset from that of the training (subsets that are redrawn for each "
        "seed, and one that is not). Those that have no results yet are left out; the study itself, too.",
    )

    @field_validator("study")
    @classmethod
    def _keep_own_folders(cls, study: str) -> str:
        if study in RESERVED_STUDIES:
            raise rule_error(f"{study} {OWN_FOLDER}")
        return study

    @model_validator(mode="wrap")
    @classmethod
    def _check_between_sections(
        cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        """Check the rules between sections too, on all keys that are sound, so that one message has all errors."""
        wrong: Set[KeyPath] = (info.context or {}).get("wrong", frozenset())
        found: list[Any] = []
        configuration: Self | None = None
        try:
            configuration = handler(value)
        except ValidationError as error:
            found = error.errors(include_url=False)
        if isinstance(value, dict):
            stated = StatedConfiguration(value, config_schema(), wrong | {pydantic_path(one) for one in found})
            between = check_between_keys(stated)
        else:
            between = []
        if configuration is None or between:
            raise gather_errors(cls.__name__, found, between)
        return configuration


@functools.cache
def config_schema() -> dict[str, Any]:
    """Return the schema of a configuration, with every reference written out."""
    schema = model_schema(Configuration)
    budgets = schema["properties"]["budgets"]
    (budget,) = budgets["patternProperties"].values()
    budgets["properties"] = {"default": copy.deepcopy(budget)}  # a key that messages and editors can suggest
    return schema


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
    for metric in properties["metrics"]["patternProperties"].values():
        metric["type"] = ["string", "null"]
    for unit in [unit for budget in budgets for unit in budget["properties"].values()]:
        unit["type"] = ["integer", "null"]
    return schema_as_yaml({"title": "Configuration of a smallmix study", **schema, "required": ["study"]}, _SCHEMA_HEAD)


def _loosen(schema: dict[str, Any]) -> None:
    schema.pop("required", None)
    for inner in (*schema.get("properties", {}).values(), *schema.get("patternProperties", {}).values()):
        _loosen(inner)


def main() -> None:
    """Write both schemas into the folder of the schemas."""
    for name, text in (("config", config_schema_text()), ("published", published_schema_text())):
        (SCHEMAS / f"{name}.schema.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
