"""Each message that the page of messages explains is one that the code can print."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.documentation_pages import DOCS, PROJECT

PAGE = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^### `(.+)`$", PAGE, flags=re.MULTILINE)
SNAKEMAKES_OWN = re.findall(r"^### `(.+)`$", PAGE.partition("## Snakemake's own messages")[2], flags=re.MULTILINE)
VALUE = "\0"  # stands for what a template fills in


def templates(files: Iterable[Path]) -> list[str]:
    """Return every text of these Python files as it stands in the code, filled-in values as VALUE."""
    found = []
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else VALUE for part in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value.replace("{}", VALUE))
    return found


@functools.cache
def own_templates() -> str:
    """Return all texts of smallmix, each on lines of its own."""
    return "\n\n".join(templates(sorted((PROJECT / "workflow").rglob("*.py"))))


@functools.cache
def snakemake_templates() -> str:
    """Return all texts of the installed Snakemake."""
    specification = importlib.util.find_spec("snakemake")
    assert specification is not None
    assert specification.origin is not None
    return "\n\n".join(templates(sorted(Path(specification.origin).parent.rglob("*.py"))))


def is_printed(message: str, texts: str) -> bool:
    """Return whether a text has the message's parts in this order, with values in place of its dots."""
    parts = [re.escape(part) for part in message.split("…")]
    return re.search(r"[^\n]{0,200}?".join(parts), texts) is not None


@pytest.mark.parametrize("message", QUOTED)
def test_a_quoted_message_exists(message: str) -> None:
    assert is_printed(message, snakemake_templates() if message in SNAKEMAKES_OWN else own_templates())


def test_the_page_explains_twenty_messages_and_more() -> None:
    assert len(QUOTED) >= 20
    assert len(QUOTED) == len(set(QUOTED)) == PAGE.count("\n### ")
    assert len(SNAKEMAKES_OWN) >= 3


def test_a_message_that_nobody_prints_is_noticed() -> None:
    assert not is_printed("the training loss became … at step … of …", own_templates())
    assert not is_printed("unknown key; did you think of …?", own_templates())


def test_each_message_is_followed_by_what_to_do() -> None:
    """A heading without a paragraph, or with a few words only, helps nobody."""
    for part in re.split(r"^#+ .+$", PAGE, flags=re.MULTILINE)[2:]:
        explained = part.strip()
        assert not explained or len(explained.split()) >= 8, explained
