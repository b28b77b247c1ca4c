"""datapackage.json: a data dictionary of exported tables, as a Tabular Data Package (Frictionless Data, version 1)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallmix.report.citation import Citation
from smallmix.report.unchanged_files import unchanged_files
from smallmix.study.study import Study
from smallmix.tables.table_form import Column

PACKAGE_FILE = "datapackage.json"
ALGORITHM = "sha256:"  # before a checksum
PROFILE, RESOURCE_PROFILE = "tabular-data-package", "tabular-data-resource"
TYPES = {"int": "integer", "float": "number", "text": "string"}
NOT_ALLOWED = re.compile(r"[^a-z0-9._/-]")  # in the name of a package or resource


@dataclass(frozen=True)
class ExportedTable:
    """A CSV file of the package: its place in the folder, what a row is, its columns and its content."""

    path: str
    rows: str
    columns: Sequence[Column]
    content: bytes


def describe_package(study: Study, tables: Sequence[ExportedTable], citation: Citation) -> str:
    """Return datapackage.json as text."""
    value = {
        "profile": PROFILE,
        "name": package_name(study.name),
        "title": study.title,
        "description": f"Tables of the study {study.name}. Accuracies are fractions, losses are in nats.",
        "licenses": [{"name": citation.licence, "path": citation.licence_address}],
        "resources": [_resource(table) for table in tables],
    }
    if citation.authors:
        value["contributors"] = [{"title": name, "role": "author"} for name in citation.authors]
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def package_name(study: str) -> str:
    """Return the name of a study's package."""
    return _name(f"smallmix-{study}")


def read_package_name(path: Path) -> str | None:
    """Return the name of the package that a datapackage.json describes; None where there is none that can be read."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def unchanged_tables(folder: Path) -> list[str]:
    """Return the tables that the datapackage.json of a folder lists with the checksum that they still have, sorted."""
    try:
        listed = json.loads((folder / PACKAGE_FILE).read_text(encoding="utf-8"))["resources"]
        checksums = {str(one["path"]): str(one["hash"]).removeprefix(ALGORITHM) for one in listed}
        return unchanged_files(folder, checksums)
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _resource(table: ExportedTable) -> dict[str, Any]:
    return {
        "profile": RESOURCE_PROFILE,
        "name": _name(table.path.removeprefix("data/").removesuffix(".csv").replace("/", "-")),
        "path": table.path,
        "description": f"A row is {table.rows}.",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": len(table.content),
        "hash": f"{ALGORITHM}{hashlib.sha256(table.content).hexdigest()}",
        "schema": {"fields": [_field(column) for column in table.columns], "missingValues": [""]},
    }


def _field(column: Column) -> dict[str, Any]:
    unit = f" Unit: {column.unit}." if column.unit else ""
    field: dict[str, Any] = {
        "name": column.name,
        "type": TYPES[column.dtype],
        "description": f"{column.meaning}.{unit}",
    }
    # A text may be empty wherever it likes; a number only where that is declared.
    if column.dtype != "text" and not column.may_be_empty:
        field["constraints"] = {"required": True}
    return field


def _name(text: str) -> str:
    return NOT_ALLOWED.sub("-", text.lower())
