"""`export`: a study's results for other programs and for papers."""

from __future__ import annotations

import argparse
from pathlib import Path

from smallmix.commands.options import Command, add_root
from smallmix.figures.names import FIGURE_NAMES


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="a name, a YAML file, or a folder of results")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write")
    parser.add_argument("--predictions", action="store_true", help="also the predictions of every cell, as CSV")
    parser.add_argument("--without-figures", action="store_true", help="tables only, which takes seconds less")
    add_root(parser)


def _export(arguments: argparse.Namespace) -> int:
    """Write the files; print where they are, and how many cells are missing."""
    from smallmix.atomic_files import write_bytes
    from smallmix.report.export import exported_files
    from smallmix.study.layout import Layout
    from smallmix.study.named_study import named_study
    from smallmix.tables.study_tables import load_tables

    study = named_study(arguments.study, arguments.root)
    layout = Layout(study, arguments.root)
    tables = load_tables(study, arguments.root)
    count = 0
    for name, content in exported_files(tables, layout, predictions=arguments.predictions):
        write_bytes(arguments.output / name, content)
        count += 1
    if not arguments.without_figures:
        from smallmix.figures.catalogue import plot_figure_for_print

        for name in FIGURE_NAMES:
            count += len(plot_figure_for_print(name, tables, arguments.root, arguments.output / "figures"))
    unfinished = int((tables.cells["status"] != "current").sum())
    if unfinished:
        print(f"{unfinished} of {len(tables.cells)} cells have no current result and are not in the tables")
    print(f"wrote {count} files: {arguments.output}")
    return 0


COMMANDS = {
    "export": Command(
        "write a study's tables as CSV with a data dictionary, as LaTeX and Markdown, and its figures",
        _declare,
        _export,
    ),
}
