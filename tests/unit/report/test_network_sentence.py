"""The report says which network was trained, by all that decides it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from smallmix.report.method_section import describe_network
from smallmix.statistics.protocol import differences_of_study
from smallmix.study.cell import ModelValue
from smallmix.study.published import article_protocol
from smallmix.study.study import Study

from tests.networks import network
from tests.synthetic_configuration import build_configuration


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            ModelValue("preact-resnet18", 64, (2, 2, 2, 2)),
            "preact-resnet18, width 64, blocks 2, 2, 2, 2: a pre-activation ResNet with batch normalisation before the "
            "pooling (He et al. 2016, Identity Mappings).",
        ),
        (
            network("wide-resnet", width=160, depth=28, dropout=0.3),
            "wide-resnet, width 160, depth 28, dropout 0.3: a wide ResNet (Zagoruyko and Komodakis 2016); width is 16 "
            "times the widening factor.",
        ),
        (
            network("torchvision:resnet18", image_size=64, weights_sha256="ab" * 32),
            "torchvision:resnet18, images brought to 64 x 64 pixels, beginning with the weights of a file of sha256 "
            f"{'ab' * 32}, stem original.",
        ),
        (
            network("torchvision:resnet18", stem="small"),
            "torchvision:resnet18, images as they are, weights drawn by seed, stem small.",
        ),
        (network("my_network.py:build", first_maps=(4, 8)), "my_network.py:build, first maps 4, 8."),
    ],
    ids=["article", "wide", "weights", "drawn", "own"],
)
def test_a_network_is_described_by_what_it_reads(value: ModelValue, says: str) -> None:
    assert describe_network(value) == says


def differences(**model: Any) -> list[str]:
    """Return what differs from the article for a study with another network."""
    study = Study.from_configuration(build_configuration(sizes=(500,), seeds=(0,)))
    cells = tuple(
        dataclasses.replace(cell, value=dataclasses.replace(cell.value, model=ModelValue(**model)))
        for cell in study.cells
    )
    found = differences_of_study(dataclasses.replace(study, cells=cells), article_protocol())
    return [one.text for one in found if (one.decisive and "network" in one.text) or "width" in one.text]


def test_another_network_is_another_protocol() -> None:
    assert differences(name="preact-resnet18", width=64, blocks=(2, 2, 2, 2)) == []
    assert differences(name="convnet", width=0, blocks=()) == ["the network convnet instead of preact-resnet18"]
    own = {"name": "my_network.py:build", "width": 0, "blocks": (), "parameters": (("maps", (4, "x")),)}
    assert differences(**own) == [
        "the network my_network.py:build instead of preact-resnet18",
        "parameters of the network (maps (4, 'x'))",
    ]
