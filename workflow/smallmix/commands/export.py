"""`export`: a study's results for other programs and for papers."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smallmix.commands.options import Command, add_root
from smallmix.figures.names import FIGURE_FORMS, FIGURE_NAMES

if TYPE_CHECKING:
    from smallmix.study.named_study import StudyResultsPlace
    from smallmix.tables.study_tables import StudyTables

NOT_OF_KEPT = ("methods_preview", "confusion_matrices")  # figures of images and of predictions, which are not kept

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
    """Write the files; print where they are, and how many cells are missing.

    Everything is made before the first file is written, so that an error leaves the folder as it was.
    """
    from smallmix.atomic_files import copy_file, write_bytes
    from smallmix.report.data_package import unchanged_tables
    from smallmix.report.export import exported_files
    from smallmix.study.named_study import find_results
    from smallmix.study.output_folders import require_free_folder
    from smallmix.tables.configuration_of_results import require_results_meant
    from smallmix.tables.study_tables import load_tables
    from smallmix.wording import count_of

    place = find_results(arguments.study, arguments.root)
    for root in (arguments.root, place.root):
        require_free_folder(arguments.output, root)
    _require_no_other_export(arguments.output, place.study.name)
    require_results_meant(place)
    tables = load_tables(place.study, place.root, place.tables, kept=place.kept)
    files = dict(exported_files(tables, place, predictions=arguments.predictions, forms=arguments.tables))
    left_out: list[str] = []
    with tempfile.TemporaryDirectory() as drawn:
        if not arguments.without_figures:
            left_out = _draw(tables, place, Path(drawn), arguments.figures)
        figures = sorted(Path(drawn).iterdir())
        removed = [name for name in unchanged_tables(arguments.output) if name not in files]
        for name, content in files.items():
            write_bytes(arguments.output / name, content)
        for path in figures:
            copy_file(path, arguments.output / "figures" / path.name)
    for name in removed:
        (arguments.output / name).unlink(missing_ok=True)
    if removed:
        print(f"removed {count_of(len(removed), 'table')} of an earlier export, such as {removed[0]}")
    written = {*files, *(f"figures/{path.name}" for path in figures)}
    older = [name for name in _tables_and_figures(arguments.output) if name not in written]
    if older:
        print(f"left {count_of(len(older), 'other file')} in tables/ and figures/ as they are, such as {older[0]}")
    if left_out:
        print(f"left out, because a kept study has no images and no predictions: {', '.join(left_out)}")
    unfinished = int((tables.cells["status"] != "current").sum())
    if unfinished:
        print(f"{unfinished} of {len(tables.cells)} cells have no current result and are not in the tables")
    print(f"wrote {len(files) + len(figures)} files: {arguments.output}")
    return 0


def _tables_and_figures(folder: Path) -> list[str]:
    """Return the names of the files in the export's folders of tables and figures, sorted."""
    found = (path for name in ("tables", "figures") for path in (folder / name).glob("*"))
    return sorted(str(path.relative_to(folder)) for path in found)


def _draw(tables: StudyTables, place: StudyResultsPlace, folder: Path, forms: Sequence[str]) -> list[str]:
    """Draw the figures into a folder; return the names of those that a kept study has nothing for."""
    from smallmix.figures.catalogue import plot_figure

    left_out = [name for name in FIGURE_NAMES if place.kept and name in NOT_OF_KEPT]
    for name in FIGURE_NAMES:
        if name not in left_out:
            plot_figure(name, tables, place.root, folder, forms, for_phones=False)
    return left_out


def _require_no_other_export(folder: Path, study: str) -> None:
    """Raise ConfigurationError where the folder has the export of another study, whose files would stay among these."""
    from smallmix.errors import ConfigurationError
    from smallmix.report.data_package import PACKAGE_FILE, package_name, read_package_name

    found = read_package_name(folder / PACKAGE_FILE)
    if found not in (None, package_name(study)):
        raise ConfigurationError(
            f"{folder} has the export of another study ({found}), whose files would be mixed with these. Name another "
            "folder."
        )


COMMANDS = {
    "export": Command(
        "write a study's tables as CSV with a data dictionary, as LaTeX and Markdown, and its figures",
        _declare,
        _export,
    ),
}
