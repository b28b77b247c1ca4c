"""What each method does to a batch: pairs of real images, their mixtures, and the labels that the network learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smallmix.figures.figure_files import FigureTable, FigureText
from smallmix.figures.style import (
    INK,
    MUTED,
    PAGE_WIDTH,
    new_figure,
    publication_style,
    series_look,
    write_nothing_yet,
)
from smallmix.science.batch_plan import BatchPlan
from smallmix.science.mixing import mix_images
from smallmix.study.layout import Layout
from smallmix.study.study import StudyCell
from smallmix.wording import number, visible_text

EXAMPLES = 6
LONGEST_NAME = 16  # letters beside a row
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class MixedExample:
    """An image and what a method makes of it. Images are uint8 [H, W, C]; weights belong to the own side."""

    own_image: Pixels
    partner_image: Pixels
    mixed_image: Pixels
    image_weight: float
    label_weight: float
    own_label: str
    partner_label: str


def mixed_examples(layout: Layout, classes: Sequence[str], count: int) -> dict[str, list[MixedExample]]:
    """Return for each method of the study up to `count` examples, one from each of its first batches.

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
        weights = {name: table[iteration] for name, table in plan.drawn.items()}
        weight = weights.get("image_weight", np.float32(1))
        # Training mixes after the normalisation, which is linear: mixtures of pixels are the same pictures.
        pair = np.stack([own, partner]).astype(np.float32)
        mixed = np.rint(mix_images(pair, np.array([1, 0]), np.asarray(weight))[0])
        examples.append(
            MixedExample(
                own_image=own,
                partner_image=partner,
                mixed_image=mixed.astype(np.uint8),
                image_weight=float(weight),
                label_weight=float(weights.get("label_weight", 1.0)),
                own_label=str(classes[int(labels[rows[position]])]),
                partner_label=str(classes[int(labels[partners[position]])]),
            )
        )
    return examples


Examples = Mapping[str, Sequence[MixedExample]]


@publication_style()
def draw_methods_preview(examples: Examples) -> Figure:
    """Draw two rows of pairs, then one row per method with the mixtures, and the weights under each mixture."""
    methods = list(examples)
    columns = max((len(examples[method]) for method in methods), default=0)
    if not columns:
        return write_nothing_yet(new_figure(PAGE_WIDTH, 2.4), "The images are not there yet.")
    pairs = examples[methods[0]]
    names = 0.3 + 0.085 * max(len(visible_text(method, LONGEST_NAME)) for method in methods)
    side = (PAGE_WIDTH - names) / columns - 0.1
    figure = new_figure(PAGE_WIDTH, 0.2 + 2 * (side + 0.25) + len(methods) * (side + 0.52))
    letters = max(5, int((side + 0.1) / 0.062))
    grid = figure.subplots(2 + len(methods), columns, squeeze=False)
    for column in range(columns):
        for row in range(2 + len(methods)):
            _bare(grid[row][column])
        if column < len(pairs):
            _show(grid[0][column], pairs[column].own_image, visible_text(pairs[column].own_label, letters))
            _show(grid[1][column], pairs[column].partner_image, visible_text(pairs[column].partner_label, letters))
        for row, method in enumerate(methods, start=2):
            if column < len(examples[method]):
                example = examples[method][column]
                _show(grid[row][column], example.mixed_image, _weights_below(example, letters))
    _name_row(grid[0][0], "image", MUTED)
    _name_row(grid[1][0], "partner", MUTED)
    for row, method in enumerate(methods, start=2):
        look = series_look(methods, method)
        _name_row(grid[row][0], visible_text(method, LONGEST_NAME), look.color)
    return figure


def _weights_below(example: MixedExample, letters: int) -> str:
    """Return the weight of the own image, then the label: one class, or two with their shares."""
    own = visible_text(example.own_label, letters - 5)
    partner = visible_text(example.partner_label, letters - 5)
    if example.label_weight >= 1:
        return f"λ = {example.image_weight:.2f}\n{own}"
    share = round(100 * example.label_weight)
    return f"λ = {example.image_weight:.2f}\n{share} % {own}\n{100 - share} % {partner}"


def _show(axes: Axes, image: Pixels, below: str) -> None:
    pixels = np.squeeze(image, axis=2) if image.shape[2] == 1 else image
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xlabel(below, fontsize=8, color=INK, labelpad=3)


def _name_row(axes: Axes, name: str, color: str) -> None:
    axes.set_ylabel(name, rotation=0, ha="right", va="center", color=color, fontweight="bold", labelpad=8)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)


def describe_methods_preview(examples: Examples) -> FigureText:
    """Describe the pairs and their weights."""
    rows, sentences = [], []
    for method, several in examples.items():
        weights = [number(example.image_weight, 2) for example in several]
        sentences.append(f"{method}: weights of the first image {', '.join(weights)}.")
        for example in several:
            rows.append(
                (
                    method,
                    example.own_label,
                    example.partner_label,
                    number(example.image_weight, 2),
                    f"{number(example.label_weight, 2)} {example.own_label}"
                    + (
                        f", {number(1 - example.label_weight, 2)} {example.partner_label}"
                        if example.label_weight < 1
                        else ""
                    ),
                )
            )
    pairs = next(iter(examples.values()), [])
    names = ", ".join(f"{example.own_label} with {example.partner_label}" for example in pairs)
    return FigureText(
        title="What each method does to a batch",
        description=(f"Pairs of training images ({names}) and their mixtures under each method. " + " ".join(sentences))
        if pairs
        else "The images are not there yet.",
        caption="One pair from each of the first batches of the smallest subset; every method meets the same pairs. λ "
        "is the weight of the image in the first row, drawn once per batch; below it the label that the network "
        "learns. Crops and flips are left out here.",
        table=FigureTable(("Method", "Image", "Partner", "λ", "Label"), tuple(rows)),
    )
