"""Protects the science of `precision: bf16`: the accuracy that it reaches on real images is that of fp32.

Handwritten digits, several seeds, and the difference of the means held against its standard error; of captured steps
the same is asked on a GPU (tests/gpu/test_accuracy_equivalence.py).
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy
from numpy.typing import NDArray
from smallmix.datasets.array_writing import write_dataset
from smallmix.datasets.digits import digits_dataset
from smallmix.study.cell import ModelValue

from tests.tiny_cell import TinyData, tiny_cell

SEEDS, SIZE = 5, 500


def accuracies(data: TinyData, folder: Path, precision: str) -> NDArray[numpy.float64]:
    """Return the final test accuracy of each seed."""
    found = []
    for seed in range(SEEDS):
        cell = tiny_cell("images-and-labels", iterations=150, every=150, size=SIZE, batch_size=64, precision=precision)
        cell = dataclasses.replace(cell, seed=seed, model=ModelValue("preact-resnet18", 8, (1, 1, 1, 1)))
        output, _ = data.train(cell, folder / f"{precision}{seed}")
        found.append(json.loads((output / "metrics.json").read_text(encoding="utf-8"))["final_test_accuracy"])
    return numpy.array(found)


def test_bf16_is_as_accurate_as_fp32(tmp_path: Path) -> None:
    digits = digits_dataset()
    write_dataset(digits, tmp_path / "digits")
    subset = tmp_path / "n500.csv"
    rows = "".join(f"{row},{label},{label}\n" for row, label in enumerate(digits.train_labels[:SIZE]))
    subset.write_text("row,label,class\n" + rows, encoding="utf-8")
    data = TinyData(tmp_path / "digits", subset)
    exact, fast = (accuracies(data, tmp_path, precision) for precision in ("fp32", "bf16"))
    assert not numpy.array_equal(exact, fast)
    error = ((exact.var(ddof=1) + fast.var(ddof=1)) / SEEDS) ** 0.5
    # Neither chance nor perfect, or there would be nothing to see.
    assert 0.5 < exact.mean() < 0.995
    assert abs(fast.mean() - exact.mean()) < 2 * max(error, 0.005)
