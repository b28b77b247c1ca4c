"""The report of a study as one HTML page: no network, no script needed, equal bytes for equal tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from smallmix.figures.inline import InlineFigure, load_figure
from smallmix.figures.names import FIGURE_NAMES
from smallmix.report.claims_section import compose_claims, numbers_view, open_questions, verdict_counts
from smallmix.report.classes_section import balance_view, class_view, metric_meanings, metrics_view
from smallmix.report.differences_section import comparison_view, declared_sentences, pairing_sentence
from smallmix.report.method_section import compose_deviations, compose_protocol, declared_selection, describe_methods
from smallmix.report.methods_paragraph import methods_paragraph
from smallmix.report.runs_section import NO_LOGS, compose_runs, executor_sentences, hardware_sentences, provenance_rows
from smallmix.report.scatter_section import scatter_sentence, scatter_view
from smallmix.report.seeds_section import no_plan_sentence, optimism_sentence, seeds_view
from smallmix.report.summary_section import compose_answer
from smallmix.report.tables_section import Entry, TableView, accuracy_view, sensitivity_view, subset_view
from smallmix.report.templates import TEMPLATE_FOLDER, Verbatim, render_template
from smallmix.statistics.loss_floor import comparison_sentences, floor_sentences
from smallmix.tables.study_tables import StudyTables

SMALL_FIGURE = "accuracy_by_size_small"
# The same accuracies on different axes, first on the page. Readers switch between them.
ONE_AT_A_TIME = ("accuracy_by_size_log", "accuracy_by_size", SMALL_FIGURE)


@dataclass(frozen=True)
class FigureView:
    """A figure on the page with its number; `drawn` is None where `absence` says why it is not shown."""

    name: str
    number: str
    drawn: InlineFigure | None
    absence: str = "not drawn yet"

    @property
    def table(self) -> TableView | None:
        """Return the numbers of the figure; None where it is not shown or has none."""
        if self.drawn is None or not self.drawn.text.table.rows:
            return None
        return TableView(
            name=f"data-{self.name}",
            caption=f"The numbers of figure {self.number}.",
            columns=self.drawn.text.table.columns,
            rows=tuple(tuple(map(Entry, row)) for row in self.drawn.text.table.rows),
            stacks=True,
        )


def render_page(
    tables: StudyTables,
    figures: Path,
    templates: Path = TEMPLATE_FOLDER,
    left_out: Mapping[str, str] = MappingProxyType({}),
    command: str | None = None,
    logs: Mapping[str, str] = NO_LOGS,
    for_phones: bool = True,
) -> str:
    """Return the page as HTML. `figures` is the folder of `<name>.svg` and `<name>.json` files; absent ones are named.

    `left_out` maps figures that must not be shown to the reason. `command` is the call that runs the study.
    `logs` are the addresses of the runs' logs (`runs_section.find_logs`). Without `for_phones` the page has each figure
    once, and narrow screens scroll it.
    """
    shown = [name for name in FIGURE_NAMES if name != SMALL_FIGURE or _has_large_sizes(tables)]
    views = {
        name: FigureView(name, number, None, left_out[name])
        if name in left_out
        else FigureView(name, number, load_figure(figures, name, for_phones))
        for name, number in figure_numbers(shown).items()
    }
    return render_template(
        templates,
        "report.html.j2",
        study=tables.study,
        description=str(tables.study.configuration["description"]),
        methods=describe_methods(tables.study),
        answer=compose_answer(tables),
        declared=declared_sentences(tables),
        pairing=pairing_sentence(tables),
        comparisons=comparison_view(tables),
        seeds=seeds_view(tables),
        no_plan=no_plan_sentence(tables),
        scatter=scatter_view(tables),
        scatter_sentence=scatter_sentence(tables),
        optimism=optimism_sentence(tables),
        figures=views,
        accuracy=accuracy_view(tables),
        sensitivity=sensitivity_view(tables),
        declared_selection=declared_selection(tables),
        subsets=subset_view(tables),
        by_class=class_view(tables),
        balance=balance_view(tables),
        metrics=metrics_view(tables),
        metric_meanings=metric_meanings(tables),
        claims=compose_claims(tables),
        questions=open_questions(tables),
        claim_counts=verdict_counts(tables, "claim"),
        number_counts=verdict_counts(tables, "number"),
        gain_counts=verdict_counts(tables, "gain"),
        loss_floors=floor_sentences(tables.study, len(tables.classes)),
        loss_comparisons=comparison_sentences(tables.study),
        numbers=numbers_view(tables),
        runs=compose_runs(tables, command, logs),
        protocol=compose_protocol(tables),
        hardware=[*hardware_sentences(tables), *executor_sentences(tables)],
        deviations=compose_deviations(tables),
        published=tables.published,
        classes=tables.classes,
        dataset_title=tables.dataset_title,
        provenance=provenance_rows(tables),
        configuration=Verbatim(tables.study.to_json()),
        methods_paragraph=methods_paragraph(tables),
        version=", ".join(tables.versions_of("smallmix")),
    )


def figure_numbers(names: Sequence[str]) -> dict[str, str]:
    """Return the numbers of figures, in their order: 1a, 1b, 1c for those of which a page shows one at a time."""
    numbers: dict[str, str] = {}
    count = 0
    for name in names:
        if name in ONE_AT_A_TIME:
            letter = "abc"[sum(other in ONE_AT_A_TIME for other in numbers)]
            count = max(count, 1)
            numbers[name] = f"1{letter}"
        else:
            count += 1
            numbers[name] = str(count)
    return numbers


def _has_large_sizes(tables: StudyTables) -> bool:
    """Return whether the figure of the small sizes differs from that of all sizes."""
    return len(tables.small_sizes) < len(tables.sizes)
