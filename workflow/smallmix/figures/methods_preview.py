"""What each method does to a batch: pairs of real images, their mixtures, and the labels that the network learns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smallmix.datasets.description import DatasetDescription, find_description
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
from smallmix.own_code import names_own_code
from smallmix.science.batch_plan import BatchPlan, PlanChunk
from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Method
from smallmix.study.layout import Layout
from smallmix.study.study import StudyCell
from smallmix.wording import visible_text

EXAMPLES = 6
LONGEST_NAME = 16  # letters beside a row
LONGEST_LABEL = 60  # letters of a class's name in the table behind the figure
NOTHING_DRAWN = "-"
LEAST_SHARE = 0.005  # of a label that is shown; less would be written 0 %
Pixels = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MixedExample:
    """An image and what a method makes of it. Images are uint8 [H, W, C]; weights belong to the own side.

    `weight` is None where the method draws none for the image, `stage` where it mixes no features. Stage 0 is the
    images. The label's shares are those of the own class, of the partner's, and of what is spread over all classes;
    None where the method's loss is not the cross-entropy against one target. `own_draws` are what a method of the
    user's own drew for the image or its batch, in words; None of a method of smallmix's.
    """

    own_image: Pixels
    partner_image: Pixels
    mixed_image: Pixels
    weight: float | None
    stage: int | None
    own_label: str
    partner_label: str
    shares: tuple[float, float, float] | None
    own_draws: tuple[str, ...] | None = None

    @property
    def drawn(self) -> list[str]:
        """Return what was drawn for the image, in lines of a few letters; none where only the picture shows it."""
        weight = [] if self.weight is None else [f"λ = {self.weight:.2f}"]
        place = [] if self.stage is None else [f"at stage {self.stage}" if self.stage else "at the images"]
        return weight + place

    @property
    def all_drawn(self) -> list[str]:
        """Return the same with what a method of the user's own drew, which has no place below a picture."""
        return [*self.drawn, *(self.own_draws or ())]

    def label(self, letters: int) -> list[str]:
        """Return the label that the network learns, with its shares; class names are cut to `letters` letters."""
        if self.shares is None:
            return [visible_text(self.own_label, letters), "own loss"]
        named = zip(self.shares, (self.own_label, self.partner_label, "spread"), strict=True)
        parts = [(share, name) for share, name in named if share >= LEAST_SHARE]
        if len(parts) == 1:
            return [visible_text(parts[0][1], letters)]
        # Percentages that add up to 100: the last one is what is left.
        whole = [round(100 * share) for share, _ in parts[:-1]]
        percent = [*whole, 100 - sum(whole)]
        return [f"{share} % {visible_text(name, letters - 5)}" for share, (_, name) in zip(percent, parts, strict=True)]


def mixed_examples(layout: Layout, classes: Sequence[str], count: int) -> dict[str, list[MixedExample]]:
    """Return for each method of the study up to `count` examples, one from each of its first batches.

    They come from the plan of the smallest size and first seed. Crops and flips are left out, to show the mixing alone.
    All methods mix the same pairs, as in training. Empty where the images or the subset's table are not there yet.
    """
    study = layout.study
    size, seed = min(study.sizes), study.seeds[0]
    cells = [cell for cell in study.cells if cell.size == size and cell.seed == seed]
    paths = (layout.dataset / "train_images.npy", layout.dataset / "train_labels.npy", layout.subset_of(size, seed))
    description = find_description(layout.dataset)
    if not cells or description is None or not all(path.exists() for path in paths):
        return {}
    images, labels = np.load(paths[0], mmap_mode="r"), np.load(paths[1])
    chosen = pd.read_csv(paths[2], usecols=["row"])["row"].to_numpy()
    pixels = PixelScale.of(description)
    return {cell.method: _examples_of(cell, (images, labels, chosen), pixels, classes, count) for cell in cells}


@dataclass(frozen=True)
class PixelScale:
    """The normalisation of training, and the way back: methods mix normalised images. Both are [C, 1, 1]."""

    mean: Numbers
    deviation: Numbers

    @classmethod
    def of(cls, description: DatasetDescription) -> PixelScale:
        """Return the scale of a data set; a channel without any variation is only shifted."""
        deviation = [value if value > 0 else 1.0 for value in description.deviation]
        mean, scale = (np.array(values, np.float32)[:, None, None] for values in (description.mean, deviation))
        return cls(mean, scale)

    def normalize(self, images: Pixels) -> Numbers:
        """Return images uint8 [B, H, W, C] as float32 [B, C, H, W]."""
        scaled = images.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        return (scaled - self.mean) / self.deviation

    def to_pixels(self, image: Numbers) -> Pixels:
        """Return an image float32 [C, H, W] as uint8 [H, W, C]; what lies outside of the scale is black or white."""
        levels = np.nan_to_num((image * self.deviation + self.mean) * 255)
        pixels: Pixels = np.rint(np.clip(levels, 0, 255)).astype(np.uint8).transpose(1, 2, 0)
        return pixels


def _examples_of(
    cell: StudyCell,
    stored: tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]],
    pixels: PixelScale,
    classes: Sequence[str],
    count: int,
) -> list[MixedExample]:
    images, labels, chosen = stored
    plan = BatchPlan(cell.value)
    method, chunk = plan.method, plan.chunk(0)
    treat = _treat_arrays if method.mixes_arrays else _treat_tensors
    examples = []
    for iteration in range(min(count, len(chunk))):
        batch = int(chunk.batch_sizes[iteration])
        rows = chosen[chunk.rows[iteration][:batch]]
        partners = rows[chunk.partner[iteration][:batch]]
        different = np.flatnonzero(labels[rows] != labels[partners])
        position = int(different[0]) if len(different) else 0
        treated, targets = treat(method, pixels.normalize(images[rows]), labels[rows], len(classes), chunk, iteration)
        weight = _drawn_number(chunk, "image_weight", iteration, position)
        stage = None
        if method.mixes_features:
            stage = _drawn_number(chunk, "stage", iteration, position)
            weight = _drawn_number(chunk, "label_weight", iteration, position) if weight is None else weight
        own, partner = int(labels[rows[position]]), int(labels[partners[position]])
        examples.append(
            MixedExample(
                own_image=np.asarray(images[rows[position]]),
                partner_image=np.asarray(images[partners[position]]),
                mixed_image=pixels.to_pixels(treated[position]),
                weight=weight,
                stage=None if stage is None else int(stage),
                own_label=str(classes[own]),
                partner_label=str(classes[partner]),
                shares=_shares(targets[position], own, partner),
                own_draws=_own_draws(chunk, iteration, position) if names_own_code(cell.value.method.mix) else None,
            )
        )
    return examples


def _drawn_number(chunk: PlanChunk, name: str, iteration: int, position: int) -> float | None:
    """Return what a method has drawn under a name for an image or for its batch; None where that is no number."""
    table = chunk.drawn.get(name)
    if table is None or table.ndim > 2:
        return None
    return float(table[iteration] if table.ndim == 1 else table[iteration, position])


def _own_draws(chunk: PlanChunk, iteration: int, position: int) -> tuple[str, ...]:
    """Return what a method drew for an image or for its batch, by the names of its tables."""
    words = []
    for name, table in chunk.drawn.items():
        drawn = table[iteration] if table.ndim == 1 else table[iteration, position]
        if np.ndim(drawn):
            words.append(f"{name}: {' x '.join(map(str, drawn.shape))} values")
        else:
            words.append(f"{name} = {f'{drawn:.3g}' if table.dtype.kind == 'f' else str(drawn).lower()}")
    return tuple(words)


def _treat_arrays(
    method: Method, images: Numbers, labels: npt.NDArray[Any], classes: int, chunk: PlanChunk, iteration: int
) -> tuple[Numbers, Numbers]:
    """Return a batch's mixed images and their targets [B, classes], without PyTorch, whose import takes seconds."""
    batch = len(images)
    tables: Any = {
        name: table[iteration][:batch] if table.ndim > 1 else table[iteration] for name, table in chunk.tables.items()
    }
    row = BatchRow.of(tables).with_side(images.shape[-1])
    # What takes arrays as well as tensors is declared for tensors alone.
    any_images: Any = images
    one_hot: Any = np.eye(classes, dtype=np.float32)[labels]
    return np.asarray(method.mix(any_images, row)), np.asarray(method.target(one_hot, row))


def _treat_tensors(
    method: Method, images: Numbers, labels: npt.NDArray[Any], classes: int, chunk: PlanChunk, iteration: int
) -> tuple[Numbers, Numbers]:
    """Do as `_treat_arrays`, by tensors.

    Cross-entropy is linear in the logarithms of the probabilities: its gradient is the target, whatever way the
    method computes it.
    """
    import torch

    from smallmix.science.steps import row_of, upload

    row = row_of(upload(chunk, torch.device("cpu")), iteration, len(images)).with_side(images.shape[-1])
    guess = torch.full((len(images), classes), -math.log(classes), requires_grad=True)
    loss = method.loss(guess, torch.from_numpy(labels), row)
    (gradient,) = torch.autograd.grad(loss, guess)
    mixed = method.mix(torch.from_numpy(images), row)
    return mixed.detach().numpy(), -len(images) * gradient.numpy()


def _shares(target: Numbers, own: int, partner: int) -> tuple[float, float, float] | None:
    """Return the target's shares of the own class, of the partner's, and of what is spread over all classes."""
    if abs(float(target.sum()) - 1) > LEAST_SHARE:
        return None
    others = np.delete(target, [own, partner])
    spread = float(others.min()) if len(others) else 0.0
    own_share = float(target[own]) - spread
    partner_share = float(target[partner]) - spread if partner != own else 0.0
    return own_share, partner_share, 1 - own_share - partner_share


Examples = Mapping[str, Sequence[MixedExample]]


@publication_style()
def draw_methods_preview(examples: Examples) -> Figure:
    """Draw two rows of pairs, then one row per method with what it makes of them, and the label under each."""
    methods = list(examples)
    columns = max((len(examples[method]) for method in methods), default=0)
    if not columns:
        return write_nothing_yet(new_figure(PAGE_WIDTH, 2.4), "The images are not there yet.")
    pairs = examples[methods[0]]
    names = 0.3 + 0.085 * max(len(visible_text(method, LONGEST_NAME)) for method in methods)
    side = (PAGE_WIDTH - names) / columns - 0.1
    letters = max(5, int((side + 0.1) / 0.062))
    words = {method: [_words_below(example, letters) for example in examples[method]] for method in methods}
    lines = [max((text.count("\n") + 1 for text in words[method]), default=0) for method in methods]
    # Three lines below each row, as most methods need, so that pictures of studies have one size.
    more = sum(max(count - 3, 0) for count in lines)
    figure = new_figure(PAGE_WIDTH, 0.2 + 2 * (side + 0.25) + len(methods) * (side + 0.52) + 0.14 * more)
    grid = figure.subplots(2 + len(methods), columns, squeeze=False)
    for column in range(columns):
        for row in range(2 + len(methods)):
            _bare(grid[row][column])
        if column < len(pairs):
            _show(grid[0][column], pairs[column].own_image, visible_text(pairs[column].own_label, letters))
            _show(grid[1][column], pairs[column].partner_image, visible_text(pairs[column].partner_label, letters))
        for row, method in enumerate(methods, start=2):
            if column < len(examples[method]):
                _show(grid[row][column], examples[method][column].mixed_image, words[method][column])
    _name_row(grid[0][0], "image", MUTED)
    _name_row(grid[1][0], "partner", MUTED)
    for row, method in enumerate(methods, start=2):
        look = series_look(methods, method)
        _name_row(grid[row][0], visible_text(method, LONGEST_NAME), look.color)
    return figure


def _words_below(example: MixedExample, letters: int) -> str:
    """Return what was drawn for an image, then the label: one class, or several with their shares."""
    return "\n".join([*example.drawn, *example.label(letters)])


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
    """Describe the pairs, and what each method makes of them."""
    rows, sentences = [], []
    for method, several in examples.items():
        drawn = [", ".join(example.all_drawn) for example in several if example.all_drawn]
        own = " (own code)" if any(example.own_draws is not None for example in several) else ""
        if drawn or own:
            sentences.append(f"{method}{own}: {'; '.join(drawn) or 'nothing is drawn'}.")
        for example in several:
            label = ", ".join(example.label(LONGEST_LABEL))
            rows.append(
                (method, example.own_label, example.partner_label, ", ".join(example.all_drawn) or NOTHING_DRAWN, label)
            )
    pairs = next(iter(examples.values()), [])
    names = ", ".join(f"{example.own_label} with {example.partner_label}" for example in pairs)
    inside = any(example.stage is not None for several in examples.values() for example in several)
    own_tables = any(example.own_draws for several in examples.values() for example in several)
    return FigureText(
        title="What each method does to a batch",
        description=" ".join(
            [f"Pairs of training images ({names}) and what each method makes of them.", *sentences]
            if pairs
            else ["The images are not there yet."]
        ),
        caption="One pair from each of the first batches of the smallest subset; every method meets the same pairs. λ "
        "is the weight of the image in the first row; below it the label that the network learns."
        + (" Images that are mixed at a stage of the network enter it as they are." if inside else "")
        + (" What own code drew is named by its tables, in the data of this figure." if own_tables else "")
        + " Crops and flips are left out here.",
        table=FigureTable(("Method", "Image", "Partner", "Drawn", "Label"), tuple(rows)),
    )
