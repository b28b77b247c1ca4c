"""Write the column reference, docs/columns.md, from the declarations of all tables."""

from __future__ import annotations

from smallmix.tables.columns import (
    CELL_HISTORY,
    CELLS,
    CONFUSION,
    HISTORY,
    METRICS,
    PER_CLASS,
    SUBSET,
    SUBSET_TABLE,
    VALIDATION,
)
from smallmix.tables.statistics_columns import (
    CLAIMS,
    CLASS_BALANCE,
    CLASS_SUMMARY,
    COMPARISON,
    OWN_METRIC_SUMMARY,
    OWN_METRICS,
    PUBLISHED_COMPARISON,
    STUDY_COMPARISON,
    SUBSET_SCATTER,
    SUMMARY,
)
from smallmix.tables.table_form import Column

TABLES = (
    *(SUBSET, VALIDATION, SUBSET_TABLE, CELL_HISTORY, METRICS, HISTORY, CELLS, SUMMARY, COMPARISON, CLAIMS),
    *(PER_CLASS, CONFUSION, CLASS_SUMMARY, OWN_METRICS, OWN_METRIC_SUMMARY),
    *(SUBSET_SCATTER, CLASS_BALANCE),
    *(STUDY_COMPARISON, PUBLISHED_COMPARISON),
)


def describe_columns() -> str:
    """Return the column reference, docs/columns.md."""
    parts = [
        "# Columns of the tables",
        "<!-- Written by `make columns` from columns.py and statistics_columns.py in workflow/smallmix/tables. -->",
        "Files lie in `results/<study>/`. They are CSV in UTF-8 with line feeds. Accuracies and their differences are "
        "fractions, losses are in nats.",
    ]
    for table in TABLES:
        lines = ["| column | type | unit | meaning |", "|---|---|---|---|"]
        lines += [f"| `{one.name}` | {one.dtype} | {one.unit} | {_with_notes(one)} |" for one in table.columns]
        parts += [f"## `{table.file}`", f"A row is {table.rows}. Written by `{table.command}`.", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _with_notes(column: Column) -> str:
    meaning = column.meaning
    if column.of_validation:
        return f"{meaning}; only in studies with validation images".replace("|", "\\|")
    if column.may_be_empty and "empty" not in meaning:
        meaning += "; empty where there is none"
    if column.if_absent is not None:
        meaning += f"; tables of older versions lack it, which reads as {column.if_absent}"
    return meaning.replace("|", "\\|")


if __name__ == "__main__":
    print(describe_columns(), end="")
