"""`plot-figures`, `render-report`, `report`, `keep`: what people look at, and what they keep."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smallmix.commands.options import (
    Command,
    add_configuration,
    add_study,
    add_study_names,
    add_tables,
    load_layout,
)
from smallmix.figures.names import FIGURE_NAMES
from smallmix.study.study_names import study_files

if TYPE_CHECKING:
    from smallmix.study.layout import Layout


def _declare_plot(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    add_tables(parser)
    parser.add_argument(
        "--figure", action="append", choices=FIGURE_NAMES, metavar="NAME", dest="figures",
        help=f"which figure; may be repeated (default: all of {', '.join(FIGURE_NAMES)})",
    )  # fmt: skip
    parser.add_argument("--output-dir", type=Path, help="where to write (default: reports/<study>/figures)")


def _plot(arguments: argparse.Namespace) -> int:
    """Draw the figures; print what was written."""
    from smallmix.figures.catalogue import plot_figure
    from smallmix.tables.study_tables import DRAWN, load_tables

    layout = load_layout(arguments)
    folder_of_tables = arguments.tables or arguments.study.parent
    tables = load_tables(layout.study, layout.root, folder_of_tables, arguments.published, only=DRAWN)
    folder = arguments.output_dir or layout.report / "figures"
    for name in arguments.figures or FIGURE_NAMES:
        for path in plot_figure(name, tables, layout.root, folder):
            print(f"wrote {path}")
    return 0


def _declare_render(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    add_tables(parser)
    parser.add_argument("--figures", type=Path, help="the folder of the figures (default: reports/<study>/figures)")
    parser.add_argument("--command", dest="made_by", help="the call that runs the study, for a page of unfinished runs")
    parser.add_argument("--output", type=Path, help="the page (default: reports/<study>/report.html)")


def _render(arguments: argparse.Namespace) -> int:
    """Render the page; print where it is."""
    from smallmix.atomic_files import write_text
    from smallmix.report.page import render_page
    from smallmix.report.runs_section import find_logs
    from smallmix.tables.study_tables import WRITTEN_OUT, load_tables

    layout = load_layout(arguments)
    folder_of_tables = arguments.tables or arguments.study.parent
    tables = load_tables(layout.study, layout.root, folder_of_tables, arguments.published, only=WRITTEN_OUT)
    output = arguments.output or layout.report / "report.html"
    figures = arguments.figures or layout.report / "figures"
    write_text(output, render_page(tables, figures, command=arguments.made_by, logs=find_logs(layout, output)))
    print(f"wrote {output}")
    return 0


def _declare_report(parser: argparse.ArgumentParser) -> None:
    add_study_names(parser)
    add_configuration(parser)
    parser.add_argument("--command", dest="made_by", help="the call that runs the study (default: by the files)")
    parser.add_argument("--brief", action="store_true", help="say only where the page is")


def _report(arguments: argparse.Namespace) -> int:
    """Do every step from collection to report; a step that cannot be done leaves its part of the report empty."""
    from smallmix.report.so_far import report_so_far
    from smallmix.study.command_lines import choose_study, run_command
    from smallmix.study.layout import Layout
    from smallmix.tables.collect import list_cells

    known = arguments.configuration
    files = study_files(arguments.studies, arguments.root)
    study = choose_study(known, files)
    made_by = arguments.made_by or (None if known else run_command(files[1:]))
    layout = Layout(study, arguments.root)
    collection, page, left_out = report_so_far(layout, made_by)
    if not arguments.brief:
        print("\n".join([collection.summary(), *list_cells(collection)]))
    finished = layout.report / "report.html"
    if finished.exists() and not left_out and all(record.status == "current" for record in collection.records):
        print(f"the study is complete, its report is {finished}")
    without = f" (without {', '.join(left_out)}, for which files are missing)" if left_out else ""
    print(f"what there is so far: {page}{without}")
    return 0


def _declare_keep(parser: argparse.ArgumentParser) -> None:
    add_study_names(parser)
    parser.add_argument("--output", type=Path, help="the folder (default: reports/reference/<study>)")
    parser.add_argument("--command", dest="made_by", help="the command to note (default: snakemake with these files)")
    parser.add_argument(
        "--study",
        dest="stated",
        metavar="NAME",
        help="the study's name, where it was run with --config study=NAME because a file states none",
    )
    parser.add_argument(
        "--weights",
        nargs="+",
        default=[],
        metavar="CELL",
        help="also the trained networks of these cells, such as n500/label-mix/seed0 (default: none)",
    )


def _keep(arguments: argparse.Namespace) -> int:
    """Write the files; print where they are and how large."""
    from smallmix.atomic_files import write_bytes
    from smallmix.planning.own_code_copies import copies_of
    from smallmix.report.kept_configuration import keep_configuration
    from smallmix.report.kept_results import kept_files
    from smallmix.report.run_crate import kept_before
    from smallmix.study.command_lines import run_command
    from smallmix.study.configuration import load_study
    from smallmix.study.layout import Layout
    from smallmix.study.named_study import KEPT
    from smallmix.study.output_folders import require_free_folder
    from smallmix.tables.study_tables import load_tables
    from smallmix.wording import count_of

    files_merged = study_files(arguments.studies, arguments.root)
    stated = {"study": arguments.stated} if arguments.stated else {}
    study = load_study(files_merged, stated)
    layout = Layout(study, arguments.root)
    _require_the_study_of_the_results(layout)
    # The page speaks of the user's code as the cells were trained by it.
    study = study.with_files(str(path) for path in copies_of(layout) if path.is_file())
    folder = arguments.output or arguments.root / KEPT / study.name
    require_free_folder(folder, arguments.root, kept=True)
    _require_no_other_study(folder, study.name)
    # What the command names must be at hand: the project brings its own studies, all other overlays go along.
    along = keep_configuration(files_merged, layout, folder)
    command = arguments.made_by or run_command(along.overlays, stated)
    networks = _networks(layout, arguments.weights)
    tables, figures = load_tables(study, arguments.root), layout.report / "figures"
    files = kept_files(tables, layout.results, figures, command, along.files, networks)
    left = [name for name in kept_before(folder, study.name) if name not in files]
    for name, content in files.items():
        write_bytes(folder / name, content)
    for name in left:
        (folder / name).unlink(missing_ok=True)
    if left:
        print(f"removed {count_of(len(left), 'file')} of what was kept there before, such as {left[0]}")
    networks_there = sorted((folder / "networks").glob("*.safetensors"))
    unlisted = [path for path in networks_there if f"networks/{path.name}" not in files]
    if unlisted:
        print(
            f"left {count_of(len(unlisted), 'trained network')} of an earlier keep, which the model card does not list "
            f"any more, such as {unlisted[0]}"
        )
    print(f"wrote {len(files)} files, {sum(map(len, files.values())) / 1e6:.2f} MB: {folder}")
    return 0


def _require_no_other_study(folder: Path, name: str) -> None:
    """Raise ConfigurationError where the folder has another kept study, which nothing else has a record of."""
    from smallmix.errors import ConfigurationError
    from smallmix.study.study import Study

    if not (folder / "study.json").is_file():
        return
    found = Study.load(folder / "study.json").name
    if found != name:
        raise ConfigurationError(
            f"{folder} has the kept results of another study, {found}. Name another folder with --output."
        )


def _require_the_study_of_the_results(layout: Layout) -> None:
    """Raise ConfigurationError where the results were made by another configuration than the one that is named."""
    from smallmix.errors import ConfigurationError
    from smallmix.tables.configuration_of_results import other_configuration

    problem = other_configuration(layout.study, layout.results)
    if problem is not None:
        raise ConfigurationError(
            f"{problem}\nName the files that the study was run with, in their order, and --study NAME where --config "
            "gave its name."
        )


def _networks(layout: Layout, places: Sequence[str]) -> dict[str, Path]:
    """Return the files of the networks of some cells, each checked to be that of the cell's numbers, by the cells' ids.

    Raises SmallmixError where a cell is none of the study's, or has no such network.
    """
    if not places:
        return {}
    from smallmix.study.layout import WEIGHTS_FILE
    from smallmix.training.weights import read_network_of

    cells = [layout.study.cell(place) for place in dict.fromkeys(places)]
    for cell in cells:
        read_network_of(layout, cell)
    return {cell.id: layout.cell(cell) / WEIGHTS_FILE for cell in cells}


COMMANDS = {
    "plot-figures": Command(
        "draw figures of a study from its tables (SVG, PNG, and their text as JSON)",
        _declare_plot,
        _plot,
    ),
    "render-report": Command(
        "write the report of a study as one HTML file, from its tables and figures",
        _declare_render,
        _render,
    ),
    "report": Command(
        "render the report of a study as far as it has come: finished, failed and waiting cells",
        _declare_report,
        _report,
    ),
    "keep": Command(
        "put a finished study's numbers, configuration and report into a small folder, to be kept in version control",
        _declare_keep,
        _keep,
    ),
}
