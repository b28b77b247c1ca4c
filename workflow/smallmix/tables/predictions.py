"""The predictions of a trained cell as a tidy table: one row per test image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from smallmix.errors import SmallmixError
from smallmix.tables.cell_files import read_predictions
from smallmix.tables.cell_status import UnusableFile
from smallmix.tables.columns import Column

if TYPE_CHECKING:
    import pandas as pd


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

    try:
        logits, labels = read_predictions(path)
    except UnusableFile as error:
        raise SmallmixError(f"{path.parent}: {error}. Train the cell again.") from error
    names = [column.name for column in prediction_columns(logits.shape[1])]
    table = pd.DataFrame(logits.astype("float32"), columns=names[3:])
    table.insert(0, "image", range(len(labels)))
    table.insert(1, "label", labels.astype("int64"))
    table.insert(2, "predicted", logits.argmax(axis=1).astype("int64"))
    return table
