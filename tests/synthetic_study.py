"""Studies made up from a seeded generator: every file of the contracts, without training, torch or a network.

`build_synthetic_study(tmp_path)` writes study.json, the dataset's description, the subsets' tables and every cell's
metrics.json, history.csv and predictions.npz, with learning curves of a plausible shape. Cells can be made missing,
failed, stale or damaged. All numbers agree with each other: what collection checks, holds.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from smallmix.datasets.data_fingerprint import fingerprint_data
from smallmix.study.cell import Cell
from smallmix.study.layout import Layout
from smallmix.study.study import Study, StudyCell

from tests.synthetic_configuration import build_configuration

CODE_FINGERPRINT = "0123456789abcdef"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
HISTORY_COLUMNS = (
    "iteration",
    "epoch",
    "learning_rate",
    "train_loss",
    "clean_train_loss",
    "clean_train_accuracy",
    "test_loss",
    "test_accuracy",
)
VALIDATION_COLUMNS = ("validation_loss", "validation_accuracy")
# Accuracies in the neighbourhood of the article's, by log10 of the size: what the curves end at.
_LOG_SIZES = (1.0, 2.0, 2.4, 2.7, 3.0, 3.7, 4.0, 4.3, 4.7)
_ACCURACY: dict[str, tuple[float, ...]] = {
    "none": (0.15, 0.268, 0.363, 0.446, 0.478, 0.795, 0.855, 0.908, 0.950),
    "images": (0.17, 0.317, 0.503, 0.586, 0.574, 0.832, 0.883, 0.923, 0.957),
    "images-and-labels": (0.18, 0.338, 0.501, 0.578, 0.533, 0.829, 0.888, 0.931, 0.960),
}
_MIXES = ("none", "images", "images-and-labels")
_FINAL_TRAIN_LOSS = {"none": 0.004, "images": 0.5, "images-and-labels": 1.0}

Damage = Literal["cell", "code", "data", "truncated", "edited", "no-history", "no-predictions"]


@dataclass(frozen=True)
class SyntheticStudy:
    """A study on disk below `root`, made as if the training code's fingerprint were `code_fingerprint`."""

    root: Path
    study: Study
    code_fingerprint: str = CODE_FINGERPRINT

    @property
    def layout(self) -> Layout:
        """Return the paths of the study below its root."""
        return Layout(self.study, self.root)

    def folder(self, place: str) -> Path:
        """Return the folder of a cell such as n500/label-mix/seed0."""
        return self.layout.cell(self.study.cell(place))

    def metrics(self, place: str) -> dict[str, Any]:
        """Return the content of a cell's metrics.json."""
        content: dict[str, Any] = json.loads((self.folder(place) / "metrics.json").read_text(encoding="utf-8"))
        return content

    def edit_metrics(self, place: str, **changes: Any) -> None:
        """Overwrite keys of a cell's metrics.json, and leave the rest as it is."""
        path = self.folder(place) / "metrics.json"
        path.write_text(_json({**self.metrics(place), **changes}), encoding="utf-8")

    def remove(self, place: str) -> None:
        """Make a cell missing."""
        shutil.rmtree(self.folder(place))

    def fail(self, place: str, reason: str = "the loss is not finite at iteration 12 (learning rate 0.1)") -> None:
        """Make a cell one whose training failed."""
        folder = self.folder(place)
        shutil.rmtree(folder)
        folder.mkdir(parents=True)
        failure = {
            "reason": reason,
            "log_tail": ["iteration 11: loss 812.4", f"stopped: {reason}"],
            "cell_fingerprint": self.study.cell(place).value.fingerprint,
        }
        (folder / "failure.json").write_text(_json(failure), encoding="utf-8")

    def damage(self, place: str, how: Damage) -> None:
        """Make a cell stale or unreadable: another cell value, code or data, a cut file, an edited accuracy."""
        folder, cell = self.folder(place), self.study.cell(place).value
        if how == "cell":
            other = replace(cell, recipe=replace(cell.recipe, weight_decay=cell.recipe.weight_decay * 5))
            self.edit_metrics(place, cell=other.to_dict(), cell_fingerprint=other.fingerprint)
        elif how == "code":
            self.edit_metrics(place, code_fingerprint="f" * 16)
        elif how == "data":
            self.edit_metrics(place, data_fingerprint="f" * 64)
        elif how == "truncated":
            content = (folder / "metrics.json").read_text(encoding="utf-8")
            (folder / "metrics.json").write_text(content[: len(content) // 2], encoding="utf-8")
        elif how == "edited":
            self.edit_metrics(place, best_test_accuracy=self.metrics(place)["best_test_accuracy"] + 0.05)
        elif how == "no-history":
            (folder / "history.csv").unlink()
        else:
            (folder / "predictions.npz").unlink()


def build_synthetic_study(
    root: Path,
    *,
    configuration: dict[str, Any] | None = None,
    test_images: int = 200,
    missing: Iterable[str] = (),
    failed: Iterable[str] = (),
    stale: Mapping[str, Damage] | None = None,
    generator_seed: int = 0,
    **choices: Any,
) -> SyntheticStudy:
    """Write a whole study below `root`; `choices` go to `build_configuration` unless a configuration is given.

    `missing` and `failed` name places (n500/label-mix/seed0); `stale` maps places to what is wrong with them.
    """
    study = Study.from_configuration(build_configuration(**choices) if configuration is None else configuration)
    made = SyntheticStudy(root=root, study=study)
    layout = made.layout
    layout.results.mkdir(parents=True, exist_ok=True)
    layout.study_file.write_text(study.to_json() + "\n", encoding="utf-8")
    # Studies of one root share their dataset, which must not change under the cells that are there already.
    needed = max(study.sizes) + study.validation_images
    if _train_count(layout) < needed:
        write_synthetic_dataset(layout.dataset, study, train_count=needed, test_count=test_images)
    write_synthetic_subsets(layout)
    for cell in study.cells:
        write_synthetic_cell(layout, cell, test_images=test_images, generator_seed=generator_seed)
    for place in missing:
        made.remove(place)
    for place in failed:
        made.fail(place)
    for place, how in (stale or {}).items():
        made.damage(place, how)
    return made


def write_synthetic_dataset(folder: Path, study: Study, *, train_count: int, test_count: int) -> None:
    """Write train.csv and dataset.json; the arrays themselves are only described, by made-up checksums."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = _train_labels(train_count)
    _write_rows(folder / "train.csv", [(row, int(label), CLASSES[label]) for row, label in enumerate(labels)])
    checksums = {
        f"{part}_{kind}.npy": hashlib.sha256(f"{part} {kind}".encode()).hexdigest()
        for part in ("train", "test")
        for kind in ("images", "labels")
    }
    checksums["train.csv"] = hashlib.sha256((folder / "train.csv").read_bytes()).hexdigest()
    description = {
        "format": 1,
        "name": study.configuration["dataset"]["name"],
        "identifier": study.dataset,
        "title": "Synthetic images",
        "classes": list(CLASSES),
        "image_shape": [32, 32, 3],
        "train_count": train_count,
        "test_count": test_count,
        "mean": [0.49, 0.48, 0.45],
        "deviation": [0.25, 0.24, 0.26],
        "checksums": checksums,
        "source": {"generator": "tests/synthetic_study.py"},
        "warnings": [],
    }
    (folder / "dataset.json").write_text(_json(description), encoding="utf-8")


def write_synthetic_subsets(layout: Layout) -> None:
    """Write every subset's table: the head of the list, a seeded draw, or a seeded draw of equally many a class."""
    study = layout.study
    rule = study.configuration["subsets"]["rule"]
    labels = _train_labels(_train_count(layout))
    for size in study.sizes:
        for seed in study.seeds if study.redraws_subsets else study.seeds[:1]:
            rows = np.random.default_rng([size, seed]).permutation(len(labels))
            if rule == "balanced":  # the first of every class, then the second of every class, and so on
                groups = [rows[labels[rows] == label] for label in range(len(CLASSES))]
                turns = [(turn, row) for group in groups for turn, row in enumerate(group)]
                rows = np.array([row for _, row in sorted(turns)])
            rows = np.arange(size) if rule == "head" else np.sort(rows[:size])
            table = [(int(row), int(labels[row]), CLASSES[labels[row]]) for row in rows]
            _write_rows(layout.subset_of(size, seed), table)
    if layout.validation is not None:
        rows = np.arange(len(labels))[-study.validation_images :]
        _write_rows(layout.validation, [(int(row), int(labels[row]), CLASSES[labels[row]]) for row in rows])


def write_synthetic_cell(layout: Layout, cell: StudyCell, *, test_images: int, generator_seed: int = 0) -> None:
    """Write one cell's three files, with numbers that agree with each other."""
    folder, value = layout.cell(cell), cell.value
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng([generator_seed, cell.size, _MIXES.index(value.method.mix), cell.seed])
    logits, labels, history = _training(value, test_images, generator)
    validation = _validation(value, history, generator)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*HISTORY_COLUMNS, *(VALIDATION_COLUMNS if validation else ())])
    for position, row in enumerate(history):
        writer.writerow([repr(number) for number in (*row, *(validation[position] if validation else ()))])
    (folder / "history.csv").write_text(stream.getvalue(), encoding="utf-8")
    with open(folder / "predictions.npz", "wb") as file:
        np.savez_compressed(file, logits=logits.astype(np.float16), labels=labels)
    data = fingerprint_data(layout.subset(cell), layout.dataset, layout.validation)
    metrics = _metrics(value, data, logits, labels, history)
    if validation:
        chosen = max(range(len(history)), key=lambda index: validation[index][1])
        metrics["validation_best_test_accuracy"] = history[chosen][-1]
        metrics["validation_best_iteration"] = history[chosen][0]
    (folder / "metrics.json").write_text(_json(metrics), encoding="utf-8")


_Row = tuple[int, float, float, float, float, float, float, float]


def _training(
    cell: Cell, test_images: int, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64], list[_Row]]:
    """Return test logits float32 [N, classes], labels int64 [N], and the history, whose last row fits the logits."""
    mix = cell.method.mix
    target = float(np.interp(np.log10(cell.size), _LOG_SIZES, _ACCURACY[mix])) + generator.normal(0, 0.008)
    labels = np.arange(test_images, dtype=np.int64) % len(CLASSES)
    correct = np.arange(test_images) < round(min(max(target, 0.0), 1.0) * test_images)
    logits = generator.normal(0, 1, (test_images, len(CLASSES))).astype(np.float32)
    winner = np.where(generator.permutation(correct), labels, (labels + 1) % len(CLASSES))
    confidence = {"none": 6.0, "images": 3.5, "images-and-labels": 2.0}[mix]
    logits[np.arange(test_images), winner] = logits.max(axis=1) + confidence * generator.uniform(0.2, 1.0, test_images)
    accuracy = float(np.mean(logits.argmax(axis=1) == labels))
    loss = _negative_log_likelihood(logits, labels)

    last = cell.iterations
    history: list[_Row] = []
    for moment in cell.evaluation_moments.until(last):
        share = moment / last
        rate = cell.recipe.learning_rate * cell.recipe.decay_factor ** sum(share > at for at in cell.recipe.decay_at)
        rising = 0.1 + (accuracy - 0.1) * (1 - np.exp(-8 * share))
        floor = _FINAL_TRAIN_LOSS[mix]
        train_loss = floor + (2.3 - floor) * np.exp(-12 * share) + 0.02 * floor * generator.normal()
        clean_loss = 0.1 * floor + (2.2 - 0.1 * floor) * np.exp(-12 * share)
        found = round((rising + generator.normal(0, 0.006)) * test_images) / test_images
        # The test loss falls, then rises while the accuracy stays: over-fitting, as small subsets show it.
        test_loss = loss + (2.2 - loss) * np.exp(-14 * share) - 0.25 * loss * np.exp(-(((share - 0.4) / 0.25) ** 2))
        if moment == last:
            found, test_loss = accuracy, loss
        history.append(
            (
                moment,
                moment / cell.batches_per_epoch,
                float(rate),
                float(abs(train_loss)),
                float(clean_loss),
                float(min(1.0, 1 - 0.9 * np.exp(-12 * share))),
                float(test_loss),
                float(min(max(found, 0.0), 1.0)),
            )
        )
    return logits, labels, history


def _validation(cell: Cell, history: list[_Row], generator: np.random.Generator) -> list[tuple[float, float]]:
    """Return loss and accuracy on the validation images at every evaluation; nothing where the cell has none."""
    images = cell.evaluation.validation_images
    if not images:
        return []
    accuracies = [min(max(row[-1] + generator.normal(0, 0.02), 0.0), 1.0) for row in history]
    return [(row[6] + 0.1, round(one * images) / images) for row, one in zip(history, accuracies, strict=True)]


def _metrics(
    cell: Cell, data: str, logits: NDArray[np.float32], labels: NDArray[np.int64], history: list[_Row]
) -> dict[str, Any]:
    accuracies = [row[-1] for row in history]
    late = [row[-1] for row in history if row[0] > 0.9 * cell.iterations]
    last = history[-1]
    best = max(range(len(history)), key=lambda index: accuracies[index])
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    confidence, hits = probabilities.max(axis=1), logits.argmax(axis=1) == labels
    where = np.minimum((confidence * 15).astype(int), 14)
    bins = [
        {
            "low": index / 15,
            "high": (index + 1) / 15,
            "count": int(np.sum(where == index)),
            "confidence": float(confidence[where == index].mean()) if np.any(where == index) else 0.0,
            "accuracy": float(hits[where == index].mean()) if np.any(where == index) else 0.0,
        }
        for index in range(15)
    ]
    truth = np.eye(len(CLASSES))[labels]
    return {
        "format": 2,
        "cell": cell.to_dict(),
        "cell_fingerprint": cell.fingerprint,
        "data_fingerprint": data,
        "code_fingerprint": CODE_FINGERPRINT,
        "iterations": cell.iterations,
        "epochs": cell.iterations / cell.batches_per_epoch,
        "images_seen": cell.images_seen,
        "parameters": 11171146,
        "largest_early_loss": max(2.6, *(row[3] for row in history[:2])),
        "largest_early_loss_iteration": 1,
        "final_test_accuracy": last[-1],
        "best_test_accuracy": accuracies[best],
        "best_iteration": history[best][0],
        "last_tenth_test_accuracy": float(np.median(late)),
        "last_tenth_readings": len(late),
        "final_test_loss": last[6],
        "final_train_loss": last[3],
        "final_clean_train_loss": last[4],
        "final_clean_train_accuracy": last[5],
        "expected_calibration_error": float(
            sum(one["count"] * abs(one["confidence"] - one["accuracy"]) for one in bins) / len(labels)
        ),
        "calibration_gap": float(confidence.mean() - hits.mean()),
        "brier_score": float(((probabilities - truth) ** 2).sum(axis=1).mean()),
        "negative_log_likelihood": _negative_log_likelihood(logits, labels),
        "calibration_bins": bins,
        "environment": {
            "python": "3.11.7",
            "torch": "2.14.1",
            "numpy": "2.3.0",
            "smallmix": "0.1.0",
            "platform": "Linux x86_64",
            "processor": "a processor",
            "device": "cpu",
            "threads": 1,
            "precision": "fp32",
            "memory_format": "channels_last",
            "memory": "kept, in huge pages",
        },
        "timing": {
            "started": "2026-01-02T03:04:05Z",
            "training_seconds": 10.0,
            "evaluation_seconds": 2.0,
            "total_seconds": 12.5,
            "images_per_second": 1000.0,
            "runs": 1,
        },
    }


def _negative_log_likelihood(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]).mean())


def _train_count(layout: Layout) -> int:
    path = layout.dataset / "dataset.json"
    return int(json.loads(path.read_text(encoding="utf-8"))["train_count"]) if path.exists() else 0


def _train_labels(count: int) -> NDArray[np.int64]:
    return np.random.default_rng(1).integers(0, len(CLASSES), count)


def _write_rows(path: Path, rows: Iterable[tuple[int, int, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("row", "label", "class"))
        writer.writerows(rows)


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"
