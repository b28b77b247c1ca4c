"""Protects against a network that diverges: the article's own cells take their first steps, and the losses stay sane.

A narrow network can be healthy where the wide one is not, so the long form trains at the article's width, on real
images where they are (see cifar10_jpeg_folder in tests/conftest.py). SMALLMIX_FULL_WIDTH_STEPS sets its steps a method
(100), and SMALLMIX_FULL_WIDTH its width (64): below 20 steps only the size of the losses is judged.
"""

from __future__ import annotations

import csv
import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from smallmix.datasets.array_writing import DatasetArrays, write_dataset
from smallmix.science.arithmetic import choose_memory_format, fix_arithmetic
from smallmix.science.early_loss import alarming_loss
from smallmix.science.steps import build_executor
from smallmix.science.training_state import TrainingState
from smallmix.study.cell import Cell
from smallmix.study.configuration import load_study
from smallmix.training.cell_data import load_training_data

from tests.conftest import real_images_archive
from tests.tiny_cell import TinyData

PROJECT = Path(__file__).resolve().parents[3]
CPU = torch.device("cpu")
METHODS = ("non", "data-mix", "label-mix")
SIZE, CLASSES = 1000, 10
COMPARED = 10  # steps at either end
FULL_WIDTH_STEPS = int(os.environ.get("SMALLMIX_FULL_WIDTH_STEPS") or 100)
FULL_WIDTH = int(os.environ.get("SMALLMIX_FULL_WIDTH") or 64)

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


def real_images(folder: Path) -> Arrays:
    """Return the first 1,000 training images, uint8 [N, H, W, C], of a folder with train.csv, and labels int64 [N]."""
    with open(folder / "train.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = sorted({row["label"] for row in rows})
    images = np.stack([np.asarray(Image.open(folder / row["path"]).convert("RGB")) for row in rows[:SIZE]])
    return images, np.array([names.index(row["label"]) for row in rows[:SIZE]], dtype=np.int64)


def made_up_images() -> Arrays:
    """Draw as many images of 32 x 32: each class has coarse patches of its own, under noise and another brightness."""
    generator = np.random.Generator(np.random.PCG64(3))
    patches = generator.integers(60, 200, (CLASSES, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    labels = np.arange(SIZE, dtype=np.int64) % CLASSES
    noise = generator.integers(-40, 41, (SIZE, 32, 32, 3)) + generator.integers(-15, 16, (SIZE, 1, 1, 1))
    return (patches[labels] + noise).clip(0, 255).astype(np.uint8), labels


def write_images(folder: Path, arrays: Arrays) -> TinyData:
    images, labels = arrays
    write_dataset(
        DatasetArrays(
            train_images=images,
            train_labels=labels,
            test_images=images[:20],
            test_labels=labels[:20],
            classes=tuple(str(number) for number in range(CLASSES)),
            name="cifar10",
            identifier="cifar10",
            title="1,000 images",
            source={"generator": "tests/unit/training/test_full_width.py"},
        ),
        folder / "cifar10",
    )
    rows = "".join(f"{row},{label},{label}\n" for row, label in enumerate(labels))
    (folder / f"n{SIZE}.csv").write_text("row,label,class\n" + rows, encoding="utf-8")
    return TinyData(folder / "cifar10", folder / f"n{SIZE}.csv")


def article_cell(method: str, width: int) -> Cell:
    """Return the article's cell of 1,000 images as config.yaml has it, in another width where that is asked for."""
    cell = load_study([PROJECT / "config.yaml"]).cell(f"n{SIZE}/{method}/seed0").value
    return dataclasses.replace(cell, model=dataclasses.replace(cell.model, width=width))


def first_losses(cell: Cell, data: TinyData, steps: int) -> list[float]:
    """Return the training loss of each of the cell's first steps. Raises NonFiniteLoss where one is not finite."""
    fix_arithmetic(cell.recipe.cpu_threads)
    images = load_training_data(cell, data.dataset, data.subset, CPU, choose_memory_format(CPU, cell.model.width))
    state = TrainingState.fresh(cell, images, CPU)
    state.model.train()
    executor, losses = build_executor(images, state), []
    for _ in range(steps):
        executor.step()
        executor.synchronize()
        assert executor.last_loss is not None
        losses.append(executor.last_loss)
    assert state.largest_early_loss == max(losses[:80])  # 80 of the cell's 800 iterations are early
    return losses


def assert_sane(losses: Sequence[float]) -> None:
    """Assert that all are finite, none is above ten times the loss of guessing, and many steps make them fall."""
    assert all(math.isfinite(loss) for loss in losses), losses
    assert max(losses) < alarming_loss(CLASSES), losses
    if len(losses) >= 2 * COMPARED:
        assert np.mean(losses[-COMPARED:]) < np.mean(losses[:COMPARED]), losses


@pytest.fixture
def project_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.usefixtures("project_folder")
def test_a_narrow_network_begins_to_learn(method: str, tmp_path: Path) -> None:
    data = write_images(tmp_path, made_up_images())
    assert_sane(first_losses(article_cell(method, width=4), data, 24))


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.usefixtures("project_folder")
def test_the_articles_network_begins_to_learn_at_full_width(
    method: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    there = real_images_archive().is_file()
    arrays = real_images(request.getfixturevalue("cifar10_jpeg_folder")) if there else made_up_images()
    cell = article_cell(method, FULL_WIDTH)
    assert cell.model.blocks == (2, 2, 2, 2)
    assert cell.recipe.learning_rate == 0.1
    losses = first_losses(cell, write_images(tmp_path, arrays), FULL_WIDTH_STEPS)
    print(method, [round(loss, 2) for loss in losses])
    assert_sane(losses)


@pytest.mark.parametrize(
    "losses",
    [
        [2.3] * 10 + [2.0] * 9 + [math.nan],
        [2.36, 3.50, 3.93, 14.7, 14.5, 56.0],
        [2.3] * 10 + [2.31] * 10,
    ],
    ids=["not a number", "the beginning of a divergence", "nothing learnt"],
)
def test_the_judgement_can_fail(losses: list[float]) -> None:
    with pytest.raises(AssertionError):
        assert_sane(losses)
