"""The networks that a configuration can name, and what their parameters are. What they do lies in science/networks."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from smallmix.study.parameters import ParameterSet

TORCHVISION = "torchvision:"
# The decorator by which torchvision enters a network into its list, and the function behind it.
_REGISTERED = re.compile(r"^@register_model\(\)\n(?:(?!def ).*\n)*?def (\w+)\(", re.MULTILINE)


@dataclass(frozen=True)
class NetworkForm:
    """What a configuration must know of a network."""

    summary: str
    reads_width: bool = False
    reads_blocks: bool = False
    stages: int = 0  # after how many of its stages a method can mix; 0: the network has none for it
    parameters: type[ParameterSet] = ParameterSet


class WideResNetParameters(ParameterSet):
    """The parameters of wide-resnet."""

    depth: Literal[10, 16, 22, 28, 34, 40, 46, 52, 58, 64, 70, 76, 82, 88, 94, 100] = Field(
        16, description="Layers with weights, 6 n + 4 for n blocks in each of the three groups."
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of the numbers that are set to 0 between the two convolutions of a block."
    )


class TorchvisionParameters(ParameterSet):
    """The parameters of torchvision's networks."""

    image_size: int = Field(
        0,
        ge=0,
        le=1024,
        description="Pixels a side that images are brought to before the network; 0 leaves them as they are.",
    )
    stem: Literal["original", "small"] = Field(
        "original",
        description="small puts a 3 x 3 convolution of stride 1 in the place of a ResNet's 7 x 7 one of stride 2, and "
        "leaves out the pooling behind it, which suits images of 32 pixels. Other networks have the original alone.",
    )
    weights: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="A file of weights to begin with (.pth, .pt or .safetensors), beside the configuration. The "
        "weights of the last layer are taken where their number fits the classes.",
        json_schema_extra={"x-form": "the path of a file"},
    )
    weights_sha256: str = Field(
        "",
        pattern="^([0-9a-f]{64})?$",
        description="The sha256 that the file must have; where it is left out, any file is taken.",
        json_schema_extra={"x-form": "64 hexadecimal digits in small letters"},
    )


NETWORKS: Mapping[str, NetworkForm] = {
    "preact-resnet18": NetworkForm(
        "a pre-activation ResNet with batch normalisation before the pooling (He et al. 2016, Identity Mappings)",
        reads_width=True,
        reads_blocks=True,
        stages=4,
    ),
    "preact-resnet18-mixup": NetworkForm(
        "the pre-activation ResNet of the mixup paper's repository", reads_width=True, reads_blocks=True, stages=4
    ),
    "preact-resnet18-without-final-norm": NetworkForm(
        "a pre-activation ResNet without a last normalisation", reads_width=True, reads_blocks=True, stages=4
    ),
    "resnet18": NetworkForm(
        "a ResNet with a 3 x 3 stem for small images (He et al. 2016, Deep Residual Learning)",
        reads_width=True,
        reads_blocks=True,
        stages=4,
    ),
    "wide-resnet": NetworkForm(
        "a wide ResNet (Zagoruyko and Komodakis 2016); width is 16 times the widening factor",
        reads_width=True,
        stages=3,
        parameters=WideResNetParameters,
    ),
    "convnet": NetworkForm("a small plain network of three convolutions, fast on CPUs", reads_width=True, stages=3),
}
_TORCHVISION_FORM = NetworkForm("a network of torchvision", parameters=TorchvisionParameters)


def find_form(name: str) -> NetworkForm | None:
    """Return what is known of a network by its name; None for a user's function, and for a name that is unknown."""
    return _TORCHVISION_FORM if is_of_torchvision(name) else NETWORKS.get(name)


def is_of_torchvision(name: str) -> bool:
    """Return whether a name means a network of torchvision: torchvision:NAME."""
    return name.startswith(TORCHVISION)


@functools.cache
def torchvision_networks() -> tuple[str, ...]:
    """Return the names of torchvision's networks for classification, sorted; empty where torchvision is not installed.

    They are read from its source: importing it takes seconds, and every start of a study asks for them.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return ()
    files = sorted((Path(found.origin).parent / "models").glob("*.py"))
    return tuple(sorted(name for file in files for name in _REGISTERED.findall(file.read_text(encoding="utf-8"))))
