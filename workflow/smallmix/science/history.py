"""The history of a training: one row per evaluation, and nothing in it that varies between equal runs."""

from __future__ import annotations

import dataclasses
import statistics
from dataclasses import dataclass

from smallmix.study.iterations import in_last_tenth


@dataclass(frozen=True)
class HistoryRow:
    """One evaluation, after `iteration` steps. Losses are in nats, accuracies fractions.

    learning_rate is that of the last step; train_loss is the mean over the images seen since the row before, mixed and
    augmented as they were trained on; clean_train_loss and clean_train_accuracy are those of unmixed training images
    in evaluation mode. Those of validation images are None where a training has none.
    """

    iteration: int
    epoch: float
    learning_rate: float
    train_loss: float
    clean_train_loss: float
    clean_train_accuracy: float
    test_loss: float
    test_accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None

    @property
    def numbers(self) -> dict[str, float | int]:
        """Return the numbers by their columns; those of validation images only where there are any."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


COLUMNS = tuple(field.name for field in dataclasses.fields(HistoryRow))


def history_csv(rows: list[HistoryRow]) -> bytes:
    """Return the text of history.csv. Nine digits tell every float32 apart, so equal files mean equal trainings.

    Columns of validation images are there only where the rows have them.
    """
    columns = list(rows[0].numbers) if rows else list(COLUMNS)
    lines = [",".join(columns)]
    lines += [",".join(_digits(row.numbers[name]) for name in columns) for row in rows]
    return ("\n".join(lines) + "\n").encode("ascii")


def summarize(rows: list[HistoryRow]) -> dict[str, float | int]:
    """Return final accuracy, best accuracy with the iteration that first reached it, and median of the last tenth.

    That median is over the evaluations in the last tenth of the budget, the final one at least; their number stands
    beside. `rows` end with the end of the budget.

    The article reports the best test accuracy, which is chosen on the test images (section 3). Where there are
    validation images, the test accuracy at the best validation accuracy is returned as well, with its iteration. Of
    equally good evaluations the first one counts, for the best on test and on validation images alike.
    """
    best = max(rows, key=lambda row: row.test_accuracy)
    last = rows[-1]
    late = [row.test_accuracy for row in rows if in_last_tenth(row.iteration, last.iteration)]
    return {
        "final_test_accuracy": last.test_accuracy,
        "best_test_accuracy": best.test_accuracy,
        "best_iteration": best.iteration,
        "last_tenth_test_accuracy": statistics.median(late),
        "last_tenth_readings": len(late),
        "final_test_loss": last.test_loss,
        "final_train_loss": last.train_loss,
        "final_clean_train_loss": last.clean_train_loss,
        "final_clean_train_accuracy": last.clean_train_accuracy,
        **_chosen_by_validation(rows),
    }


def _chosen_by_validation(rows: list[HistoryRow]) -> dict[str, float | int]:
    validated = [(row.validation_accuracy, row) for row in rows if row.validation_accuracy is not None]
    if not validated:
        return {}
    _, chosen = max(validated, key=lambda pair: pair[0])
    return {
        "validation_best_test_accuracy": chosen.test_accuracy,
        "validation_best_iteration": chosen.iteration,
    }


def _digits(value: float | int) -> str:
    return str(value) if isinstance(value, int) else format(value, ".9g")
