"""All figures by name: what draws each, and what describes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from matplotlib.figure import Figure

from smallmix.atomic_files import write_text
from smallmix.errors import SmallmixError
from smallmix.figures.accuracy_by_class import describe_accuracy_by_class, draw_accuracy_by_class
from smallmix.figures.accuracy_by_size import (
    describe_accuracy_by_size,
    describe_accuracy_by_size_log,
    describe_accuracy_by_size_small,
    draw_accuracy_by_size,
    draw_accuracy_by_size_log,
    draw_accuracy_by_size_small,
)
from smallmix.figures.calibration import describe_calibration, draw_calibration
from smallmix.figures.confusion_matrices import describe_confusion_matrices, draw_confusion_matrices
from smallmix.figures.figure_files import FOR_PAGES, FigureText, save_figure, svg_text
from smallmix.figures.learning_curves import (
    describe_accuracy_curves,
    describe_loss_curves,
    draw_accuracy_curves,
    draw_loss_curves,
)
from smallmix.figures.methods_preview import EXAMPLES, describe_methods_preview, draw_methods_preview, mixed_examples
from smallmix.figures.names import FIGURE_NAMES, NARROW_FIGURES
from smallmix.figures.paired_differences import describe_paired_differences, draw_paired_differences
from smallmix.figures.selection_gap import describe_selection_gap, draw_selection_gap
from smallmix.figures.style import NARROW, WIDE, Page
from smallmix.study.layout import Layout
from smallmix.tables.study_tables import StudyTables


class DrawsTables(Protocol):
    """A function that draws a figure for a page."""

    def __call__(self, tables: StudyTables, page: Page = WIDE) -> Figure:
        """Return the figure."""


@dataclass(frozen=True)
class FigureMaker:
    """The functions that draw a figure from a study's tables and describe it in text."""

    draw: DrawsTables
    describe: Callable[[StudyTables], FigureText]


TABLE_FIGURES: dict[str, FigureMaker] = {
    "accuracy_by_size": FigureMaker(draw_accuracy_by_size, describe_accuracy_by_size),
    "accuracy_by_size_log": FigureMaker(draw_accuracy_by_size_log, describe_accuracy_by_size_log),
    "accuracy_by_size_small": FigureMaker(draw_accuracy_by_size_small, describe_accuracy_by_size_small),
    "paired_differences": FigureMaker(draw_paired_differences, describe_paired_differences),
    "loss_curves": FigureMaker(draw_loss_curves, describe_loss_curves),
    "accuracy_curves": FigureMaker(draw_accuracy_curves, describe_accuracy_curves),
    "selection_gap": FigureMaker(draw_selection_gap, describe_selection_gap),
    "calibration": FigureMaker(draw_calibration, describe_calibration),
    "accuracy_by_class": FigureMaker(draw_accuracy_by_class, describe_accuracy_by_class),
    "confusion_matrices": FigureMaker(draw_confusion_matrices, describe_confusion_matrices),
}


def draw_figure(name: str, tables: StudyTables, root: Path) -> tuple[Figure, FigureText]:
    """Return figure `name` of the study with its text.

    `root` is the project's folder: the preview of the methods shows images of the data set below it.
    Raises SmallmixError for an unknown name, and where the images are not there.
    """
    if name == "methods_preview":
        examples = mixed_examples(Layout(tables.study, root), tables.classes, EXAMPLES)
        return draw_methods_preview(examples), describe_methods_preview(examples)
    if name not in TABLE_FIGURES:
        raise SmallmixError(f"there is no figure {name}. The figures are: {', '.join(FIGURE_NAMES)}.")
    maker = TABLE_FIGURES[name]
    return maker.draw(tables, WIDE), maker.describe(tables)


def plot_figure(
    name: str,
    tables: StudyTables,
    root: Path,
    folder: Path,
    forms: Sequence[str] = FOR_PAGES,
    *,
    for_phones: bool = True,
) -> list[Path]:
    """Draw figure `name` and write `<name>.<form>` to `folder` for some of FIGURE_FORMS; return their paths.

    `for_phones`: the figures of `NARROW_FIGURES` are drawn for phones as well, as `<name>_narrow.svg`.
    """
    figure, text = draw_figure(name, tables, root)
    written = save_figure(figure, folder, name, text, forms)
    if for_phones and name in NARROW_FIGURES:
        narrow = folder / f"{name}_narrow.svg"
        write_text(narrow, svg_text(TABLE_FIGURES[name].draw(tables, NARROW), f"{name}_narrow"))
        written.append(narrow)
    return written
