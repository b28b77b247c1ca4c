"""The line that draws is found, in whatever function of the file it stands, and nothing else is taken for it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from smallmix.training.drawing_lines import GENERATORS, find_drawing_line

SOURCE = """\
import random
import numpy as np
import torch


def inner(kind):
    value = 1
    if kind == "torch":
        value = torch.rand(2)
    elif kind == "numpy":
        value = np.random.rand()
    elif kind == "python":
        value = random.random()
    return value


def outer(kind, between):
    a = 3
    between()
    b = [inner(kind) for _ in range(2)]
    return torch.nn.functional.dropout(torch.ones(3), 0.5) if kind == "dropout" else b
"""


def functions(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the path of a file and what it defines."""
    path = str(folder / "own.py")
    names: dict[str, Any] = {}
    exec(compile(SOURCE, path, "exec"), names)
    return path, names


@pytest.mark.parametrize(
    ("kind", "source", "line", "function"),
    [
        ("torch", "torch", 9, "inner"),
        ("numpy", "numpy.random", 11, "inner"),
        ("python", "random", 13, "inner"),
        ("dropout", "torch", 21, "outer"),
    ],
)
def test_the_line_that_draws_is_found(tmp_path: Path, kind: str, source: str, line: int, function: str) -> None:
    path, names = functions(tmp_path)
    found = find_drawing_line(lambda: names["outer"](kind, lambda: None), {path}, GENERATORS)
    assert found is not None
    assert (found.source, found.file, found.line, found.function) == (source, path, line, function)


def test_a_function_of_another_file_is_the_line_that_calls_it(tmp_path: Path) -> None:
    path, names = functions(tmp_path)
    found = find_drawing_line(lambda: names["outer"]("none", random.random), {path}, GENERATORS)
    assert found is not None
    assert (found.line, found.function) == (19, "outer")


@pytest.mark.parametrize("between", [lambda: None, lambda: np.random.default_rng(0).random()])
def test_nothing_is_found_where_nothing_is_drawn(tmp_path: Path, between: Callable[[], object]) -> None:
    path, names = functions(tmp_path)

    def action() -> None:
        for _ in range(2):
            names["inner"]("none")
            torch.rand(1)  # by other code
        names["outer"]("none", between)

    assert find_drawing_line(action, {path}, GENERATORS) is None


def test_a_generator_that_may_be_drawn_from_is_left_out(tmp_path: Path) -> None:
    path, names = functions(tmp_path)
    found = find_drawing_line(lambda: names["outer"]("torch", random.random), {path}, ["random"])
    assert found is not None
    assert (found.source, found.line) == ("random", 19)
    assert find_drawing_line(lambda: names["inner"]("torch"), {path}, ["random"]) is None
