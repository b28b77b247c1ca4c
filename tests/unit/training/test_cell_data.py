"""Protects a training from data that are not its cell's: another rule's subset, images of another size or kind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from smallmix.datasets.array_writing import write_dataset
from smallmix.datasets.digits import digits_dataset
from smallmix.errors import DatasetError
from smallmix.study.cell import Cell, DatasetValue, SubsetValue
from smallmix.training.cell_data import check_data_of, refuse_other_data
from smallmix.training.subset_tables import extract_subset

from tests.tiny_cell import tiny_cell


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the digits as arrays."""
    folder = tmp_path_factory.mktemp("resources") / "digits"
    write_dataset(digits_dataset(), folder)
    return folder


def cell_of(rule: SubsetValue) -> Cell:
    """Return a cell on the digits."""
    return replace(tiny_cell(), dataset=DatasetValue(name="digits"), subset=rule)


def subset_of(digits: Path, rule: SubsetValue, path: Path) -> Path:
    """Return the table that a rule gives."""
    extract_subset(rule, digits / "train.csv", [str(digit) for digit in range(10)], path)
    return path


RULES = [
    SubsetValue("head", 30),
    SubsetValue("balanced", 30, 0),
    SubsetValue("balanced", 30, 1),
    SubsetValue("random", 30, 0),
]


@pytest.mark.parametrize("wanted", RULES)
@pytest.mark.parametrize("written", RULES)
def test_only_the_table_of_the_cells_own_rule_is_trained_on(
    tmp_path: Path, digits: Path, wanted: SubsetValue, written: SubsetValue
) -> None:
    table = subset_of(digits, written, tmp_path / "n30.csv")
    if wanted == written:
        check_data_of(cell_of(wanted), digits, table)
    else:
        with pytest.raises(DatasetError, match="not those of the rule"):
            check_data_of(cell_of(wanted), digits, table)


def test_edited_labels_are_refused_and_noted_for_the_report(tmp_path: Path, digits: Path) -> None:
    table = subset_of(digits, RULES[0], tmp_path / "n30.csv")
    lines = table.read_text(encoding="utf-8").splitlines()
    row, label, name = lines[4].split(",")
    lines[4] = f"{row},{(int(label) + 1) % 10},{name}"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    cell = cell_of(RULES[0])
    with pytest.raises(DatasetError, match="labels"):
        refuse_other_data(cell, digits, table, tmp_path / "cell")
    failure = json.loads((tmp_path / "cell" / "failure.json").read_text(encoding="utf-8"))
    assert failure["cell_fingerprint"] == cell.fingerprint
    assert "labels" in failure["reason"]


@pytest.mark.parametrize(
    "dataset", [DatasetValue("cifar10"), DatasetValue("image-list", 8, "grey"), DatasetValue("image-list", 16, "rgb")]
)
def test_arrays_of_another_kind_or_size_are_refused(tmp_path: Path, digits: Path, dataset: DatasetValue) -> None:
    table = subset_of(digits, RULES[0], tmp_path / "n30.csv")
    with pytest.raises(DatasetError, match="the cell asks for"):
        check_data_of(replace(cell_of(RULES[0]), dataset=dataset), digits, table)
