"""What the report says about classes that have no image in a training subset."""

from __future__ import annotations

from smallmix.figures.figure_text import joined
from smallmix.figures.study_tables import StudyTables, dataset_classes


def missing_class_notes(tables: StudyTables) -> list[str]:
    """At most one sentence, by size; empty where every class has an image in every subset."""
    classes = len(dataset_classes(tables))
    parts = []
    for row in tables.subset_table.to_dict("records"):
        if int(row["smallest_class"]) > 0:
            continue
        missing = row.get("missing_classes")  # a table of version 0.3 has no such column
        count = "at least one" if missing is None else f"{int(missing):,}"
        parts.append(f"{count}{f' of {classes:,}' if classes else ''} with {int(row['size']):,} images")
    if not parts:
        return []
    return [
        f"Classes are missing from the training subset: {joined(parts)}. The network cannot learn what it is never "
        f"shown, so accuracies there are bounded. The logs in logs/{tables.study.name}/subsets name the classes; "
        "subsets.rule: balanced gives each one its share."
    ]
