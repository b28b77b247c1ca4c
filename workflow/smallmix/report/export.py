"""A study's results for other programs and for papers: tidy CSV with a data dictionary, LaTeX, Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from smallmix.errors import SmallmixError
from smallmix.report.citation import read_citation
from smallmix.report.classes_section import balance_view, class_view, metrics_view
from smallmix.report.data_package import PACKAGE_FILE, ExportedTable, describe_package
from smallmix.report.differences_section import comparison_view
from smallmix.report.scatter_section import scatter_view
from smallmix.report.seeds_section import seeds_view
from smallmix.report.table_formats import as_csv, as_latex, as_markdown
from smallmix.report.tables_section import TableView, accuracy_view, sensitivity_view, subset_view
from smallmix.study.layout import Layout
from smallmix.study.named_study import StudyResultsPlace
from smallmix.study.study import cell_id
from smallmix.tables.predictions import prediction_columns, predictions_table
from smallmix.tables.study_tables import TABLES_READ, StudyTables
from smallmix.tables.table_files import read_header
from smallmix.tables.table_form import Table

FORMS = {"csv": (".csv", as_csv), "markdown": (".md", as_markdown), "latex": (".tex", as_latex)}


def exported_files(
    tables: StudyTables, place: StudyResultsPlace, *, predictions: bool, forms: Iterable[str] = tuple(FORMS)
) -> Iterator[tuple[str, bytes]]:
    """Return the files of the export by their names in its folder, all but the figures.

    `place` is where the tables were read. `forms` are the forms of the report's tables, of FORMS. `predictions` adds
    those of every finished cell.
    Raises SmallmixError where the study has no collected result, and for the predictions of kept results.
    """
    if tables.metrics.empty:
        raise SmallmixError(
            f"study {tables.study.name} has no collected result in {place.tables}. Run it to its report first."
        )
    if predictions and place.kept:
        raise SmallmixError(f"predictions are not kept in {place.tables}. Leave out --predictions.")
    described = [
        _exported(place.tables / table.file, table)
        for table in (table.of_study(tables.study.validation_images) for table in TABLES_READ.values())
        if (place.tables / table.file).exists()
    ]
    for table in described:
        yield table.path, table.content
    if predictions:
        for table in _predictions(tables, place.layout):
            yield table.path, table.content
            described.append(table)
    yield PACKAGE_FILE, describe_package(tables.study, described, read_citation()).encode()
    for view in _views(tables):
        name = view.name.removeprefix("table-")
        for suffix, write in dict.fromkeys(FORMS[form] for form in forms):
            yield f"tables/{name}{suffix}", write(view).encode()


def _exported(path: Path, table: Table) -> ExportedTable:
    """Return a table as it lies there. One that an older version wrote is described by the columns that it has."""
    present = read_header(path)
    columns = [column for column in table.columns if column.name in present]
    return ExportedTable(f"data/{table.file}", table.rows, columns, path.read_bytes())


def _views(tables: StudyTables) -> list[TableView]:
    found = (
        *(accuracy_view(tables), sensitivity_view(tables), comparison_view(tables), subset_view(tables)),
        *(class_view(tables), balance_view(tables), metrics_view(tables)),
        *(seeds_view(tables), scatter_view(tables)),
    )
    return [view for view in found if view is not None]


def _predictions(tables: StudyTables, layout: Layout) -> Iterator[ExportedTable]:
    current = tables.cells[tables.cells["status"] == "current"]
    for size, method, seed in zip(current["size"], current["method"], current["seed"], strict=True):
        cell = layout.study.cell(cell_id(size, method, seed))
        frame = predictions_table(layout.cell(cell) / "predictions.npz")
        yield ExportedTable(
            f"predictions/{cell.id}.csv",
            f"a test image, as predicted by the network of {cell.id}",
            prediction_columns(frame.shape[1] - 3),
            frame.to_csv(index=False, lineterminator="\n").encode(),
        )
