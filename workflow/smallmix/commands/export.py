"""`export`: a study's results for other programs and for papers."""

from __future__ import annotations

import argparse
from pathlib import Path

from smallmix.commands.options import Command, add_root
from smallmix.figures.names import FIGURE_FORMS, FIGURE_NAMES

TABLE_FORMS = ("latex", "markdown", "csv")


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="a name, a YAML file, or a folder of results")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write")
    parser.add_argument("--predictions", action="store_true", help="also the predictions of every cell, as CSV")
    parser.add_argument(
        "--tables", nargs="+", choices=TABLE_FORMS, default=TABLE_FORMS,
        help="the forms of the report's tables (default: all)",
    )  # fmt: skip
    figures = parser.add_mutually_exclusive_group()
    figures.add_argument(
        "--figures", nargs="+", choices=FIGURE_FORMS, default=FIGURE_FORMS,
        help="the forms of the figures; json has their captions and numbers (default: all)",
    )  # fmt: skip
    figures.add_argument("--without-figures", action="store_true", help="tables only, which takes seconds less")
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
    for name, content in exported_files(tables, layout, predictions=arguments.predictions, forms=arguments.tables):
        write_bytes(arguments.output / name, content)
        count += 1
    if not arguments.without_figures:
        from smallmix.figures.catalogue import plot_figure

        folder = arguments.output / "figures"
        for name in FIGURE_NAMES:
            count += len(plot_figure(name, tables, arguments.root, folder, arguments.figures, for_phones=False))
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
