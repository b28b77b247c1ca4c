"""A kept study, read back from its few files, in the form of a collection of cells as if they had been collected here.

What is kept has numbers and a configuration. It has no fingerprint of the images that a cell was trained on, and names
the fingerprints of the code for all cells together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from smallmix.errors import SmallmixError
from smallmix.fingerprints import canonical_json
from smallmix.study.named_study import StudyResultsPlace
from smallmix.study.study import Study, StudyCell, cell_id
from smallmix.tables.cell_status import CellStatus, Collection
from smallmix.tables.columns import CELL_NUMBERS, METRICS, VALIDATION_NUMBERS
from smallmix.tables.provenance_file import read_provenance
from smallmix.tables.table_files import read_kept_columns

NOT_KEPT = "not among the kept numbers"


def read_kept(place: StudyResultsPlace) -> Collection:
    """Return the cells of a kept study. Its name says that it is kept: two of one name may stand side by side.

    The metrics of a current cell have the numbers of metrics.csv (None where it has none), the environment, and as
    data_fingerprint the images that the configuration chooses. code_fingerprints are those of the whole study.
    Raises SmallmixError where a file is missing or damaged, or where metrics.csv has cells of another study.
    """
    path = place.tables / "metrics.csv"
    found = dict(_numbers(path))
    provenance = _read_provenance(place.tables / "provenance.json")
    environments = {
        str(cell): dict(group.get("environment", {}))
        for group in provenance.get("environments", [])
        for cell in group.get("cells", [])
    }
    codes = sorted(map(str, provenance.get("code_fingerprints", [])))
    records = []
    for cell in place.study.cells:
        if cell.id not in found:
            records.append(CellStatus(cell, "missing", NOT_KEPT))
            continue
        numbers = found.pop(cell.id)
        origin = {"code_fingerprints": codes, "environment": environments.get(cell.id, {})}
        records.append(CellStatus(cell, "current", metrics={**numbers, **origin, **_declared(place.study, cell)}))
    if found:
        raise SmallmixError(
            f"{path} has a row of {next(iter(found))}, which is no cell of the study.json beside it. Restore both from "
            "version control, or keep the study again."
        )
    return Collection(_named_as_kept(place), tuple(records))


def with_declared_images(collection: Collection) -> Collection:
    """Return the collection with the images that the configuration chooses, as of a kept study, as data_fingerprint."""
    return replace(
        collection,
        records=tuple(
            one
            if one.metrics is None
            else replace(one, metrics={**one.metrics, **_declared(collection.study, one.cell)})
            for one in collection.records
        ),
    )


def _declared(study: Study, cell: StudyCell) -> dict[str, str]:
    value = cell.value
    return {
        "data_fingerprint": canonical_json(
            {"name": study.dataset, "dataset": asdict(value.dataset), "subset": asdict(value.subset)}
        )
    }


def _named_as_kept(place: StudyResultsPlace) -> Study:
    """Return the study by a name that says it is kept, and where, unless the folder has its name."""
    study, folder = place.study, place.tables.resolve().name
    where = "kept" if folder == study.name else f"kept in {folder}"
    return replace(study, configuration={**study.configuration, "study": f"{study.name} ({where})"})


def _numbers(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the numbers of every row by the id of its cell."""
    columns = read_kept_columns(path, METRICS)
    names = [column.name for column in (*CELL_NUMBERS, *VALIDATION_NUMBERS)]
    values = {name: columns[name].tolist() for name in names}
    places = zip(columns["size"].tolist(), columns["method"].tolist(), columns["seed"].tolist(), strict=True)
    for row, (size, method, seed) in enumerate(places):
        numbers = {name: None if math.isnan(values[name][row]) else values[name][row] for name in names}
        yield cell_id(size, method, seed), numbers


def _read_provenance(path: Path) -> dict[str, Any]:
    try:
        return read_provenance(path)
    except (OSError, ValueError) as error:
        raise SmallmixError(f"cannot read {path}: {error}. Restore the file from version control.") from error
