"""The figures of a study by name, without importing anything heavy: rules and argument parsers read this."""

from __future__ import annotations

# The files that a figure can be written as. JSON has its title, description, caption and numbers.
FIGURE_FORMS: tuple[str, ...] = ("svg", "png", "pdf", "json")

# In the order of the page, which gives them their numbers.
FIGURE_NAMES: tuple[str, ...] = (
    "accuracy_by_size_log",
    "accuracy_by_size",
    "accuracy_by_size_small",
    "methods_preview",
    "paired_differences",
    "loss_curves",
    "accuracy_curves",
    "selection_gap",
    "calibration",
    "accuracy_by_class",
    "confusion_matrices",
)
# Drawn a second time for phones, as `<name>_narrow.svg`: panels below each other, letters that can be read. The others
# hold pictures or matrices, which scroll.
NARROW_FIGURES: tuple[str, ...] = tuple(
    name for name in FIGURE_NAMES if name not in ("methods_preview", "confusion_matrices")
)
