"""Is this the data that a cell asks for? Asked before a training begins, whatever brought the files to their places.

Apart from the loading itself, so that a change here retrains nothing.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy

from smallmix.atomic_files import write_text
from smallmix.datasets.arrays import load_dataset
from smallmix.datasets.description import load_description, remedy
from smallmix.errors import DatasetError, SmallmixError
from smallmix.science.subsets import choose_rows, read_subset
from smallmix.study.cell import Cell, SubsetValue

CHANNELS = {"rgb": 3, "grey": 1}


def refuse_other_data(cell: Cell, dataset: Path, subset: Path, output: Path) -> None:
    """As `check_data_of`; the reason also goes to failure.json in the cell's folder `output`, for the report."""
    try:
        check_data_of(cell, dataset, subset)
    except DatasetError as fault:
        failure = {"reason": str(fault), "log_tail": [str(fault)], "cell_fingerprint": cell.fingerprint}
        with contextlib.suppress(SmallmixError):
            write_text(output / "failure.json", json.dumps(failure, indent=1) + "\n")
        raise


def check_data_of(cell: Cell, dataset: Path, subset: Path) -> None:
    """Raise DatasetError where the arrays or the table of training images are not those that the cell names."""
    description = load_description(dataset)
    height, _, channels = description.image_shape
    wanted = cell.dataset
    size, color = wanted.image_size or height, wanted.color or {3: "rgb", 1: "grey"}.get(channels)
    if description.name != wanted.name or height != size or channels != CHANNELS.get(str(color)):
        raise DatasetError(
            f"{dataset} holds images of {description.name}, {height} pixels a side in {channels} channels; the cell "
            f"asks for {wanted.name}, {size} pixels a side in {CHANNELS.get(str(color))} channels. {remedy(dataset)}"
        )
    other = explain_other_subset(cell.subset, dataset, subset)
    if other:
        raise DatasetError(f"{other}. Delete the file and run again to have it extracted anew.")


def explain_other_subset(rule: SubsetValue, dataset: Path, subset: Path) -> str | None:
    """Why the table is not what `rule` gives for the dataset, in words; None where it is.

    Raises DatasetError where the dataset is not whole, or cannot give such a subset.
    """
    arrays = load_dataset(dataset, verify=False)
    labels = numpy.asarray(arrays.train_labels)
    wanted = choose_rows(rule, labels, arrays.description.classes)
    told = f"{subset} does not belong to {dataset} and size {rule.size}"
    try:
        rows, written = read_subset(subset)
    except DatasetError as fault:
        return f"{told}: {fault}"
    if not numpy.array_equal(rows, wanted):
        return f"{told}: its rows are not those of the rule {rule.rule}"
    if not numpy.array_equal(written, labels[wanted]):
        return f"{told}: its labels are not those of the data set"
    return None
