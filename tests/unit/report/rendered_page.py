"""A study's page as the tests look at it: rendered, parsed, and by section."""

from __future__ import annotations

from html.parser import HTMLParser

from smallmix.figures.catalogue import plot_figure
from smallmix.figures.names import FIGURE_NAMES
from smallmix.report.page import render_page
from smallmix.tables.study_tables import StudyTables

from tests.synthetic_study import SyntheticStudy
from tests.unit.figures.study_with_tables import tables_of

VOID = frozenset({"meta", "br", "input", "path", "use", "rect", "image", "hr", "img", "link"})
COMMAND = "snakemake --cores all --configfile my/lap.yaml"


class Page(HTMLParser):
    """What a test asks of a page: elements with their attributes, text, and whether tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def render(made: SyntheticStudy, tables: StudyTables | None = None, names: tuple[str, ...] = FIGURE_NAMES) -> str:
    """The page of a study, with the figures `names` drawn."""
    tables = tables or tables_of(made)
    folder = made.root / "figures"
    for name in names:
        plot_figure(name, tables, made.root, folder)
    return render_page(tables, folder, command=COMMAND)


def spaced(text: str) -> str:
    """The text with plain spaces in the places where no line may end."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def section(html: str, name: str) -> str:
    """The text of a section, without tags and with single spaces."""
    start = html.index(f'<section id="{name}"')
    return " ".join("".join(Page(html[start : html.index("</section>", start)]).text).split())
