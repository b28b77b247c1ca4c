"""A saved SVG made part of the page: its colours become the page's, its ids its own, and nothing foreign gets in."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

from smallmix.errors import SmallmixError
from smallmix.figures.figure_text import FigureText
from smallmix.figures.style import INK, MUTED, PAPER, RULE, SERIES_COLORS

WIDEST_WITHOUT_SCROLLING = 600  # units of the SVG, at 72 to the inch
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_KEPT_TAGS = frozenset({"svg", "g", "path", "text", "tspan", "use", "defs", "clipPath", "rect", "image"})
_ROLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    PAPER: "var(--paper)",
    **{color: f"var(--series-{place})" for place, color in enumerate(SERIES_COLORS)},
}
_ROLE = re.compile("|".join(map(re.escape, _ROLES)))
_FONT = re.compile(r"'DejaVu Sans'(, sans-serif)?")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_SERIES = re.compile(r"series-(\d+)-")
_NAMESPACES = re.compile(r' xmlns(:\w+)?="[^"]*"')


def inline_figure(path: Path, name: str, text: FigureText) -> Markup:
    """The SVG file `path` as markup for an HTML page, titled and described by `text`; ids start with `name`.

    Artists of a method get the class `series-<place>`, by which the page can fade or hide them. Elements and attributes
    that no figure of ours has are dropped. Raises SmallmixError where the file is no SVG.
    """
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except (OSError, ElementTree.ParseError) as fault:
        raise SmallmixError(f"cannot read the figure {path}: {fault}. Delete it and draw the figures again.") from fault
    if root.tag != f"{_SVG}svg":
        raise SmallmixError(f"the figure {path} is not an SVG file. Delete it and draw the figures again.")
    _keep_known(root)
    _take_over(root, name)
    width = float(root.get("viewBox", "0 0 0 0").split()[2])
    if width > WIDEST_WITHOUT_SCROLLING:
        # Shrunk to the page's column its text could not be read: it scrolls in its own box instead.
        root.set("style", f"min-width: {1.1 * width:.0f}px")
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("class", "plot")
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-description")
    for place, (tag, words) in enumerate((("title", text.title), ("desc", text.description))):
        element = ElementTree.Element(f"{_SVG}{tag}", {"id": f"{name}-{'title' if tag == 'title' else 'description'}"})
        element.text = words
        root.insert(place, element)
    ElementTree.register_namespace("", _SVG[1:-1])
    markup = ElementTree.tostring(root, encoding="unicode")
    # Between lines of an SVG there is nothing to see; in HTML no namespace needs declaring.
    return Markup(_NAMESPACES.sub("", re.sub(r">\s+<", "><", markup)))


def _keep_known(element: ElementTree.Element) -> None:
    for child in list(element):
        if child.tag not in {f"{_SVG}{tag}" for tag in _KEPT_TAGS}:
            element.remove(child)
        else:
            _keep_known(child)


def _take_over(root: ElementTree.Element, name: str) -> None:
    """Rename ids, drop those that nothing refers to, and give colours and fonts to the page."""
    wanted = _referenced(root)
    for element in root.iter():
        link = element.attrib.pop(_LINK, element.attrib.pop("href", ""))
        if link.startswith("#"):
            element.set("href", f"#{name}-{link[1:]}")
        elif link.startswith("data:image/png;base64,"):
            element.set("href", link)
        for key in [key for key in element.attrib if key.lower().startswith("on") or key.startswith("{")]:
            del element.attrib[key]
        identifier = element.attrib.pop("id", "")
        series = _SERIES.match(identifier)
        if series:
            element.set("class", f"series series-{series[1]}")
        if identifier in wanted:
            element.set("id", f"{name}-{identifier}")
        for key, value in element.attrib.items():
            if key in ("style", "clip-path", "fill", "stroke"):
                value = _REFERENCE.sub(lambda match: f"url(#{name}-{match[1]})", value)
                value = _ROLE.sub(lambda match: _ROLES[match[0]], value)
                element.set(key, _FONT.sub("var(--sans)", value))


def _referenced(root: ElementTree.Element) -> set[str]:
    found: set[str] = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            found.update(_REFERENCE.findall(value))
            if key in (_LINK, "href") and value.startswith("#"):
                found.add(value[1:])
    return found
