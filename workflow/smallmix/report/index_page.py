"""The page that leads to all studies: those that were run here, and those that are kept. Written from files alone.

A study that cannot be read is named with the reason. It does not keep the others from the page.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from smallmix.errors import SmallmixError
from smallmix.report.templates import TEMPLATE_FOLDER, render_template
from smallmix.statistics.answer import answer_sentence, answer_so_far
from smallmix.study.layout import RESERVED_STUDIES, SO_FAR, Folders, Layout
from smallmix.study.named_study import KEPT
from smallmix.study.own_images import own_images
from smallmix.study.study import Study
from smallmix.tables.cell_status import Status, UnusableFile, read_metrics
from smallmix.tables.collect import find_statuses
from smallmix.tables.study_tables import StudyTables, load_tables
from smallmix.wording import count_of, joined

# What a status of cells is called here, in the order of telling; current and stored cells are finished.
UNFINISHED: dict[Status, str] = {
    "failed": "failed",
    "resumable": "begun",
    "stale": "outdated",
    "missing": "not begun",
}
MOST_SPELT_OUT = 4  # sizes


@dataclass(frozen=True)
class StudyEntry:
    """A study on the page. `links` are names and addresses, relative to the page; `problem` says why it has no more."""

    name: str
    title: str
    scale: str
    status: str
    answer: str
    links: tuple[tuple[str, str], ...]
    problem: str = ""


def index_file(root: Path) -> Path:
    """Return where the page lies."""
    return root / Folders.of_this_process().reports / "index.html"


def find_studies(root: Path) -> tuple[list[StudyEntry], list[StudyEntry]]:
    """Return the studies that were run below `root`, and the kept ones, each by name."""
    results = root / Folders.of_this_process().results
    run = [
        _entry(folder, root, kept=False)
        for folder in _folders_of_studies(results)
        if folder.name not in RESERVED_STUDIES
    ]
    return run, [_entry(folder, root, kept=True) for folder in _folders_of_studies(root / KEPT)]


def render_index(run: Sequence[StudyEntry], kept: Sequence[StudyEntry], templates: Path = TEMPLATE_FOLDER) -> str:
    """Return the page as HTML: no network, no script."""
    return render_template(templates, "index.html.j2", run=run, kept=kept)


def scale_sentence(study: Study) -> str:
    """Say how large a study is: images, sizes, methods, seeds, network, budget."""
    sizes, budgets = sorted(study.sizes), sorted({cell.value.iterations for cell in study.cells})
    spelt = joined([f"{size:,}" for size in sizes])
    images = (
        f"{spelt} images"
        if len(sizes) <= MOST_SPELT_OUT
        else f"{len(sizes)} sizes, {sizes[0]:,} to {sizes[-1]:,} images"
    )
    budget = f"{budgets[0]:,}" if len(budgets) == 1 else f"{budgets[0]:,} to {budgets[-1]:,}"
    model = study.cells[0].value.model
    width = f" of width {model.width}" if model.width else ""
    seeds = count_of(len(study.seeds), "seed")
    return f"{_images(study)}: {images}; {joined(study.methods)}; {seeds}; {model.name}{width}, {budget} iterations"


def _images(study: Study) -> str:
    own = own_images(study.configuration["dataset"])
    return str((own or {}).get("title") or study.dataset)


def _folders_of_studies(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/study.json"))


def _entry(folder: Path, root: Path, *, kept: bool) -> StudyEntry:
    try:
        study = Study.load(folder / "study.json")
        if kept:
            return _kept_entry(study, folder, root)
        return _run_entry(study, root)
    except SmallmixError as error:
        return StudyEntry(folder.name, folder.name, "", "", "", (), problem=str(error))


def _run_entry(study: Study, root: Path) -> StudyEntry:
    layout = Layout(study, root)
    statuses = find_statuses(layout)
    counts = Counter(one.status for one in statuses.values())
    finished = counts["current"] + counts["stored"]
    parts = [f"{counts[status]:,} {name}" for status, name in UNFINISHED.items() if counts[status]]
    report, so_far = layout.report / "report.html", layout.report / SO_FAR / "report.html"
    links = _links(root, ("report", report), ("report so far", so_far))
    return StudyEntry(
        name=study.name,
        title=study.title,
        scale=scale_sentence(study),
        status=", ".join([f"{finished:,} of {count_of(len(study.cells), 'run')} finished", *parts]),
        answer=_answer(layout, [cell for cell, one in statuses.items() if one.status == "current"]),
        links=links,
    )


def _answer(layout: Layout, current: Sequence[str]) -> str:
    """Return the answer of the report, or without one that of the finished cells."""
    study = layout.study
    if (layout.report / "report.html").exists() and (layout.results / "comparison.csv").exists():
        return answer_sentence(load_tables(study, layout.root))
    metrics = dict(_metrics(layout, current))
    found = answer_so_far(study, metrics)
    return "No run is finished yet, so there is no answer." if found is None else found.sentence


def _metrics(layout: Layout, current: Sequence[str]) -> Iterator[tuple[str, dict[str, object]]]:
    for place in current:
        try:
            yield place, read_metrics(layout.cell(layout.study.cell(place)) / "metrics.json")
        except UnusableFile:
            continue  # its status is that of a moment ago


def _kept_entry(study: Study, folder: Path, root: Path) -> StudyEntry:
    tables = load_tables(study, root, folder, kept=True)
    return StudyEntry(
        name=study.name if folder.name == study.name else f"{study.name} in {folder.name}",
        title=study.title,
        scale=scale_sentence(study),
        status=", ".join([f"{count_of(len(tables.metrics), 'run')} kept", *_dates(tables)]),
        answer=answer_sentence(tables),
        links=_links(root, ("report", folder / "report.html"), ("what is kept", folder / "README.md")),
    )


def _dates(tables: StudyTables) -> list[str]:
    """Return between which days the runs were started, as far as that is on record."""
    groups = tables.provenance.get("environments", [])
    days = sorted(
        str(group[key])[:10] for group in groups for key in ("first_started", "last_started") if group.get(key)
    )
    if not days:
        return []
    return [f"started {days[0]}" if days[0] == days[-1] else f"started {days[0]} to {days[-1]}"]


def _links(root: Path, *named: tuple[str, Path]) -> tuple[tuple[str, str], ...]:
    """Return the files that are there, each with its address from the page."""
    page = index_file(root).parent
    return tuple((name, quote(Path(os.path.relpath(path, page)).as_posix())) for name, path in named if path.exists())
