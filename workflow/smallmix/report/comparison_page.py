"""A comparison for people, of two studies or of a study and published numbers: as text, as tables, as an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smallmix.report.table_formats import as_text
from smallmix.report.tables_section import TableView
from smallmix.report.templates import TEMPLATE_FOLDER, render_template
from smallmix.tables.cell_status import STATUS_WORDS, Collection
from smallmix.wording import count_of

MISSING_SHOWN = 5  # cells


@dataclass(frozen=True)
class PageSection:
    """A part of a comparison: its tables or, where there is none, the sentence `empty`; and a note below them."""

    name: str
    heading: str
    views: Sequence[TableView]
    empty: str = ""
    note: str = ""


@dataclass(frozen=True)
class ComparisonPage:
    """A comparison in the order of reading. `subject` is compared with `against`; `notes` come before everything."""

    kicker: str
    subject: str
    against: str
    titles: tuple[str, str]
    notes: Sequence[str]
    sections: Sequence[PageSection]
    made_from: str

    @property
    def views(self) -> list[TableView]:
        """Return all tables, in their order."""
        return [view for section in self.sections for view in section.views]


def page_text(page: ComparisonPage) -> str:
    """Return the whole comparison as plain text."""
    parts = [f"{page.subject} against {page.against}\n"]
    if page.notes:
        parts.append("".join(f"{note}\n" for note in page.notes))
    for section in page.sections:
        parts += [f"{view.caption}\n\n{as_text(view)}" for view in section.views]
        if not section.views and section.empty:
            parts.append(f"{section.empty}\n")
    return "\n".join(parts)


def render_comparison(page: ComparisonPage, templates: Path = TEMPLATE_FOLDER) -> str:
    """Return the comparison as one HTML page: no network, no script."""
    return render_template(templates, "comparison.html.j2", page=page)


def missing_cells(collection: Collection) -> list[str]:
    """Return a sentence on the cells that do not count; none where all do."""
    missing = collection.not_current
    if not missing:
        return []
    named = ", ".join(f"{one.cell.id} ({STATUS_WORDS[one.status]})" for one in missing[:MISSING_SHOWN])
    more = f" and {len(missing) - MISSING_SHOWN:,} more" if len(missing) > MISSING_SHOWN else ""
    return [
        f"{collection.study.name}: {len(missing):,} of {count_of(len(collection.records), 'cell')} left out, without a "
        f"current result: {named}{more}."
    ]
