"""A saved SVG made part of an HTML page: its colours become the page's, so that they follow the dark scheme.

Its ids follow from the figure's name, since many figures stand in one page.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

from smallmix.errors import SmallmixError
from smallmix.figures.figure_files import FigureText
from smallmix.figures.short_markup import shorten
from smallmix.figures.style import INK, MUTED, PAPER, RULE, SERIES_COLORS
from smallmix.wording import visible_text

WIDEST_WITHOUT_SCROLLING = 600  # units of the SVG, at 72 to the inch
LONGEST_TEXT = 20_000
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_DROPPED = (f"{_SVG}metadata", f"{_SVG}style")  # the style is one for every element of a page
_ROLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    PAPER: "var(--paper)",
    **{color: f"var(--series-{position})" for position, color in enumerate(SERIES_COLORS)},
}
_ROLE = re.compile("|".join(map(re.escape, _ROLES)))
_FONT = re.compile(r"'DejaVu Sans'(, sans-serif)?")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_SERIES = re.compile(r"series-(\d+)-")
_EMPTY_GROUP = re.compile(r"<g ?/>|<g></g>")
_NAMESPACES = re.compile(r' xmlns(:\w+)?="[^"]*"')


@dataclass(frozen=True)
class InlineFigure:
    """A drawn figure for a page: its text, its markup, and whether it is wider than the page's column.

    `narrow` is the markup for phones, None where there is no such drawing. `has_values` says whether marks have values.
    """

    text: FigureText
    markup: Markup
    wide: bool
    narrow: Markup | None = None
    has_values: bool = False


def load_figure(folder: Path, name: str, for_phones: bool = True) -> InlineFigure | None:
    """Read `<name>.svg` and `<name>.json`; None where either is not there.

    `<name>_narrow.svg` may be there as well, and is read `for_phones`.

    Raises SmallmixError for damaged files.
    """
    drawing, text_file = folder / f"{name}.svg", folder / f"{name}.json"
    if not drawing.exists() or not text_file.exists():
        return None
    try:
        text = FigureText.from_json(text_file.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SmallmixError(f"cannot read {text_file}: {error}. Delete it and draw the figures again.") from error
    root, width = _read_drawing(drawing)
    wide = width > WIDEST_WITHOUT_SCROLLING
    has_values = any(element.get("class") == "values" for element in root.iter(f"{_SVG}g"))
    beside = folder / f"{name}_narrow.svg"
    narrow = None
    if for_phones and beside.exists():
        # Screen readers meet one of the two: both are named by the same texts.
        narrow = _narrow_markup(_read_drawing(beside)[0], name)
    return InlineFigure(text, _markup(root, name, text, 1.1 * width if wide else None), wide, narrow, has_values)


def _read_drawing(path: Path) -> tuple[ElementTree.Element, float]:
    """Return the drawing and its width, in units of the SVG."""
    try:
        root = ElementTree.fromstring(path.read_bytes())
        return root, float(root.get("viewBox", "").split()[2])
    except (OSError, ElementTree.ParseError, IndexError, ValueError) as error:
        raise SmallmixError(f"cannot read the figure {path}: {error}. Delete it and draw the figures again.") from error


def _narrow_markup(root: ElementTree.Element, name: str) -> Markup:
    _recolour(root, f"{name}-narrow")
    return _finish(root, name)


def _markup(root: ElementTree.Element, name: str, text: FigureText, least_width: float | None) -> Markup:
    """Return the drawing as markup with title and description; parts of a method have the class `series-<position>`."""
    _recolour(root, name)
    if least_width is not None:
        # Shrunk to the page's column its text could not be read: it scrolls in its own box instead.
        root.set("style", f"min-width: {least_width:.0f}px")
    for position, (tag, part, content) in enumerate(
        (("title", "title", text.title), ("desc", "description", text.description))
    ):
        element = ElementTree.Element(f"{_SVG}{tag}", {"id": f"{name}-{part}"})
        element.text = visible_text(content, LONGEST_TEXT)
        root.insert(position, element)
    return _finish(root, name)


def _finish(root: ElementTree.Element, name: str) -> Markup:
    """Return a recoloured drawing as markup that is named by the title and the description of figure `name`."""
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("class", "plot")
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-description")
    ElementTree.register_namespace("", _SVG[1:-1])
    markup = ElementTree.tostring(root, encoding="unicode")
    # Between lines of an SVG there is nothing to see; in HTML no namespace needs declaring.
    markup = _NAMESPACES.sub("", re.sub(r">\s+<", "><", markup))
    count = 1
    while count:
        markup, count = _EMPTY_GROUP.subn("", markup)
    return Markup(markup)


def _recolour(root: ElementTree.Element, name: str) -> None:
    """Give colours and fonts to the page; make ids of `name` and drop those that nothing refers to."""
    for parent in root.iter():
        for child in [one for one in parent if one.tag in _DROPPED]:
            parent.remove(child)
    # Short ids keep the page small.
    prefix = f"d{hashlib.sha256(name.encode()).hexdigest()[:5]}"
    short = {one: f"{prefix}-{place}" for place, one in enumerate(_referenced(root))}
    for element in root.iter():
        link = element.attrib.pop(_LINK, "")
        if link:
            element.set("href", f"#{short[link[1:]]}" if link.startswith("#") else link)
        identifier = element.attrib.pop("id", "")
        series = _SERIES.match(identifier)
        if series:
            element.set("class", f"series series-{series[1]}")
        if identifier in short:
            element.set("id", short[identifier])
        for key in ("style", "clip-path", "fill", "stroke"):
            if value := element.get(key):
                value = _REFERENCE.sub(lambda match: f"url(#{short[match[1]]})", value)
                value = _ROLE.sub(lambda match: _ROLES[match[0]], value)
                value = _FONT.sub("var(--sans)", value).replace(": ", ":").replace("; ", ";")
                element.set(key, value.replace("font-family:var(--sans);", ""))
    shorten(root)


def _referenced(root: ElementTree.Element) -> list[str]:
    """Return the ids that something refers to, in the order of the drawing."""
    found: dict[str, None] = {}
    for element in root.iter():
        for value in element.attrib.values():
            found.update(dict.fromkeys(_REFERENCE.findall(value)))
        if element.get(_LINK, "").startswith("#"):
            found[element.get(_LINK, "")[1:]] = None
    return list(found)
