"""The predictions of trained cells: those of one as a tidy table, and which cells of a study have any that count."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from smallmix.errors import SmallmixError
from smallmix.study.study import Study, StudyCell, cell_id
from smallmix.tables.cell_files import read_predictions
from smallmix.tables.cell_status import UnusableFile
from smallmix.tables.columns import CELLS
from smallmix.tables.table_files import read_columns
from smallmix.tables.table_form import Column

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS_FILE = "predictions.npz"


def prediction_columns(classes: int) -> tuple[Column, ...]:
    """Return the columns of `predictions_table`."""
    return (
        Column("image", "int", "", "row of the image in test_images.npy"),
        Column("label", "int", "", "class of the image as a number from 0"),
        Column("predicted", "int", "", "class with the largest logit, the first of equal ones"),
        *(Column(f"logit_{number}", "float", "", f"logit of class {number}, float16") for number in range(classes)),
    )


def predictions_table(path: Path) -> pd.DataFrame:
    """Return image, label, predicted (int64) and one logit per class (float32) of every test image, in their order.

    Raises SmallmixError where predictions.npz is missing or damaged.
    """
    import pandas as pd

    logits, labels = load_predictions(path)
    names = [column.name for column in prediction_columns(logits.shape[1])]
    table = pd.DataFrame(logits.astype("float32"), columns=names[3:])
    table.insert(0, "image", range(len(labels)))
    table.insert(1, "label", labels.astype("int64"))
    table.insert(2, "predicted", predicted_classes(logits))
    return table


def load_predictions(path: Path) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Return logits float16 [N, classes] and labels int64 [N] of the test images.

    Raises SmallmixError where predictions.npz is missing or damaged.
    """
    try:
        return read_predictions(path)
    except UnusableFile as error:
        raise SmallmixError(f"{path.parent}: {error}. Train the cell again.") from error


def predicted_classes(logits: NDArray[np.float16]) -> NDArray[np.int64]:
    """Return the class with the largest logit of each image, int64 [N]: the first of equal ones."""
    predicted: NDArray[np.int64] = logits.argmax(axis=1).astype(np.int64)
    return predicted


def current_cells(study: Study, cells_table: Path) -> list[StudyCell]:
    """Return the cells that a cells.csv calls current, in its order.

    Raises TableError where the table is missing or damaged, SmallmixError where it names a cell of another study.
    """
    columns = read_columns(cells_table, CELLS)
    places = zip(columns["size"], columns["method"], columns["seed"], columns["status"], strict=True)
    return [study.cell(cell_id(size, method, seed)) for size, method, seed, status in places if status == "current"]
