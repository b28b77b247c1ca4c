"""The lists of methods and networks at the end of docs/extending.md, written from the code by `make extending`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallmix.code_fingerprint import PACKAGE_FOLDER
from smallmix.study.key_reference import describe_default, describe_value
from smallmix.study.method_forms import METHODS
from smallmix.study.model_schema import model_schema
from smallmix.study.network_forms import NETWORKS, TORCHVISION, find_form
from smallmix.study.parameters import HasParameters

BEGIN = "<!-- From here on written by `make extending` from workflow/smallmix/study and science/methods. -->"
METHODS_HEAD = """\
## Methods that a study can name

λ is drawn from a Beta distribution, whose two parameters are the key `beta`. Methods with a `yes` need that key."""
NETWORKS_HEAD = """\
## Networks that a study can name

Stages are where `manifold-mixup` and methods of your own can mix. `width` and `blocks` are keys of `model`, which other
networks than those with a `yes` do not read."""


def write_lists() -> str:
    """Return the end of docs/extending.md: tables of methods and networks, each with its parameters."""
    methods = [
        f"| `{name}` | {_summary(name)} | {'yes' if form.draws_weight else ''} | {_parameters(form)} |"
        for name, form in METHODS.items()
    ]
    torchvision = find_form(f"{TORCHVISION}resnet18")
    assert torchvision is not None
    networks = [
        f"| `{name}` | {form.summary} | {form.stages or ''} | {'yes' if form.reads_width else ''} | "
        f"{'yes' if form.reads_blocks else ''} | {_parameters(form)} |"
        for name, form in {**NETWORKS, f"{TORCHVISION}NAME": torchvision}.items()
    ]
    return "\n".join(
        [
            BEGIN,
            "",
            METHODS_HEAD,
            "",
            "| `mix` | what it does, and its source | `beta` | `parameters` |",
            "|---|---|---|---|",
            *methods,
            "",
            NETWORKS_HEAD,
            "",
            "| `model.name` | what it is, and its source | stages | `width` | `blocks` | `parameters` |",
            "|---|---|---:|---|---|---|",
            *networks,
            "",
        ]
    )


def _summary(name: str) -> str:
    """Return the first paragraph of a method's file, which says what it does, with its source."""
    source = (PACKAGE_FOLDER / "science" / "methods" / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
    return " ".join(str(ast.get_docstring(ast.parse(source))).partition("\n\n")[0].split()).rstrip(".")


def _parameters(form: HasParameters) -> str:
    schema: Mapping[str, Any] = model_schema(form.parameters)
    described = []
    for name, one in schema.get("properties", {}).items():
        default = describe_default(name, schema)
        described.append(f"`{name}` ({describe_value(one)}; {default}): {one['description']}")
    return "<br>".join(described).replace("|", "\\|")


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(page.read_text(encoding="utf-8").partition(BEGIN)[0] + write_lists(), encoding="utf-8")
