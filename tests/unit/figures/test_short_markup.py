"""Shortened drawings look the same: every path, place and style of a drawing can be read back from the shorter one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from smallmix.figures.short_markup import short_path, shorten

SVG = "http://www.w3.org/2000/svg"
NUMBERS = {"M": 2, "L": 2, "Q": 4, "C": 6, "A": 7, "z": 0, "Z": 0}


def read_path(path: str) -> list[tuple[str, tuple[float, ...]]]:
    """Every command of a path with its numbers; one that is left out is that of before, or a line after a move."""
    tokens = re.findall(r"[A-Za-z]|-?(?:\d+\.?\d*|\.\d+)", path)
    found: list[tuple[str, tuple[float, ...]]] = []
    command = ""
    while tokens:
        if tokens[0].isalpha():
            command = tokens.pop(0)
        elif command == "M":
            command = "L"
        count = NUMBERS[command]
        found.append((command, tuple(round(float(number), 9) for number in tokens[:count])))
        del tokens[:count]
    return found


PATHS = {
    "M 50.13 22.92 L 65.02 22.92 L 65.02 37.81 z": "M50.13 22.92 65.02 22.92 65.02 37.81z",
    "M 1.00 -2.50 L 0.50 -0.25 L -0.75 10 ": "M1-2.5 .5-.25-.75 10",
    "M 0 2.75 C 0.72 2.75 1.42 2.46 1.94 1.94 C 2.46 1.42 2.75 0.72 2.75 0 L 3 4 z": (
        "M0 2.75C.72 2.75 1.42 2.46 1.94 1.94 2.46 1.42 2.75 .72 2.75 0L3 4z"
    ),
    "M 1 2 L 3 4 M 5 6 L 7 8": "M1 2 3 4M5 6 7 8",
    "M 1 2 M 3 4 L 5 6": "M1 2M3 4 5 6",
    "M 100.00 2 L 3 4 z M 5 6 z": "M100 2 3 4zM5 6z",
    "M 1 2 Q 3 4 5 6 Q 7 8 9 10": "M1 2Q3 4 5 6 7 8 9 10",
    "": "",
}


@pytest.mark.parametrize(("path", "short"), PATHS.items())
def test_a_path_is_shortened_and_says_the_same(path: str, short: str) -> None:
    assert short_path(path) == short
    assert read_path(short) == read_path(path)


@pytest.mark.parametrize(
    ("number", "short"),
    [
        ("1.239", "1.23"),
        ("0.001", "0"),
        ("-0.001", "0"),
        ("-0.5", "-.5"),
        ("10.0", "10"),
        ("120", "120"),
        ("1e-05", "0"),
        ("1e+02", "100"),
        ("-.001", "0"),
        (".5", ".5"),
    ],
)
def test_numbers_keep_two_decimals(number: str, short: str) -> None:
    assert short_path(f"M {number} {number}") in (f"M{short} {short}", f"M{short}{short}")


def drawing(*parts: str) -> ElementTree.Element:
    return ElementTree.fromstring(f'<svg xmlns="{SVG}"><title>t</title><desc>d</desc>{"".join(parts)}</svg>')


def styles(root: ElementTree.Element) -> Iterator[str]:
    """The style of every part, by its own or by the sheet's rule."""
    sheet = root.find(f"{{{SVG}}}style")
    rules = dict(re.findall(r"svg\.plot \.(\w+)\{([^}]*)\}", "" if sheet is None else sheet.text or ""))
    for element in root:
        if element.tag == f"{{{SVG}}}path":
            classes = element.get("class", "").split()
            yield element.get("style") or next((rules[name] for name in classes if name in rules), "")


def test_styles_that_three_parts_share_become_one_rule() -> None:
    parts = (
        ['<path style="fill:red"/>'] * 3
        + ['<path class="series" style="fill:red"/>']
        + ['<path style="fill:blue"/>'] * 2
    )
    root = drawing(*parts)
    expected = list(styles(root))
    shorten(root)
    assert list(styles(root)) == expected == ["fill:red"] * 4 + ["fill:blue"] * 2
    assert [element.tag.partition("}")[2] for element in root][:3] == ["title", "desc", "style"]
    assert [element.get("style") for element in root if element.get("style")] == ["fill:blue"] * 2
    assert str(root[6].get("class")).startswith("series s")


def test_the_name_of_a_rule_follows_from_what_it_says() -> None:
    """Drawings of one page may share rules, and must not have two of one name."""
    names = []
    for style in ("fill:red", "fill:red", "fill:blue"):
        root = drawing(*[f'<path style="{style}"/>'] * 3)
        shorten(root)
        names.append(root[-1].get("class"))
    assert names[0] == names[1] != names[2]


def test_text_that_is_not_turned_needs_no_rotation() -> None:
    root = drawing(
        '<text x="46.630" y="107.66" transform="rotate(-0 46.63 107.66)">dog</text>',
        '<text x="1" y="2" transform="rotate(-90 1.50 2)">cat</text>',
    )
    shorten(root)
    assert [dict(element.attrib) for element in root][2:] == [
        {"x": "46.63", "y": "107.66"},
        {"x": "1", "y": "2", "transform": "rotate(-90 1.5 2)"},
    ]
