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
    in evaluation mode.
    """

    iteration: int
    epoch: float
    learning_rate: float
    train_loss: float
    clean_train_loss: float
    clean_train_accuracy: float
    test_loss: float
    test_accuracy: float


COLUMNS = tuple(field.name for field in dataclasses.fields(HistoryRow))


def history_csv(rows: list[HistoryRow]) -> bytes:
    """Return the text of history.csv. Nine digits tell every float32 apart, so equal files mean equal trainings."""
    lines = [",".join(COLUMNS)]
    lines += [",".join(_digits(value) for value in dataclasses.astuple(row)) for row in rows]
    return ("\n".join(lines) + "\n").encode("ascii")


def summarize(rows: list[HistoryRow]) -> dict[str, float | int]:
    """Return final accuracy, best accuracy with the iteration that first reached it, and median of the last tenth.

    That median is over the evaluations in the last tenth of the budget, the final one at least; their number stands
    beside. `rows` end with the end of the budget.

    The article reports the best test accuracy, which is chosen on the test images (section 3).
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
    }


def _digits(value: float | int) -> str:
    return str(value) if isinstance(value, int) else format(value, ".9g")
