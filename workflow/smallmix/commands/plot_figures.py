"""Draw figures of a study from its tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from smallmix.figures.names import FIGURE_NAMES

SUMMARY = "draw figures of a study from its tables (SVG, PNG, and their text as JSON)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--study", type=Path, required=True, help="the resolved study, results/<study>/study.json")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument("--tables", type=Path, help="the folder of the study's tables (default: beside study.json)")
    parser.add_argument(
        "--figure", action="append", choices=FIGURE_NAMES, metavar="NAME", dest="figures",
        help=f"which figure; may be repeated (default: all of {', '.join(FIGURE_NAMES)})",
    )  # fmt: skip
    parser.add_argument("--output-dir", type=Path, help="where to write (default: reports/<study>/figures)")


def run(arguments: argparse.Namespace) -> int:
    """Draw the figures; print what was written."""
    from smallmix.figures.catalogue import plot_figure
    from smallmix.study.layout import Layout
    from smallmix.study.study import Study
    from smallmix.tables.study_tables import load_tables

    study = Study.load(arguments.study)
    tables = load_tables(study, arguments.root, arguments.tables or arguments.study.parent)
    folder = arguments.output_dir or Layout(study, arguments.root).report / "figures"
    for name in arguments.figures or FIGURE_NAMES:
        for path in plot_figure(name, tables, arguments.root, folder):
            print(f"wrote {path}")
    return 0
