"""The one place where tests of what people read touch the package: a study's tables, figures and page.

Everything else in those tests goes by files and commands, which outlive a move of modules.
"""

from __future__ import annotations

import csv
import shutil
from html.parser import HTMLParser
from pathlib import Path

from matplotlib.figure import Figure
from smallmix.commands.main import main
from smallmix.datasets.data_fingerprint import fingerprint_data
from smallmix.figures.catalogue import TABLE_FIGURES
from smallmix.tables.study_tables import load_tables

from tests.synthetic_study import SyntheticStudy

PROJECT = Path(__file__).resolve().parents[1]
PUBLISHED = "workflow/published/article.yaml"


def data_fingerprint_of(made: SyntheticStudy, place: str) -> str:
    """Return the fingerprint of the images that a cell is trained on."""
    return fingerprint_data(made.layout.subset(made.study.cell(place)), made.layout.dataset)


def write_tables(made: SyntheticStudy) -> None:
    """Write every table of the study by the package's commands, whose training code must be `made.code_fingerprint`."""
    (made.root / PUBLISHED).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(PROJECT / PUBLISHED, made.root / PUBLISHED)
    run(made, "tabulate-subsets")
    run(made, "collect-metrics", "--require-complete")
    run(made, "summarize-cells")
    run(made, "compare-methods")
    run(made, "tabulate-classes")
    run(made, "compute-metrics")
    run(made, "judge-claims")


def store_reversed(made: SyntheticStudy, method: str, reference: str) -> None:
    """Let comparison.csv hold reference minus method in the place of method minus reference."""
    path = made.layout.results / "comparison.csv"
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        if (row["method"], row["reference"]) == (method, reference):
            low, high = -float(row["low"]), -float(row["high"])
            row |= {"method": reference, "reference": method, "difference": repr(-float(row["difference"]))}
            row |= {"low": repr(high), "high": repr(low)}
            ahead, least, most = (1 - float(row[name]) for name in ("ahead", "ahead_high", "ahead_low"))
            row |= {"ahead": repr(ahead), "ahead_low": repr(least), "ahead_high": repr(most)}
            if row["best_adds"]:
                least, most = -float(row["best_adds_high"]), -float(row["best_adds_low"])
                row |= {"best_adds": repr(-float(row["best_adds"]))}
                row |= {"best_adds_low": repr(least), "best_adds_high": repr(most)}
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def run(made: SyntheticStudy, command: str, *options: str) -> None:
    """Run a command of the package on the study."""
    arguments = [command, "--study", str(made.layout.study_file), "--root", str(made.root), *options]
    if command == "tabulate-subsets":
        arguments += ["--output", str(made.layout.results / "subset_table.csv")]
    assert main(arguments) == 0


def write_page(made: SyntheticStudy) -> str:
    """Draw all figures and render the page, by the package's commands; return the page."""
    run(made, "plot-figures")
    run(made, "render-report")
    return (made.layout.report / "report.html").read_text(encoding="utf-8")


def drawn_figure(made: SyntheticStudy, name: str) -> Figure:
    """Return a figure of the study as it is drawn from the tables."""
    return TABLE_FIGURES[name].draw(load_tables(made.study, made.root))


class PageText(HTMLParser):
    """The texts of a page: `tables` by id (caption, column names, rows), and `blocks`, the text of other elements."""

    BLOCKS = frozenset({"p", "li", "dt", "dd", "pre", "h1", "h2", "h3", "figcaption", "summary", "desc"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.captions: dict[str, str] = {}
        self.groups: dict[str, list[str]] = {}
        self.blocks: dict[str, list[tuple[str, str]]] = {}
        self._section = self._table = ""
        self._row: list[str] = []
        self._spans = 0
        self._texts: list[tuple[str, list[str]]] = []
        self.feed(html)

    def section(self, identifier: str, tag: str) -> list[str]:
        """Return the texts of all elements of a kind in a section."""
        return [text for name, text in self.blocks.get(identifier, []) if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "section":
            self._section = attributes.get("id") or ""
        elif tag == "table":
            self._table = attributes.get("id") or ""
            self.tables[self._table] = []
        elif tag == "tr":
            self._row, self._spans = [], 0
        elif tag in ("td", "th", "caption") or tag in self.BLOCKS:
            self._spans += "colspan" in attributes
            self._texts.append((tag, []))

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr":
            if self._spans:
                self.groups[self._table] = self._row
            else:
                self.tables[self._table].append(self._row)
        elif self._texts and tag == self._texts[-1][0]:
            text = " ".join("".join(self._texts.pop()[1]).replace("\N{NO-BREAK SPACE}", " ").split())
            if tag in ("td", "th"):
                self._row.append(text)
            elif tag == "caption":
                self.captions[self._table] = text
            else:
                self.blocks.setdefault(self._section, []).append((tag, text))

    def handle_data(self, data: str) -> None:
        for _, texts in self._texts:
            texts.append(data)
