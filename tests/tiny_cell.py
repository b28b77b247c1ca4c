"""A cell that trains in a second, and its images: what tests of training share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from smallmix.datasets.array_writing import DatasetArrays, write_dataset
from smallmix.study.cell import (
    BudgetValue,
    Cell,
    DatasetValue,
    EvaluationValue,
    MethodValue,
    Mix,
    ModelValue,
    RecipeValue,
    SubsetValue,
)
from smallmix.training.signals import StopRequest
from smallmix.training.train_cell import TrainingJob, train_cell

# The published methods, whose numbers are recorded; the plain one comes first. tests/every_method.py has all methods,
# and needs packages that a GPU's tests do without.
MIXES: tuple[Mix, ...] = ("none", "images", "images-and-labels")
CLASSES = 10


def method_of(mix: Mix) -> MethodValue:
    """Return a method of this mix; the distribution is the article's for its own two."""
    return MethodValue(mix, None if mix == "none" else (2.0, 1.0) if mix == "images" else (1.0, 1.0))


def tiny_cell(
    mix: Mix = "none",
    *,
    iterations: int = 6,
    every: int = 2,
    every_at_end: int | None = None,
    size: int = 20,
    **recipe: Any,
) -> Cell:
    """Return a narrow network on 8 x 8 images; three batches an epoch, the last one smaller."""
    values: dict[str, Any] = {
        "batch_size": 8,
        "learning_rate": 0.05,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "decay_at": (0.5,),
        "decay_factor": 0.1,
        "crop_padding": 1,
        "flip": True,
        "precision": "fp32",
        "executor": "automatic",
        "cpu_threads": 1,
        **recipe,
    }
    return Cell(
        dataset=DatasetValue("digits"),
        subset=SubsetValue("head", size),
        method=method_of(mix),
        seed=0,
        model=ModelValue("preact-resnet18", width=4, blocks=(1, 1, 1, 1)),
        recipe=RecipeValue(**values),
        budget=BudgetValue("iterations", iterations),
        evaluation=EvaluationValue("iterations", every, size, every_at_end),
    )


@dataclass(frozen=True)
class TinyData:
    """A data set of 8 x 8 grey images and the table of a subset."""

    dataset: Path
    subset: Path

    @classmethod
    def write(cls, folder: Path, *, size: int = 20, test_images: int = 40) -> TinyData:
        """Write images whose class is a pattern with noise: whole numbers only, so that all machines draw the same."""
        generator = np.random.Generator(np.random.PCG64(7))
        patterns = generator.integers(0, 200, (CLASSES, 8, 8, 1))
        labels = np.arange(size + test_images, dtype=np.int64) % CLASSES
        images = (patterns[labels] + generator.integers(0, 56, (len(labels), 8, 8, 1))).astype(np.uint8)
        write_dataset(
            DatasetArrays(
                train_images=images[:size],
                train_labels=labels[:size],
                test_images=images[size:],
                test_labels=labels[size:],
                classes=tuple(str(number) for number in range(CLASSES)),
                name="digits",
                identifier="digits",
                title="Patterns with noise",
                source={"generator": "tests/tiny_cell.py"},
            ),
            folder / "digits",
        )
        subset = folder / f"n{size}.csv"
        rows = "".join(f"{row},{label},{label}\n" for row, label in enumerate(labels[:size]))
        subset.write_text("row,label,class\n" + rows, encoding="utf-8")
        return cls(folder / "digits", subset)

    def job(self, cell: Cell, folder: Path, **choices: Any) -> TrainingJob:
        """Return a training job on the CPU with its store and output in `folder`."""
        values: dict[str, Any] = {"store": folder / "store", "output": folder / "cell", "version": "0", **choices}
        return TrainingJob(cell=cell, dataset=self.dataset, subset=self.subset, device="cpu", **values)

    def train(
        self, cell: Cell, folder: Path, stop: StopRequest | None = None, **choices: Any
    ) -> tuple[Path, list[str]]:
        """Train; return the output's folder and the lines that were reported."""
        lines: list[str] = []
        job = self.job(cell, folder, **choices)
        train_cell(job, StopRequest() if stop is None else stop, lines.append)
        return job.output, lines


class StopAtCheck(StopRequest):
    """Asks to stop from the n-th time on that somebody looks: reaches every moment at which a stop can be heard."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.left = number

    def __bool__(self) -> bool:
        self.left -= 1
        if self.left < 0:
            self.signal_name = "SIGTERM"
        return self.left < 0


def forked(action: Callable[[], None]) -> int:
    """Run something in a forked process, so that it may be killed or limited; returns its wait status."""
    import os

    child = os.fork()
    if child == 0:
        try:
            action()
            os._exit(0)
        except BaseException:
            os._exit(99)
    return os.waitpid(child, 0)[1]
