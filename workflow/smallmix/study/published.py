"""Published numbers, claims and their protocol, read from a YAML file such as workflow/published/article.yaml.

A published method and a study's method are matched by what they mix, never by their names.
The models below are the file's schema. workflow/schemas/published.schema.yaml is generated from them for editors.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from smallmix.errors import ConfigurationError
from smallmix.project_files import PROJECT, WORKFLOW
from smallmix.study.cell import BudgetUnit, Mix, Precision, Schedule
from smallmix.study.config_errors import Problem, explain_errors, message, show
from smallmix.study.config_reading import read_yaml
from smallmix.study.iterations import LastBatch
from smallmix.study.model_schema import model_schema, schema_as_yaml
from smallmix.study.study import Study, beta_of, methods_with

ARTICLE = WORKFLOW / "published" / "article.yaml"
MixName = Literal["none", "images", "images-and-labels"]  # the names of the methods in science/methods
# What a source calls the way in which it chose its accuracies, and what tables call it.
SELECTION_OF = {"best": "best", "final": "last", "last_tenth": "last_tenth"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SCHEMA_HEAD = """\
# The schema of a file of published numbers and claims, such as workflow/published/article.yaml, for editors.
# Generated from the models in workflow/smallmix/study/published.py: change those, and write it again with
# `make schema`.
"""


def _check_text(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("control characters are not allowed in a text")
    return text


_Checked = AfterValidator(_check_text)
_Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40), _Checked]
_Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400), _Checked]
_LineOrNothing = Annotated[str, StringConstraints(strip_whitespace=True, max_length=400), _Checked]
_Paragraph = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), _Checked]
_ParagraphOrNothing = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), _Checked]
_MethodName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
_RuleName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,79}$"),
    Field(json_schema_extra={"x-form": "small letters, digits and underscores, a letter first"}),
]
_SizeOrDefault = Annotated[str, StringConstraints(pattern=r"^(default|[1-9][0-9]{0,7})$")]
_METHOD_KEYS: dict[str, Any] = {
    "x-form": "a method's name is 1 to 40 small letters, digits and hyphens, a letter or digit first"
}
_BUDGET_KEYS: dict[str, Any] = {"x-form": "a key is a number of images, or default"}
_Size = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
_Images = Annotated[int, Field(strict=True, ge=0, le=10_000_000)]
_Number = Annotated[int, Field(strict=True, ge=1, le=1000)]
_Steps = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]
_Percent = Annotated[float, Field(strict=True, ge=0, le=100, allow_inf_nan=False)]
_Fraction = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
_Positive = Annotated[float, Field(strict=True, gt=0, le=1000, allow_inf_nan=False)]
_Flag = Annotated[bool, Field(strict=True)]


class _Mapping(BaseModel):
    """A mapping of the file: no unknown keys, no conversions, unchangeable once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Reference(_Mapping):
    """Something that the source builds on."""

    title: _Line = Field(description="Title.")
    address: _Paragraph = Field(description="Web address.")


class Source(_Mapping):
    """Where the numbers were published."""

    title: _Line = Field(description="The title in English.")
    original_title: _LineOrNothing = Field("", description="The title as published.")
    language: _Word = Field("English", description="The language of the original.")
    note: _ParagraphOrNothing = Field("", description="What else a reader should know.")
    references: tuple[Reference, ...] = Field((), max_length=100, description="What the source builds on.")


class ProtocolRecipe(_Mapping):
    """How the source trained, in the names of `recipe` in config.yaml. decay_at are fractions of the budget."""

    batch_size: _Size = Field(description="Images in a batch.")
    learning_rate: _Positive = Field(description="The learning rate at the start.")
    momentum: _Fraction = Field(description="The momentum of stochastic gradient descent.")
    weight_decay: _Fraction = Field(description="The weight decay.")
    decay_at: tuple[_Fraction, ...] = Field(max_length=100, description="Where the learning rate falls.")
    decay_factor: _Fraction = Field(description="The factor by which it falls.")
    crop_padding: _Images = Field(description="The border in pixels before a random crop; 0 for no crops.")
    flip: _Flag = Field(description="Whether half of the images are flipped.")
    last_batch: LastBatch = Field(description="What becomes of an epoch's remainder.")
    precision: Precision = Field(description="The precision of the arithmetic.")
    schedule: Schedule = Field("steps", description="How the learning rate falls.")
    warm_up: _Fraction = Field(0.0, description="Fraction of the budget in which the learning rate rises from 0.")
    nesterov: _Flag = Field(False, description="Whether the momentum has Nesterov's form.")
    decay_normalization: _Flag = Field(
        True, description="Whether weights of normalisation layers, and biases, decay as well."
    )


class ProtocolBudget(_Mapping):
    """How long one size was trained: in epochs or in iterations."""

    epochs: _Steps | None = Field(None, description="Passes through the subset.")
    iterations: _Steps | None = Field(None, description="Steps of the optimiser.")

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if (self.epochs is None) == (self.iterations is None):
            raise ValueError("give either epochs or iterations")
        return self


class ProtocolMethod(_Mapping):
    """What a published method mixes; beta are the two parameters of the distribution of lambda."""

    mix: MixName = Field(description="What is mixed.")
    beta: tuple[_Positive, _Positive] | None = Field(None, description="The Beta distribution of the weight.")


class Protocol(_Mapping):
    """How the published numbers were obtained. A number is compared only under the same protocol."""

    network: _Line = Field(description="The network's name.")
    comparable_networks: tuple[_Line, ...] = Field(
        (), max_length=100, description="Networks whose numbers are compared as well, with a note."
    )
    width: _Number = Field(description="Channels of the first stage.")
    blocks: tuple[_Number, _Number, _Number, _Number] = Field(description="Blocks of each stage.")
    recipe: ProtocolRecipe = Field(description="How the network was trained.")
    budgets: dict[_SizeOrDefault, ProtocolBudget] = Field(
        max_length=1000,
        description="How long each size was trained; `default` stands for all others.",
        json_schema_extra=_BUDGET_KEYS,
    )
    iterations_between_evaluations: _Steps = Field(
        description="How often the test images were evaluated where the budget is in iterations; else each epoch."
    )
    methods: dict[_MethodName, ProtocolMethod] = Field(
        min_length=1,
        max_length=100,
        description="What the names of the published methods mean.",
        json_schema_extra=_METHOD_KEYS,
    )

    @model_validator(mode="after")
    def _default_budget(self) -> Self:
        if "default" not in self.budgets:
            raise ValueError("its budgets need an entry named default")
        return self

    def budget_at(self, size: int) -> tuple[BudgetUnit, int]:
        """Return the unit and the amount of training at a size."""
        budget = self.budgets.get(str(size), self.budgets["default"])
        return ("iterations", budget.iterations) if budget.iterations is not None else ("epochs", budget.epochs or 0)

    def method_that_mixes(self, mix: Mix) -> ProtocolMethod | None:
        """Return the first published method that mixes this, or None."""
        return next((method for method in self.methods.values() if method.mix == mix), None)


class ClassCounts(_Mapping):
    """Images of the smallest and of the largest class in the subset of `size` images."""

    size: _Size = Field(description="Training images.")
    smallest_class: _Images = Field(description="Images of the smallest class.")
    largest_class: _Images = Field(description="Images of the largest class.")


class Accuracies(_Mapping):
    """Test accuracies at one size, in percent, by method; and the source's own remark."""

    size: _Size = Field(description="Training images.")
    percent: dict[_MethodName, _Percent] = Field(
        min_length=1,
        max_length=100,
        description="The accuracy of each method, in percent.",
        json_schema_extra=_METHOD_KEYS,
    )
    remark: _LineOrNothing = Field("", description="The source's own remark.")


class PublishedFigure(_Mapping):
    """A figure of the source, and the name of ours that answers it."""

    number: _Number = Field(description="The figure's number.")
    shows: _Line = Field(description="What it shows.")
    ours: _Line = Field(description="The name of our figure.")


class PublishedClaim(_Mapping):
    """A conclusion of the source; `judged_by` names the rule that judges it, `needs` says what a study must contain."""

    id: _Number = Field(description="Number.")
    title: _Line = Field(description="A few words.")
    statement: _Paragraph = Field(description="The claim in a sentence or two.")
    judged_by: _RuleName = Field(description="The name of the rule that judges it.")
    needs: _Paragraph = Field(description="What a study must contain for it to be judged.")


class OpenQuestion(_Mapping):
    """A question that the source leaves open; `answered_by` names the rule that answers it from a study."""

    id: _Number = Field(description="Number.")
    question: _Line = Field(description="The question in a sentence.")
    answered_by: _RuleName = Field(description="The name of the rule that answers it.")


class Interpretation(_Mapping):
    """Something that the source leaves open, and how it is read here."""

    open: _Line = Field(description="What is left open.")
    decided: _Paragraph = Field(description="How it is read here.")


class Published(_Mapping):
    """Everything a source reports. `selection` is how its accuracies were chosen: best, final or last_tenth."""

    source: Source = Field(description="The publication: its title, language and references.")
    selection: Literal["best", "final", "last_tenth"] = Field(
        "best", description="How the published accuracies were chosen."
    )
    class_counts: tuple[ClassCounts, ...] = Field(
        (), max_length=1000, description="Images of the smallest and of the largest class of each subset."
    )
    accuracies: tuple[Accuracies, ...] = Field(max_length=1000, description="Test accuracies by size, in percent.")
    figures: tuple[PublishedFigure, ...] = Field(
        (), max_length=100, description="The figures of the source, and which of ours answers each."
    )
    claims: tuple[PublishedClaim, ...] = Field((), max_length=100, description="What the source concludes.")
    questions: tuple[OpenQuestion, ...] = Field((), max_length=100, description="What the source leaves open to study.")
    stated_protocol: Protocol | None = Field(
        None, alias="protocol", description="How the numbers were obtained. Left out, the article's protocol is meant."
    )
    interpretations: tuple[Interpretation, ...] = Field(
        (), alias="readings", max_length=100, description="What the source leaves open, and how it is read here."
    )

    @property
    def protocol(self) -> Protocol:
        """Return the protocol that the numbers are compared under: the stated one, else the article's."""
        return self.stated_protocol or article_protocol()

    def percent(self, size: int, method: str) -> float | None:
        """Return the published test accuracy in percent, or None where the source has none."""
        return next((row.percent.get(method) for row in self.accuracies if row.size == size), None)


@functools.cache
def article_protocol() -> Protocol:
    """Return the article's protocol, with what it leaves open as this project interprets it."""
    protocol = load_published(ARTICLE).stated_protocol
    if protocol is None:
        raise ConfigurationError(f"{ARTICLE} states no protocol. Restore the file from the repository.")
    return protocol


def find_published(named: str | Path, root: Path = Path()) -> Path:
    """Find the file that a study names: below `root` or, for studies that run elsewhere, beside the Snakefile."""
    here = root / named
    kept = PROJECT / named
    return kept if not here.is_file() and kept.is_file() else here


def load_published(path: Path) -> Published:
    """Read a file of published numbers. Raises ConfigurationError, whose one message lists all problems."""
    read = read_yaml(Path(path))
    problems = list(read.problems)
    if read.value is not None:
        found = [*_check_models(read.value), *_check_repetitions(read.value)]
        problems += [Problem(one.path, one.text, read.place(one.path)) for one in found]
    if problems or read.value is None:
        raise ConfigurationError(message(problems, f"The file of published numbers {path}"))
    return Published.model_validate(read.value)


def method_as_published(study: Study, mix: Mix, protocol: Protocol) -> str | None:
    """Return the study's method that mixes this: with the published distribution if there is one, else the first."""
    candidates = methods_with(study, mix)
    published = protocol.method_that_mixes(mix)
    exact = [name for name in candidates if published is not None and beta_of(study, name) == published.beta]
    return next(iter([*exact, *candidates]), None)


def method_for(study: Study, name: str, published: Published) -> str | None:
    """Return the study's method that means what a published name means; a study's own names are free.

    Names whose meaning the published protocol does not state are looked up as they are. None where there is no such
    method.
    """
    meaning = published.protocol.methods.get(name)
    if meaning is None:
        return name if name in study.methods else None
    return method_as_published(study, meaning.mix, published.protocol)


def schema_text() -> str:
    """Return the content of workflow/schemas/published.schema.yaml."""
    return schema_as_yaml(Published.model_json_schema(), _SCHEMA_HEAD)


def _check_models(value: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        Published.model_validate(value)
    except ValidationError as error:
        yield from explain_errors(error, model_schema(Published))


def _check_repetitions(value: Mapping[str, Any]) -> Iterator[Problem]:
    keys = {"class_counts": "size", "accuracies": "size", "claims": "id", "questions": "id", "figures": "number"}
    for table, key in keys.items():
        rows = value.get(table)
        seen: list[Any] = []
        for position, row in enumerate(rows if isinstance(rows, list) else []):
            found = row.get(key) if isinstance(row, dict) else None
            if found is not None and found in seen:
                yield Problem((table, position, key), f"found {show(found)} a second time; delete one of the two")
            seen.append(found)
