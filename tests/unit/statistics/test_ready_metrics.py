"""Protects the metrics that have a name, against loops that are written out from their definitions."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from smallmix.errors import ConfigurationError
from smallmix.statistics.ready_metrics import READY
from smallmix.study.metric_forms import READY_METRICS

CLASSES = 9


def predictions(missing: int | None = None) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits and labels of unevenly many images a class; no image of the class `missing`."""
    generator = np.random.default_rng(3)
    labels = generator.choice(CLASSES, 400, p=np.arange(1, CLASSES + 1) / 45)
    labels = labels[labels != missing] if missing is not None else labels
    logits = generator.normal(0, 1, (len(labels), CLASSES)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += generator.normal(0.8, 0.5, len(labels)).astype(np.float32)
    return logits, labels.astype(np.int64)


def by_class(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Images, predicted images and right ones of each class, counted one by one."""
    counts = [[0, 0, 0] for _ in range(CLASSES)]
    for row, label in zip(logits, labels, strict=True):
        predicted = max(range(CLASSES), key=lambda place: row[place])
        counts[label][0] += 1
        counts[predicted][1] += 1
        counts[label][2] += predicted == label
    return [(images, chosen, right) for images, chosen, right in counts]


def test_there_is_one_for_every_name() -> None:
    assert set(READY) == set(READY_METRICS)


@pytest.mark.parametrize("missing", [None, 4])
def test_the_balanced_accuracy_is_the_mean_over_classes_with_images(missing: int | None) -> None:
    logits, labels = predictions(missing)
    wanted = np.mean([right / images for images, _, right in by_class(logits, labels) if images])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert READY["balanced-accuracy"](logits, labels) == pytest.approx(wanted)


@pytest.mark.parametrize("missing", [None, 4])
def test_the_macro_f1_is_the_mean_of_the_harmonic_means(missing: int | None) -> None:
    logits, labels = predictions(missing)
    scores = [2 * right / (images + chosen) for images, chosen, right in by_class(logits, labels) if images + chosen]
    assert READY["macro-f1"](logits, labels) == pytest.approx(np.mean(scores))


def test_top_5_counts_the_classes_among_the_five_largest_logits() -> None:
    logits, labels = predictions()
    hits = [
        label in sorted(range(CLASSES), key=lambda place: -row[place])[:5]
        for row, label in zip(logits, labels, strict=True)
    ]
    assert 0 < np.mean(hits) < 1
    assert READY["top-5"](logits, labels) == pytest.approx(np.mean(hits))
    with pytest.raises(ConfigurationError, match=r"top-5 says nothing of 5 classes.*Take it out"):
        READY["top-5"](logits[:, :5], np.minimum(labels, 4))
