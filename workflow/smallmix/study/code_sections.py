"""The sections of a configuration that name code: methods, the network, and metrics.

Each is one of smallmix, by a word, or a class or function in a file of the user's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from smallmix.own_code import names_own_code
from smallmix.study.config_errors import rule_error, show
from smallmix.study.method_forms import METHODS
from smallmix.study.metric_forms import EXAMPLE as METRIC_EXAMPLE
from smallmix.study.metric_forms import READY_METRICS
from smallmix.study.misspelt_names import close_match
from smallmix.study.network_forms import NETWORKS, TORCHVISION, find_form, is_of_torchvision, torchvision_networks
from smallmix.study.parameters import checked_parameters
from smallmix.study.section import Section

_Parameter = Annotated[float, Field(ge=0.001, le=1000)]


def _check_mix(mix: str) -> str:
    return _check_known(mix, list(METHODS), "my_method.py:MyMethod")


def _check_network(name: str) -> str:
    if not is_of_torchvision(name):
        return _check_known(name, [*NETWORKS, f"{TORCHVISION}NAME"], "my_network.py:build")
    wanted, known = name.removeprefix(TORCHVISION), torchvision_networks()
    if wanted in known or (not known and wanted.isidentifier()):  # not installed here: the jobs will know
        return name
    match = close_match(wanted, known)
    meant = f"; did you mean {TORCHVISION}{match}?" if match else ""
    names = f"one of its networks for classification, such as {', '.join(known[:3])}, resnet18"
    raise rule_error(f"found {show(name)}, which torchvision does not have{meant}; allowed: {names}")


def _check_known(word: str, known: Sequence[str], example: str) -> str:
    if word in known or names_own_code(word):
        return word
    match = close_match(word, known)
    meant = f"; did you mean {match}?" if match else ""
    raise rule_error(f"found {show(word)}{meant}; allowed: one of {', '.join(known)}, or FILE.py:NAME as in {example}")


def _check_metric(word: str) -> str:
    return _check_known(word, list(READY_METRICS), METRIC_EXAMPLE)


Metric = Annotated[
    str,
    AfterValidator(_check_metric),
    Field(
        max_length=4096,
        description="What is computed.",
        json_schema_extra={"x-form": f"one of {', '.join(READY_METRICS)}, or FILE.py:FUNCTION"},
    ),
]


class Method(Section):
    """What a method mixes."""

    mix: Annotated[str, AfterValidator(_check_mix)] = Field(
        max_length=4096,
        description="What is mixed, or a class of your own, as in my_method.py:MyMethod, whose file lies beside the "
        "configuration.",
        json_schema_extra={"x-form": f"one of {', '.join(METHODS)}, or FILE.py:CLASS"},
    )
    beta: Annotated[list[_Parameter], Field(min_length=2, max_length=2)] | None = Field(
        None,
        validate_default=True,
        description="The two parameters of the Beta distribution of the weight; null (or left out) with methods that "
        "draw no weight, else required.",
    )
    parameters: dict[str, Any] = Field(
        {},
        validate_default=True,
        description="Further parameters of the method by name, as docs/extending.md lists them.",
    )

    @field_validator("beta")
    @classmethod
    def _weigh_what_is_mixed(cls, beta: list[float] | None, info: ValidationInfo) -> list[float] | None:
        mix = info.data.get("mix")
        form = METHODS.get(mix or "")
        if form is None:  # a class of the user's own, whose constructor knows
            return beta
        if not form.draws_weight and beta is not None:
            raise rule_error(
                f"found {show(beta)}; with mix {mix} no weight is drawn: delete it (in an overlay: beta: ~)"
            )
        if form.draws_weight and beta is None:
            raise rule_error(f"is missing; mix {mix} needs the two parameters, for example [1, 1]")
        return beta

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, parameters: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return checked_parameters(METHODS.get(info.data.get("mix") or ""), parameters)


class Model(Section):
    """The network."""

    name: Annotated[str, AfterValidator(_check_network)] = Field(
        "preact-resnet18",
        max_length=4096,
        description=f"The network: {', '.join(NETWORKS)}, torchvision:NAME, or a function of your own, as in "
        "my_network.py:build, whose file lies beside the configuration. preact-resnet18 is the article's. See "
        "docs/network.md.",
        json_schema_extra={"x-form": f"one of {', '.join(NETWORKS)}, torchvision:NAME, or FILE.py:FUNCTION"},
    )
    width: int = Field(
        64,
        ge=1,
        le=1024,
        description="Channels of the first stage; each following stage has twice as many. Networks of torchvision and "
        "your own do not read it.",
    )
    blocks: list[Annotated[int, Field(ge=1, le=64)]] = Field(
        [2, 2, 2, 2],
        min_length=4,
        max_length=4,
        description="Residual blocks of the four stages. Only the networks named resnet18 read it.",
    )
    parameters: dict[str, Any] = Field(
        {},
        validate_default=True,
        description="Further parameters of the network by name, as docs/network.md lists them.",
    )

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, parameters: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "name" not in info.data:
            return parameters  # the name is wrong itself
        return checked_parameters(find_form(info.data["name"]), parameters)
