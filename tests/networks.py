"""Networks for tests: one small value of every kind, and data that a network of any kind can learn."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from smallmix.study.cell import Cell, ModelValue, parameters_of
from smallmix.study.network_forms import find_form

from tests.tiny_cell import tiny_cell

OWN_NETWORK = """\
from torch import nn


def build(channels, classes, maps=4, dropout=0.0):
    return nn.Sequential(
        nn.Conv2d(channels, maps, 3, stride=2, padding=1),
        nn.BatchNorm2d(maps),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Flatten(),
        nn.Linear(16 * maps, classes),
    )
"""


def network(name: str, *, width: int = 4, file: Path | None = None, **parameters: Any) -> ModelValue:
    """Return a network's value with every parameter; the configuration fills in defaults alike."""
    form = find_form(name)
    filled = parameters if form is None else form.parameters.model_validate(parameters).model_dump()
    filled.pop("weights", None)
    return ModelValue(
        name=name,
        width=width if form is not None and form.reads_width else 0,
        blocks=(1, 1, 1, 1) if form is not None and form.reads_blocks else (),
        parameters=parameters_of(filled),
        file=None if file is None else str(file),
    )


def cell_with(model: ModelValue, **choices: Any) -> Cell:
    """Return the tiny cell with another network."""
    return dataclasses.replace(tiny_cell(**choices), model=model)


def own_network(folder: Path, text: str = OWN_NETWORK, **parameters: Any) -> ModelValue:
    """Return the network of a file that is written into the folder: my_network.py:build."""
    file = folder / "my_network.py"
    file.write_text(text, encoding="utf-8")
    return network("my_network.py:build", file=file, **parameters)
