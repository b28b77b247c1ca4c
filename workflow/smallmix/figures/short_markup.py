"""Shorter markup of a drawing that looks the same: a page has dozens of them, and a kept page stays in a repository.

Numbers lose the zeros and the digits that nobody sees, paths their repeated commands. Styles that many elements share
become rules of one style sheet in the drawing.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from xml.etree import ElementTree

SHARED_BY = 3  # elements that have a style, at least, for a rule to be shorter
_SVG = "{http://www.w3.org/2000/svg}"
_TOKEN = re.compile(r"([A-Za-z])|(-?\d*\.?\d+(?:e[+-]?\d+)?)")
_NO_ROTATION = re.compile(r"rotate\(-?0 [^)]*\)")
_NUMBER = re.compile(r"-?\d+\.\d+")


def shorten(root: ElementTree.Element) -> None:
    """Shorten the numbers, paths and styles of a drawing, in place."""
    for element in root.iter():
        if path := element.get("d"):
            element.set("d", short_path(path))
        for key in ("x", "y", "transform"):
            if value := element.get(key):
                element.set(key, _NUMBER.sub(lambda match: _short_number(match[0]), value))
        if _NO_ROTATION.fullmatch(element.get("transform", "")):
            del element.attrib["transform"]
    _share_styles(root)


def short_path(path: str) -> str:
    """Return a path's data without needless spaces, zeros and repeated commands; numbers keep two decimals.

    A command is left out after the same command, and a line's after a move, which it follows from (SVG 1.1, section
    8.3.1 and 8.3.2).
    """
    parts: list[str] = []
    last = ""
    after_number = False
    for command, number in _TOKEN.findall(path):
        if command:
            implied = (command == last and command in "LQC") or (command == "L" and last == "M")
            last = command
            if not implied:
                parts.append(command)
                after_number = False
        else:
            short = _short_number(number)
            parts.append(f" {short}" if after_number and short[0] != "-" else short)
            after_number = True
    return "".join(parts)


def _short_number(text: str) -> str:
    """Return a number with two decimals at most, without zeros at its end."""
    if "e" in text:
        text = f"{float(text):.2f}"
    if "." not in text:
        return text
    whole, _, decimals = text.partition(".")
    short = f"{whole}.{decimals[:2]}".rstrip("0").rstrip(".")
    if short in ("", "-", "-0", "0"):
        return "0"
    return short.replace("-0.", "-.") if short.startswith("-") else short.removeprefix("0")


def _share_styles(root: ElementTree.Element) -> None:
    """Move styles that several elements have into a style sheet. A rule's name follows from its content.

    So drawings of one page may have the same rule, and never two rules of one name. A rule must count for more than the
    page's own rules for all parts of a drawing, as a style does.
    """
    counts = Counter(style for element in root.iter() if (style := element.get("style")) is not None)
    names = {
        style: f"s{hashlib.sha256(style.encode()).hexdigest()[:8]}"
        for style, count in counts.items()
        if count >= SHARED_BY
    }
    for element in root.iter():
        name = names.get(element.get("style", ""))
        if name is not None:
            del element.attrib["style"]
            element.set("class", f"{element.get('class', '')} {name}".strip())
    if names:
        sheet = ElementTree.Element(f"{_SVG}style")
        sheet.text = "".join(f"svg.plot .{name}{{{style}}}" for style, name in names.items())
        described = [place for place, child in enumerate(root) if child.tag in (f"{_SVG}title", f"{_SVG}desc")]
        root.insert(max(described, default=-1) + 1, sheet)
