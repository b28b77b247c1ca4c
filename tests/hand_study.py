"""One study whose numbers were chosen so that everything people read of it can be computed on paper.

Two sizes, three methods, three seeds, under the article's protocol. Its numbers are inputs. What follows from them
stands in the tests, with the arithmetic, and was computed without the package. The choices:

- label-mix minus non is +12.0 points at 500 images (interval above zero) and -2.0 at 100 (interval crosses zero).
- Against the published values, non at 500 images lies above and the others below.
- best, last and the median of the last tenth differ by another amount for every size and method.
- The last tenth of the evaluations is skewed: its mean is far from its median.
- Confidence is the same for all images of a run, so that one bin of the calibration holds them all.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.study_outputs import data_fingerprint_of
from tests.synthetic_configuration import ARTICLE_BUDGETS
from tests.synthetic_study import CLASSES, HISTORY_COLUMNS, SyntheticStudy, build_synthetic_study

PUBLISHED = "workflow/published/article.yaml"
SIZES = (500, 100)
METHODS = ("non", "data-mix", "label-mix")
SEEDS = (0, 1, 2)
TEST_IMAGES = 1000
EVERY = 390
BUDGETS = {500: 117_000, 100: 40_000}  # iterations, as in the article: 300 and 103 evaluations

# Percent by seed.
BEST = {
    (500, "non"): (44.0, 45.0, 46.0),
    (500, "data-mix"): (57.0, 59.0, 58.0),
    (500, "label-mix"): (56.5, 56.0, 58.5),
    (100, "non"): (27.0, 28.0, 29.0),
    (100, "data-mix"): (29.0, 30.5, 27.5),
    (100, "label-mix"): (26.0, 25.5, 26.5),
}
LAST = {
    (500, "non"): (43.0, 44.0, 42.0),
    (500, "data-mix"): (55.5, 58.5, 57.0),
    (500, "label-mix"): (54.4, 55.4, 56.4),
    (100, "non"): (26.5, 26.0, 28.5),
    (100, "data-mix"): (28.0, 29.0, 27.0),
    (100, "label-mix"): (25.5, 24.0, 25.5),
}
# The median of the last tenth lies this much (points) above the last evaluation. A third of the tenth lies 5 below it.
MEDIAN_ABOVE_LAST = {
    (500, "non"): 0.2,
    (500, "data-mix"): 0.3,
    (500, "label-mix"): 0.4,
    (100, "non"): 0.1,
    (100, "data-mix"): 0.2,
    (100, "label-mix"): 0.3,
}
BELOW_MEDIAN = 5.0
FIRST = 10.0  # the first evaluation of every run
# The number of the best evaluation, from 1 on, by seed; the method moves it.
BEST_EVALUATION = {500: (100, 150, 200), 100: (20, 40, 60)}
BEST_EVALUATION_MOVED = {
    (500, "non"): 0,
    (500, "data-mix"): -30,
    (500, "label-mix"): 30,
    (100, "non"): 0,
    (100, "data-mix"): -10,
    (100, "label-mix"): 10,
}

# Losses in nats. All fall from START to their level after a tenth of the budget; the test loss rises at its middle.
START_TRAIN, START_CLEAN, START_TEST, START_CLEAN_ACCURACY = 2.2, 2.1, 2.3, 0.25
TRAIN_LOSS = {
    (500, "non"): (0.02, 0.03, 0.025),
    (500, "data-mix"): (0.95, 1.00, 0.90),
    (500, "label-mix"): (1.20, 1.25, 1.30),
    (100, "non"): (0.01, 0.02, 0.015),
    (100, "data-mix"): (1.05, 1.15, 1.10),
    (100, "label-mix"): (1.30, 1.45, 1.35),
}
CLEAN_LOSS = {
    (500, "non"): (0.001, 0.003, 0.002),
    (500, "data-mix"): (0.30, 0.34, 0.32),
    (500, "label-mix"): (0.40, 0.44, 0.42),
    (100, "non"): (0.004, 0.006, 0.005),
    (100, "data-mix"): (0.20, 0.24, 0.22),
    (100, "label-mix"): (0.50, 0.54, 0.52),
}
CLEAN_ACCURACY = {
    (500, "non"): (1.0, 1.0, 1.0),
    (500, "data-mix"): (0.90, 0.92, 0.91),
    (500, "label-mix"): (0.80, 0.84, 0.82),
    (100, "non"): (1.0, 1.0, 1.0),
    (100, "data-mix"): (0.95, 0.97, 0.96),
    (100, "label-mix"): (0.85, 0.89, 0.87),
}
LOWEST_TEST_LOSS = {
    (500, "non"): 2.0,
    (500, "data-mix"): 1.5,
    (500, "label-mix"): 1.4,
    (100, "non"): 2.05,
    (100, "data-mix"): 2.0,
    (100, "label-mix"): 1.9,
}
TEST_LOSS = {
    (500, "non"): (3.0, 3.2, 3.1),
    (500, "data-mix"): (1.8, 1.9, 1.85),
    (500, "label-mix"): (1.7, 1.8, 1.75),
    (100, "non"): (4.0, 4.2, 4.1),
    (100, "data-mix"): (2.0, 2.08, 2.04),  # hardly risen
    (100, "label-mix"): (2.3, 2.5, 2.4),
}
# The winner's logit, the others being 0: confidences e^4 / (e^4 + 9) = 0.858485, 0.690568 and 0.450853.
WINNING_LOGIT = {"non": 4.0, "data-mix": 3.0, "label-mix": 2.0}
# Wall-clock seconds by seed, the same for all methods.
SECONDS = {500: (7200.0, 5399.0, 5400.0), 100: (720.0, 89.0, 100.0)}
# Images of each class: in the first 100 rows of the training list, and in the first 500.
CLASS_COUNTS = {
    100: (5, 16, 10, 10, 10, 10, 10, 10, 10, 9),
    500: (40, 65, 50, 50, 50, 49, 49, 49, 49, 49),
}


def moments(size: int) -> list[int]:
    """Return the iterations after which a run of this size is evaluated."""
    every = list(range(EVERY, BUDGETS[size] + 1, EVERY))
    return every if every[-1] == BUDGETS[size] else [*every, BUDGETS[size]]


@dataclass(frozen=True)
class HandRun:
    """One run's evaluations; accuracies are fractions, losses in nats."""

    size: int
    method: str
    seed: int

    @property
    def best_evaluation(self) -> int:
        """Return which evaluation is the best, from 1 on."""
        return BEST_EVALUATION[self.size][self.seed] + BEST_EVALUATION_MOVED[self.size, self.method]

    @property
    def median(self) -> float:
        """Return the median test accuracy of the last tenth."""
        place = self.size, self.method
        return round((LAST[place][self.seed] + MEDIAN_ABOVE_LAST[place]) / 100, 4)

    @property
    def test_accuracies(self) -> list[float]:
        """Return low ones until the last tenth but for the best; then a third low, others median, and the last."""
        place, budget = (self.size, self.method), BUDGETS[self.size]
        low = round(self.median - BELOW_MEDIAN / 100, 4)
        before = sum(10 * moment <= 9 * budget for moment in moments(self.size))
        late = len(moments(self.size)) - before
        accuracies = [low] * (before + late // 3) + [self.median] * (late - late // 3 - 1)
        accuracies[0] = FIRST / 100
        accuracies[self.best_evaluation - 1] = round(BEST[place][self.seed] / 100, 4)
        return [*accuracies, round(LAST[place][self.seed] / 100, 4)]

    def level(self, start: float, values: Mapping[tuple[int, str], Sequence[float]]) -> list[float]:
        """Return `start` during the first tenth of the budget, then the run's value."""
        level = values[self.size, self.method][self.seed]
        return [start if 10 * moment < BUDGETS[self.size] else level for moment in moments(self.size)]

    @property
    def test_losses(self) -> list[float]:
        """Return high ones, then the lowest until the middle of the budget, then where it ends."""
        lowest, end = LOWEST_TEST_LOSS[self.size, self.method], TEST_LOSS[self.size, self.method][self.seed]
        return [
            START_TEST if 10 * moment < BUDGETS[self.size] else lowest if 2 * moment <= BUDGETS[self.size] else end
            for moment in moments(self.size)
        ]

    def history(self) -> list[tuple[float, ...]]:
        """Return the rows of history.csv."""
        batches = 4 if self.size == 500 else 1  # of 128 images at most
        rates = [
            0.1 if moment <= 0.33 * BUDGETS[self.size] else 0.01 if moment <= 0.66 * BUDGETS[self.size] else 0.001
            for moment in moments(self.size)
        ]
        return list(
            zip(
                moments(self.size),
                [moment / batches for moment in moments(self.size)],
                rates,
                self.level(START_TRAIN, TRAIN_LOSS),
                self.level(START_CLEAN, CLEAN_LOSS),
                self.level(START_CLEAN_ACCURACY, CLEAN_ACCURACY),
                self.test_losses,
                self.test_accuracies,
                strict=True,
            )
        )


RUNS = tuple(HandRun(size, method, seed) for size in SIZES for method in METHODS for seed in SEEDS)


def build_hand_study(root: Path) -> SyntheticStudy:
    """Write the study's files below `root`, as trainings would have left them."""
    made = build_synthetic_study(
        root,
        test_images=TEST_IMAGES,
        title="A study computed by hand",
        sizes=SIZES,
        seeds=SEEDS,
        budgets=ARTICLE_BUDGETS,
        published=PUBLISHED,
    )
    _write_data(made)
    for run in RUNS:
        _write_run(made, run)
    return made


def _write_data(made: SyntheticStudy) -> None:
    """Write the training list and its heads, with CLASS_COUNTS."""
    first = [label for label, count in enumerate(CLASS_COUNTS[100]) for _ in range(count)]
    rest = [
        label
        for label, (few, many) in enumerate(zip(CLASS_COUNTS[100], CLASS_COUNTS[500], strict=True))
        for _ in range(many - few)
    ]
    labels = first + rest
    table = made.layout.dataset / "train.csv"
    for path, count in [(table, 500), *((made.layout.subset_of(size, 0), size) for size in SIZES)]:
        with open(path, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(("row", "label", "class"))
            writer.writerows((row, labels[row], CLASSES[labels[row]]) for row in range(count))
    path = made.layout.dataset / "dataset.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    description["checksums"]["train.csv"] = hashlib.sha256(table.read_bytes()).hexdigest()
    path.write_text(json.dumps(description), encoding="utf-8")


def _write_run(made: SyntheticStudy, run: HandRun) -> None:
    place = f"n{run.size}/{run.method}/seed{run.seed}"
    folder, history = made.folder(place), run.history()
    lines = [",".join(HISTORY_COLUMNS), *(",".join(map(repr, row)) for row in history)]
    (folder / "history.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    accuracy = history[-1][-1]
    labels = np.arange(TEST_IMAGES, dtype=np.int64) % 10
    right = np.arange(TEST_IMAGES) < round(accuracy * TEST_IMAGES)
    logits = np.zeros((TEST_IMAGES, 10), dtype=np.float16)
    logits[np.arange(TEST_IMAGES), np.where(right, labels, (labels + 1) % 10)] = WINNING_LOGIT[run.method]
    with open(folder / "predictions.npz", "wb") as file:
        np.savez_compressed(file, logits=logits, labels=labels)

    weight = math.exp(WINNING_LOGIT[run.method])
    confidence = weight / (weight + 9)
    other = (1 - confidence) / 9
    squares = confidence**2 + 9 * other**2
    seconds = SECONDS[run.size][run.seed]
    late = [row for row in history if 10 * row[0] > 9 * BUDGETS[run.size]]
    made.edit_metrics(
        place,
        data_fingerprint=data_fingerprint_of(made, place),
        final_test_accuracy=accuracy,
        best_test_accuracy=round(BEST[run.size, run.method][run.seed] / 100, 4),
        best_iteration=EVERY * run.best_evaluation,
        last_tenth_test_accuracy=run.median,
        last_tenth_readings=len(late),
        final_train_loss=history[-1][3],
        final_clean_train_loss=history[-1][4],
        final_clean_train_accuracy=history[-1][5],
        final_test_loss=history[-1][6],
        expected_calibration_error=abs(confidence - accuracy),
        calibration_gap=confidence - accuracy,
        negative_log_likelihood=-accuracy * math.log(confidence) - (1 - accuracy) * math.log(other),
        brier_score=squares + 1 - 2 * (accuracy * confidence + (1 - accuracy) * other),
        timing={
            "started": "2026-01-02T03:04:05Z",
            "training_seconds": seconds - 1,
            "evaluation_seconds": 1.0,
            "total_seconds": seconds,
            "images_per_second": 1000.0,
            "runs": 1,
        },
    )
