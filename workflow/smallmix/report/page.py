"""The report of a study as one HTML page: no network, no script needed, equal bytes for equal tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from smallmix.errors import SmallmixError
from smallmix.figures.accuracy_by_size import small_sizes
from smallmix.figures.figure_text import FigureText, points
from smallmix.figures.foreign_text import visible_text
from smallmix.figures.loss_words import comparison_sentences, floor_sentences
from smallmix.figures.study_tables import StudyTables
from smallmix.report.accuracy_tables import accuracy_view, sensitivity_view, subset_view
from smallmix.report.answer import compose_answer
from smallmix.report.findings import (
    compose_claims,
    hardware_sentences,
    numbers_view,
    provenance_rows,
    verdict_counts,
)
from smallmix.report.inline_figure import inline_figure
from smallmix.report.protocol import compose_deviations, compose_protocol
from smallmix.report.runs import compose_runs
from smallmix.report.table_view import Entry, TableView
from smallmix.report.tests_of_differences import comparison_view, declared_sentences, pairing_sentence

TEMPLATE_FOLDER = Path(__file__).resolve().parents[2] / "report"
# In the order of the page, which gives them their numbers.
FIGURES_ON_PAGE = (
    "accuracy_by_size_log",
    "accuracy_by_size",
    "accuracy_by_size_small",
    "methods_preview",
    "paired_differences",
    "loss_curves",
    "accuracy_curves",
    "selection_gap",
    "calibration",
)
SMALL_FIGURE = "accuracy_by_size_small"
LONGEST_TEXT = 20_000


@dataclass(frozen=True)
class FigureView:
    """A figure on the page; `markup` is None where it has not been drawn yet."""

    name: str
    number: int
    text: FigureText | None
    markup: Markup | None
    table: TableView | None
    absence: str = "not drawn yet"

    @property
    def wide(self) -> bool:
        """Whether the drawing is wider than the page's column."""
        return self.markup is not None and 'style="min-width' in self.markup[:400]


def render_page(
    tables: StudyTables,
    figures: Path,
    templates: Path = TEMPLATE_FOLDER,
    left_out: Mapping[str, str] = MappingProxyType({}),
    command: str | None = None,
) -> str:
    """The page as HTML. `figures` is the folder of `<name>.svg` and `<name>.json` files; absent ones are named.

    `left_out` maps figures that must not be shown to the reason. `command` is the call that runs the study.
    """
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    shown = [name for name in FIGURES_ON_PAGE if name != SMALL_FIGURE or _has_large_sizes(tables)]
    views = {
        name: FigureView(name, number, None, None, None, left_out[name])
        if name in left_out
        else _figure_view(figures, name, number)
        for number, name in enumerate(shown, start=1)
    }
    published = tables.published
    try:
        return environment.get_template("report.html.j2").render(
            study=tables.study,
            description=str(tables.study.configuration["description"]),
            answer=compose_answer(tables),
            declared=declared_sentences(tables),
            pairing=pairing_sentence(tables),
            comparisons=comparison_view(tables),
            figures=views,
            accuracy=accuracy_view(tables),
            sensitivity=sensitivity_view(tables),
            subsets=subset_view(tables),
            claims=compose_claims(tables),
            claim_counts=verdict_counts(tables, "claim"),
            number_counts=verdict_counts(tables, "number"),
            gain_counts=verdict_counts(tables, "gain"),
            loss_floors=floor_sentences(tables.study),
            loss_comparisons=comparison_sentences(tables.study),
            numbers=numbers_view(tables),
            runs=compose_runs(tables, command),
            protocol=compose_protocol(tables),
            hardware=hardware_sentences(tables),
            deviations=compose_deviations(tables),
            published=published,
            classes=[str(name) for name in tables.dataset.get("classes", [])],
            dataset_title=str(tables.dataset.get("title", tables.study.dataset)),
            provenance=provenance_rows(tables),
            configuration=tables.study.to_json(),
            version=_version(tables),
            points=points,
            style=Markup((templates / "report.css").read_text(encoding="utf-8")),
            script=Markup((templates / "report.js").read_text(encoding="utf-8")),
        )
    except OSError as fault:
        raise SmallmixError(
            f"cannot read the report's template in {templates}: {fault}. Restore that folder."
        ) from fault


def _has_large_sizes(tables: StudyTables) -> bool:
    """Whether the figure of the small sizes is another one than that of all sizes."""
    return len(small_sizes(tables)) < len(tables.study.sizes)


def _shown(value: Any) -> Any:
    """What the template writes: markup as it is, all other text with hidden characters spelt out (then escaped)."""
    return value if isinstance(value, Markup) else visible_text(value, LONGEST_TEXT)


def _figure_view(folder: Path, name: str, number: int) -> FigureView:
    drawing, words = folder / f"{name}.svg", folder / f"{name}.json"
    if not drawing.exists() or not words.exists():
        return FigureView(name, number, None, None, None)
    try:
        text = FigureText.from_json(words.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise SmallmixError(f"cannot read {words}: {fault}. Delete it and draw the figures again.") from fault
    spoken = FigureText(
        visible_text(text.title, LONGEST_TEXT), visible_text(text.description, LONGEST_TEXT), text.caption, text.table
    )
    table = TableView(
        name=f"data-{name}",
        caption=f"The numbers of figure {number}.",
        columns=text.table.columns,
        rows=tuple(tuple(Entry(field) for field in row) for row in text.table.rows),
    )
    return FigureView(name, number, text, inline_figure(drawing, name, spoken), table)


def _version(tables: StudyTables) -> str:
    versions = {
        str(group.get("environment", {}).get("smallmix", "")) for group in tables.provenance.get("environments", [])
    }
    return ", ".join(sorted(versions - {""}))
