"""Protects what a training writes down: epochs, learning rates, losses and accuracies, by a real and tiny training.

20 images in batches of 8 are three steps an epoch, the last one of 4 images. The rate is divided by ten at half of the
budget.
"""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from smallmix.science.history import HistoryRow, summarize

from tests.tiny_cell import TinyData, tiny_cell

Record = tuple[list[dict[str, float]], dict[str, Any], Path]


def train(folder: Path, **choices: Any) -> Record:
    """Train a cell; return the rows of history.csv, metrics.json, and the folder."""
    folder.mkdir()
    output, _ = TinyData.write(folder).train(tiny_cell("images-and-labels", iterations=8, **choices), folder)
    with open(output / "history.csv", encoding="utf-8", newline="") as stream:
        rows = [{key: float(text) for key, text in row.items()} for row in csv.DictReader(stream)]
    return rows, json.loads((output / "metrics.json").read_text(encoding="utf-8")), output


@pytest.fixture(scope="module")
def every_step(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Train a cell that is evaluated after each of its eight steps."""
    return train(tmp_path_factory.mktemp("recorded") / "a", every=1)


def test_the_rate_is_that_of_the_step_before(every_step: Record) -> None:
    """Steps 1 to 4 are taken with 0.05, 5 to 8 with 0.005."""
    rows, _, _ = every_step
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [row["learning_rate"] for row in rows] == [0.05] * 4 + [0.005] * 4


def test_epochs_are_counted_in_batches(every_step: Record) -> None:
    rows, metrics, _ = every_step
    assert [row["epoch"] for row in rows] == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2, 7 / 3, 8 / 3])
    assert metrics["iterations"] == 8
    assert metrics["epochs"] == pytest.approx(8 / 3)
    assert metrics["images_seen"] == 20 + 20 + 8 + 8


def test_the_training_loss_is_the_mean_over_the_images_since_the_row_before(every_step: Record, tmp_path: Path) -> None:
    """A row each three steps holds (8 a + 8 b + 4 c) / 20; the last one (8 a + 8 b) / 16."""
    single = [row["train_loss"] for row in every_step[0]]
    rows, _, _ = train(tmp_path / "b", every=3)
    assert [row["iteration"] for row in rows] == [3, 6, 8]
    assert [row["train_loss"] for row in rows] == pytest.approx(
        [
            (8 * single[0] + 8 * single[1] + 4 * single[2]) / 20,
            (8 * single[3] + 8 * single[4] + 4 * single[5]) / 20,
            (8 * single[6] + 8 * single[7]) / 16,
        ],
        rel=1e-6,
    )


def test_the_record_sums_up_its_history_and_its_predictions(every_step: Record) -> None:
    rows, metrics, output = every_step
    last, accuracies = rows[-1], [row["test_accuracy"] for row in rows]
    assert metrics["final_test_accuracy"] == pytest.approx(last["test_accuracy"])
    assert metrics["final_test_loss"] == pytest.approx(last["test_loss"])
    assert metrics["final_train_loss"] == pytest.approx(last["train_loss"])
    assert metrics["final_clean_train_loss"] == pytest.approx(last["clean_train_loss"])
    assert metrics["final_clean_train_accuracy"] == pytest.approx(last["clean_train_accuracy"])
    assert metrics["best_test_accuracy"] == pytest.approx(max(accuracies))
    assert metrics["best_iteration"] == 1 + accuracies.index(max(accuracies))
    with np.load(output / "predictions.npz") as arrays:
        right = arrays["logits"].argmax(axis=1) == arrays["labels"]
    assert len(right) == 40
    assert metrics["final_test_accuracy"] == pytest.approx(right.mean())
    assert metrics["largest_early_loss"] == pytest.approx(rows[0]["train_loss"], rel=1e-6)  # early is one step of eight
    assert metrics["largest_early_loss_iteration"] == 1


def test_an_image_is_classified_without_regard_to_the_other_test_images(every_step: Record, tmp_path: Path) -> None:
    """As a network in evaluation mode does: the same training with a quarter of the test images."""
    data = TinyData.write(tmp_path)
    description = json.loads((data.dataset / "dataset.json").read_text(encoding="utf-8"))
    description["test_count"] = 10
    for name in ("test_images.npy", "test_labels.npy"):
        np.save(data.dataset / name, np.load(data.dataset / name)[:10])
        description["checksums"][name] = hashlib.sha256((data.dataset / name).read_bytes()).hexdigest()
    (data.dataset / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    output, _ = data.train(tiny_cell("images-and-labels", iterations=8, every=1), tmp_path)
    with np.load(output / "predictions.npz") as few, np.load(every_step[2] / "predictions.npz") as all_of_them:
        assert few["logits"].shape == (10, 10)
        np.testing.assert_allclose(few["logits"], all_of_them["logits"][:10], atol=2e-3)


# The last tenth of 200 iterations, evaluated every two: iterations 182 to 200, ten evaluations. Sorted: 10 20 30 40 50
# 51 90 91 92 93 percent, whose median is 50.5; their mean is 56.7, and the middle of nine of them is 50 or 51.
LATE = [0.93, 0.10, 0.50, 0.91, 0.20, 0.51, 0.92, 0.30, 0.90, 0.40]


def test_the_accuracy_that_no_result_chose_is_the_median_of_the_last_tenth() -> None:
    accuracies = [0.95] * 45 + [0.99] * 45 + LATE
    rows = [
        HistoryRow(2 * place, place / 2, 0.1, 1.5, 1.25, 0.75, 1.75, accuracy)
        for place, accuracy in enumerate(accuracies, start=1)
    ]
    found = summarize(rows)
    assert found["last_tenth_test_accuracy"] == pytest.approx(0.505)
    assert found["last_tenth_readings"] == 10
    assert found["best_test_accuracy"] == 0.99
    assert found["best_iteration"] == 92
    assert found["final_test_accuracy"] == 0.40
    assert found["final_train_loss"] == 1.5
    assert found["final_clean_train_loss"] == 1.25
    assert found["final_clean_train_accuracy"] == 0.75
    assert found["final_test_loss"] == 1.75
