"""Protects what is counted from predictions: images by class and predicted class, summed over seeds, and who counts."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from smallmix.errors import SmallmixError
from smallmix.study.layout import Layout
from smallmix.study.study import Study
from smallmix.tables.class_tables import CellCounts, count_cells, count_predictions, write_class_tables
from smallmix.tables.predictions import current_cells

from tests.synthetic_configuration import build_configuration

CLASSES = ("sun", "=moon", "star")
# Of six images; the third has two equal logits, of which the first counts.
LOGITS = np.array(
    [[2, 1, 0], [0, 1, 3], [5, 5, 0], [0, 4, 1], [9, 0, 1], [1, 0, 0.5]],
    dtype=np.float16,
)
LABELS = np.array([0, 0, 1, 1, 0, 1])


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def layout_of(root: Path) -> Layout:
    configuration = build_configuration(
        sizes=[20],
        seeds=[0, 1],
        methods={"non": {"mix": "none", "beta": None}, "mixed": {"mix": "images", "beta": [1, 1]}},
    )
    return Layout(Study.from_configuration(configuration), root)


def write_predictions(layout: Layout, place: str, logits: np.ndarray, labels: np.ndarray) -> None:
    folder = layout.cell(layout.study.cell(place))
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "predictions.npz", logits=logits.astype(np.float16), labels=labels)


def test_images_are_counted_by_class_and_by_the_first_of_the_largest_logits() -> None:
    assert count_predictions(LOGITS, LABELS).tolist() == [[2, 0, 1], [2, 1, 0], [0, 0, 0]]


def test_accuracies_by_class_are_counted_and_a_class_without_images_has_none(tmp_path: Path) -> None:
    layout = layout_of(tmp_path)
    write_predictions(layout, "n20/non/seed1", LOGITS, LABELS)
    counted = count_cells(layout, [layout.study.cell("n20/non/seed1")], CLASSES)
    write_class_tables(counted, CLASSES, tmp_path)
    first, second, third = rows_of(tmp_path / "per_class.csv")
    assert first == {
        "size": "20",
        "method": "non",
        "seed": "1",
        "label": "0",
        "class": "sun",
        "images": "3",
        "correct": "2",
        "accuracy": "0.666666667",
    }
    assert (second["class"], second["images"], second["correct"]) == ("'=moon", "3", "1")
    assert (third["images"], third["correct"], third["accuracy"]) == ("0", "0", "")


def test_confusions_are_summed_over_the_seeds_of_a_size_and_method(tmp_path: Path) -> None:
    one = np.array([[2, 0, 1], [2, 1, 0], [0, 0, 0]])
    other = np.array([[0, 3, 0], [0, 3, 0], [0, 0, 0]])
    counted = [CellCounts(20, "non", 0, one), CellCounts(20, "mixed", 0, other), CellCounts(20, "non", 1, other)]
    write_class_tables(counted, CLASSES, tmp_path)
    found = [
        (row["method"], row["class"], row["predicted_class"], int(row["count"]), float(row["share"]))
        for row in rows_of(tmp_path / "confusion.csv")
    ]
    assert found == [
        ("non", "sun", "sun", 2, pytest.approx(2 / 6)),
        ("non", "sun", "'=moon", 3, pytest.approx(3 / 6)),
        ("non", "sun", "star", 1, pytest.approx(1 / 6)),
        ("non", "'=moon", "sun", 2, pytest.approx(2 / 6)),
        ("non", "'=moon", "'=moon", 4, pytest.approx(4 / 6)),
        ("mixed", "sun", "'=moon", 3, 1.0),
        ("mixed", "'=moon", "'=moon", 3, 1.0),
    ]


@pytest.mark.parametrize(
    ("classes", "damage", "words"),
    [
        (("a", "b"), False, "has logits of 3 classes, and the data set .* has 2. Train the cell again"),
        (CLASSES, True, "cut off or damaged.*Train the cell again"),
    ],
)
def test_predictions_that_do_not_fit_are_refused_by_their_cell(
    tmp_path: Path, classes: tuple[str, ...], damage: bool, words: str
) -> None:
    layout = layout_of(tmp_path)
    write_predictions(layout, "n20/non/seed0", LOGITS, LABELS)
    if damage:
        (layout.cell(layout.study.cell("n20/non/seed0")) / "predictions.npz").write_bytes(b"PK")
    with pytest.raises(SmallmixError, match=rf"n20/non/seed0.*{words}"):
        count_cells(layout, [layout.study.cell("n20/non/seed0")], classes)


def test_only_current_cells_count(tmp_path: Path) -> None:
    study = layout_of(tmp_path).study
    table = tmp_path / "cells.csv"
    table.write_text("size,method,seed,status,reason\n20,mixed,1,current,\n20,non,0,stale,old\n20,non,1,current,\n")
    assert [cell.id for cell in current_cells(study, table)] == ["n20/mixed/seed1", "n20/non/seed1"]
    table.write_text("size,method,seed,status,reason\n99,non,1,current,\n")
    with pytest.raises(SmallmixError, match="has no cell n99/non/seed1"):
        current_cells(study, table)
