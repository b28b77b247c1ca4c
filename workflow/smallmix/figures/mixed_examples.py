"""Images as the training mixes them: the first batches of a study's own plan, a pair from each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from smallmix.science.batch_plan import BatchPlan
from smallmix.study.layout import Layout
from smallmix.study.study import StudyCell

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class MixedExample:
    """One image and what a method makes of it. Images are uint8 [H, W, C]; weights belong to the own side."""

    own_image: Pixels
    partner_image: Pixels
    mixed_image: Pixels
    image_weight: float
    label_weight: float
    own_label: str
    partner_label: str


def mixed_examples(layout: Layout, classes: Sequence[str], count: int) -> dict[str, list[MixedExample]]:
    """For each method of the study up to `count` examples, one from each of its first batches.

    They come from the plan of the smallest size and first seed. Crops and flips are left out, to show the mixing alone.
    All methods mix the same pairs, as in training. Empty where the images or the subset's table are not there yet.
    """
    study = layout.study
    size, seed = min(study.sizes), study.seeds[0]
    cells = [cell for cell in study.cells if cell.size == size and cell.seed == seed]
    paths = (layout.dataset / "train_images.npy", layout.dataset / "train_labels.npy", layout.subset_of(size, seed))
    if not cells or not all(path.exists() for path in paths):
        return {}
    return {cell.method: _examples_of(cell, *paths, classes, count) for cell in cells}


def _examples_of(
    cell: StudyCell, images_file: Path, labels_file: Path, subset_file: Path, classes: Sequence[str], count: int
) -> list[MixedExample]:
    images, labels = np.load(images_file, mmap_mode="r"), np.load(labels_file)
    chosen = pd.read_csv(subset_file, usecols=["row"])["row"].to_numpy()
    plan = BatchPlan(cell.value).chunk(0)
    examples = []
    for iteration in range(min(count, len(plan))):
        rows = chosen[plan.rows[iteration][: plan.batch_sizes[iteration]]]
        partners = rows[plan.partner[iteration][: plan.batch_sizes[iteration]]]
        different = np.flatnonzero(labels[rows] != labels[partners])
        position = int(different[0]) if len(different) else 0
        own, partner = np.asarray(images[rows[position]]), np.asarray(images[partners[position]])
        weight = float(plan.image_weight[iteration])
        mixed = np.rint(weight * own.astype(np.float64) + (1 - weight) * partner.astype(np.float64))
        examples.append(
            MixedExample(
                own_image=own,
                partner_image=partner,
                mixed_image=mixed.astype(np.uint8),
                image_weight=weight,
                label_weight=float(plan.label_weight[iteration]),
                own_label=str(classes[int(labels[rows[position]])]),
                partner_label=str(classes[int(labels[partners[position]])]),
            )
        )
    return examples
